/** Warns who would skip what was just written. Advice: it neither fails a write that is committed nor holds it up. */
import type { LogId, Warning } from '../domain/change.ts'
import { demandingUses, introduced, skipWarnings } from '../domain/skipped.ts'
import type { Live } from '../live/live.ts'
import type { Committed } from '../store/store.ts'
import { inTime } from '../waiting.ts'

/** Milliseconds that a write's answer may wait for this, once it asks for something that some SDKs do not know. */
const WITHIN_MS = 1_000

/** The warnings `skipped-by-connected-sdks` of a commit, or of a dry run. */
export async function skipsOf(
  live: Live,
  { deltas }: Pick<Committed<unknown>, 'deltas'>,
): Promise<readonly Warning[]> {
  const each = [...deltas].map(([log, delta]) => skipsIn(live, log, delta))
  return (await Promise.all(each)).flat()
}

type Delta = Committed<unknown>['deltas'] extends ReadonlyMap<LogId, infer D> ? D : never

async function skipsIn(live: Live, log: LogId, { base, entries }: Delta): Promise<readonly Warning[]> {
  const held = live.held(log)
  const { features } = live.sdks
  if (held?.head.kind !== 'environment') return []
  const uses = demandingUses(held.state, entries, features)
  if (uses.length === 0) return []
  const before = await inTime(live.past(log, { revision: base }), WITHIN_MS)
  const fresh = before === undefined ? uses : introduced(uses, before.state)
  if (fresh.length === 0) return []
  return skipWarnings(fresh, (await inTime(live.sdks.connected(log), WITHIN_MS)) ?? [], features)
}
