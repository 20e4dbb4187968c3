/**
 * The recent deltas of every environment, so that whoever missed a few gets one merged delta instead of the whole.
 * Bounded in count and bytes, per environment and in all. Hides how deltas are kept: as text, serialised once.
 */
import { type Delta, jsonText } from '@halyard/sdk/core'
import type { LogId } from '../domain/change.ts'

type At = { readonly epoch: number; readonly revision: number }

export type Ring = {
  /** A delta that names every entry written since its base, those that are gone again included. */
  append(environment: LogId, delta: Delta): void
  /** The history of an environment is broken off: its state was taken whole, or it was closed. */
  clear(environment: LogId): void
  /**
   * The JSON of one delta from a revision to the newest; undefined where the history does not reach back,
   * `too-large` where its entries are more than `most` characters.
   */
  merged(environment: LogId, from: At, most: number): string | 'too-large' | undefined
  readonly bytes: number
}

type Piece = { readonly entry: string; readonly revision: number; readonly text: string }
type Link = Omit<Delta, 'entries'> & { readonly pieces: readonly Piece[]; readonly bytes: number }
type History = { links: Link[]; bytes: number }

export type RingLimits = { readonly links: number; readonly bytes: number; readonly allBytes: number }
const LIMITS: RingLimits = { links: 256, bytes: 4 * 2 ** 20, allBytes: 64 * 2 ** 20 }

export function createRing(limits: RingLimits = LIMITS): Ring {
  // In the order of the last append: what changed longest ago is forgotten first.
  const histories = new Map<LogId, History>()
  let bytes = 0

  function clear(environment: LogId): void {
    bytes -= histories.get(environment)?.bytes ?? 0
    histories.delete(environment)
  }

  function trim(history: History): void {
    while (history.links.length > limits.links || history.bytes > limits.bytes) {
      const oldest = history.links.shift()
      if (oldest === undefined) return
      history.bytes -= oldest.bytes
      bytes -= oldest.bytes
    }
  }

  return {
    append(environment, delta) {
      const known = histories.get(environment)
      const last = known?.links.at(-1)
      const follows = last === undefined || (last.epoch === delta.epoch && last.revision === delta.base)
      if (!follows) clear(environment)
      const history: History = (follows ? known : undefined) ?? { links: [], bytes: 0 }
      histories.delete(environment)
      histories.set(environment, history)
      const link = linkOf(delta)
      history.links.push(link)
      history.bytes += link.bytes
      bytes += link.bytes
      trim(history)
      for (const oldest of histories.keys()) {
        if (bytes <= limits.allBytes) break
        clear(oldest)
      }
    },
    clear,
    merged(environment, from, most) {
      const links = histories.get(environment)?.links
      const newest = links?.at(-1)
      if (links === undefined || newest === undefined) return undefined
      return reaches(links, from) ? merge(links, from.revision, newest, most) : undefined
    },
    get bytes() {
      return bytes
    },
  }
}

function reaches(links: readonly Link[], from: At): boolean {
  const [oldest] = links
  const newest = links.at(-1)
  if (oldest === undefined || newest === undefined) return false
  return oldest.epoch === from.epoch && oldest.base <= from.revision && from.revision < newest.revision
}

/** Each entry once, as it is now, where it was written after `from`: revisions of entries need no link to begin there. */
function merge(links: readonly Link[], from: number, newest: Link, most: number): string {
  const seen = new Set<string>()
  const texts: string[] = []
  let length = 0
  for (let at = links.length - 1; at >= 0; at--) {
    const link = links[at]
    if (link === undefined || link.revision <= from) break
    for (const { entry, revision, text } of link.pieces) {
      if (revision <= from || seen.has(entry)) continue
      seen.add(entry)
      texts.push(text)
      length += text.length + 1
      if (length > most) return 'too-large'
    }
  }
  const { epoch, revision, digest } = newest
  return `{"epoch":${epoch},"base":${from},"revision":${revision},"entries":[${texts.join(',')}],"digest":${digest}}`
}

/** What a piece costs beside its text: the object, the key, places in lists. */
const PIECE_BYTES = 200

function linkOf({ entries, ...delta }: Delta): Link {
  let bytes = PIECE_BYTES
  const pieces = entries.map((entry) => {
    const text = jsonText(entry)
    const name = `${entry.kind}/${entry.key}`
    bytes += text.length + name.length + PIECE_BYTES
    return { entry: name, revision: entry.revision, text }
  })
  return { ...delta, pieces, bytes }
}
