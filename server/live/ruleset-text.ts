/**
 * A state's wire form as text, piece by piece: an environment may be tens of megabytes, and whoever writes one whole
 * keeps everybody else waiting. Hides how the pieces are cut.
 */
import { jsonText, rulesetOf, type State } from '@halyard/sdk/core'

/** Characters of a piece, about; one document is never cut. */
const PIECE = 64 * 2 ** 10
/** How long work goes on before others get their turn, milliseconds. */
const TURN_MS = 5

/** The pieces of `rulesetOf(state)` as JSON. The state's own order of documents is kept, whatever they are called. */
export function* rulesetText(state: State): Generator<string> {
  const { entries: _, ...head } = rulesetOf({ ...state, entries: new Map() })
  let text = `${JSON.stringify(head).slice(0, -1)},"entries":{`
  let first = true
  for (const [kind, ofKind] of state.entries) {
    text += `${first ? '' : ','}${JSON.stringify(kind)}:{`
    first = true
    for (const [key, entry] of ofKind) {
      text += `${first ? '' : ','}${JSON.stringify(key)}:${jsonText(entry)}`
      first = false
      if (text.length < PIECE) continue
      yield text
      text = ''
    }
    text += '}'
    first = false
  }
  yield `${text}}}`
}

/**
 * Pieces put together, giving way to everything else in between.
 * @param each sees every part on its way
 */
export async function gathered(
  pieces: Iterable<string>,
  each: (part: Buffer) => void = () => {},
): Promise<Buffer> {
  const parts: Buffer[] = []
  let turnEnds = performance.now() + TURN_MS
  for (const piece of pieces) {
    const part = Buffer.from(piece)
    each(part)
    parts.push(part)
    if (performance.now() < turnEnds) continue
    await new Promise((resolve) => setImmediate(resolve))
    turnEnds = performance.now() + TURN_MS
  }
  return Buffer.concat(parts)
}
