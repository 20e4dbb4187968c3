/**
 * An app's whole `flags.boolean(key, default, context)` against the same call of the public SDKs. The questions are
 * those whose split all of them happen to answer alike (every SDK has its own hash), so that each does the same work
 * for the same answers.
 */
import { connect } from '@halyard/sdk/node'
import { PEERS, type Peer } from './peers.ts'
import { interleave, ratioOf } from './rig/rounds.ts'
import { type Bench, judged, type Row } from './rig/row.ts'
import { contexts, type FlagShape, flagShapes, type Question, questions, ruleset } from './workload.ts'

const ASKED = 2_048

export const sdk: Bench = {
  name: 'sdk',
  about: 'a whole flags.boolean call against the public SDKs with local evaluation',
  run: async () => {
    process.env.NODE_ENV = 'production'
    const shapes = flagShapes(100)
    const candidates = questions(shapes, contexts(4_000), 40_000)
    const ask = await agreed(shapes, candidates)
    const contenders = await all(shapes, ask)
    try {
      const measured = await interleave(contenders.map((peer) => ({ ...peer, size: ask.length })))
      const [ours, ...theirs] = contenders.map(({ name }) => measured.get(name) ?? raise(name))
      if (!ours) throw new Error('nothing was measured')
      const byTime = [...theirs].sort((a, b) => a.ns - b.ns)
      const rows = byTime.map((peer, place): Row => {
        const row = {
          name: `flags.boolean, ${peer.name}${place === 0 ? ' (the fastest peer)' : ''}`,
          measured: ours.ns,
          unit: 'ns' as const,
          baseline: { name: peer.name, value: peer.ns },
          ratio: ratioOf(peer.rounds, ours.rounds),
        }
        return place === 0 ? judged(row, { of: 'ratio', atLeast: 4 }) : row
      })
      return [...rows, await counting(shapes, ask)]
    } finally {
      for (const peer of contenders) peer.close()
    }
  },
}

/** The same calls by two clients, of which one counts each for telemetry. */
async function counting(shapes: readonly FlagShape[], ask: readonly Question[]): Promise<Row> {
  // Both have a server that is never there: without one nothing is counted.
  const nowhere = { url: 'http://127.0.0.1:9', key: 'hly_srv_nowhere_secret', startTimeoutMs: 0 }
  const quiet = { warn() {}, error() {} }
  const clients = [
    await halyard(shapes, ask, { ...nowhere, logger: quiet, telemetry: false }),
    { ...(await halyard(shapes, ask, { ...nowhere, logger: quiet })), name: 'counting' },
  ]
  try {
    const measured = await interleave(clients.map((client) => ({ ...client, size: ask.length })))
    const [without, counted] = clients.map(({ name }) => measured.get(name) ?? raise(name))
    if (!without || !counted) throw new Error('nothing was measured')
    const row = {
      name: 'flags.boolean, with telemetry counting',
      measured: counted.ns,
      unit: 'ns' as const,
      baseline: { name: 'without', value: without.ns },
      ratio: ratioOf(counted.rounds, without.rounds),
    }
    return judged(row, { of: 'ratio', atMost: 1.5 })
  } finally {
    for (const client of clients) client.close()
  }
}

async function all(shapes: readonly FlagShape[], ask: readonly Question[]): Promise<readonly Peer[]> {
  return [await halyard(shapes, ask), ...(await Promise.all(PEERS.map((make) => make(shapes, ask))))]
}

/** The first questions that everyone answers alike, half of them `true` where there are enough. */
async function agreed(
  shapes: readonly FlagShape[],
  candidates: readonly Question[],
): Promise<readonly Question[]> {
  const contenders = await all(shapes, candidates)
  const answers = await Promise.all(contenders.map((peer) => peer.answers()))
  for (const peer of contenders) peer.close()
  const alike = candidates.filter((_, index) =>
    answers.every((given) => given[index] === answers[0]?.[index]),
  )
  if (alike.length < ASKED) throw new Error(`only ${alike.length} questions are answered alike`)
  verify(shapes, candidates, contenders, answers)
  return alike.slice(0, ASKED)
}

/**
 * Where a rule decides, all must say so; where the split decides, each must give about half. Otherwise the rules are
 * not the same, and the comparison means nothing.
 */
function verify(
  shapes: readonly FlagShape[],
  candidates: readonly Question[],
  contenders: readonly Peer[],
  answers: readonly (readonly boolean[])[],
): void {
  const byKey = new Map(shapes.map((shape) => [shape.key, shape]))
  const decided = candidates.map(({ key, context }) => {
    const shape = byKey.get(key)
    if (!shape) throw new Error(`${key} is no flag`)
    return (
      shape.countries.includes(context.country) ||
      (context.plan === 'pro' && context.version.localeCompare(shape.minimum, 'en', { numeric: true }) >= 0)
    )
  })
  for (const [at, given] of answers.entries()) {
    const name = contenders[at]?.name
    const wrong = decided.findIndex((on, index) => on && given[index] !== true)
    if (wrong >= 0)
      throw new Error(`${name} answers false where a rule says true: ${JSON.stringify(candidates[wrong])}`)
    const split = given.filter((_, index) => !decided[index])
    const share = split.filter(Boolean).length / split.length
    if (share < 0.47 || share > 0.53) throw new Error(`${name} gives ${share} of the split, not half`)
  }
}

async function halyard(
  shapes: readonly FlagShape[],
  ask: readonly Question[],
  options: Parameters<typeof connect>[0] = {},
): Promise<Peer> {
  const flags = await connect({ bootstrap: ruleset(shapes), ...options })
  return {
    name: 'Halyard',
    pass: () => {
      let on = 0
      for (const { key, context } of ask) if (flags.boolean(key, false, context)) on += 1
      return on
    },
    answers: () => ask.map(({ key, context }) => flags.boolean(key, false, context)),
    close: () => void flags.close(),
  }
}

function raise(name: string): never {
  throw new Error(`${name} was not measured`)
}
