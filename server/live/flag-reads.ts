/**
 * When flags were read, of whole environments, for lists: asked of the store once a minute at most, and never waited for
 * long. What was known before is good enough where the store does not answer.
 */
import type { LogId } from '../domain/change.ts'
import type { Reads, VariantRead } from '../domain/stale.ts'
import type { Store } from '../store/store.ts'
import { inTime } from '../waiting.ts'

/** undefined: nothing is known, because the store did not answer. An environment of which nobody told is missing. */
export type FlagReads = (logs: readonly LogId[]) => Promise<ReadonlyMap<LogId, Reads> | undefined>

export type FlagReadsDeps = {
  readonly store: Pick<Store, 'flagReads'>
  readonly clock: { now(): number }
  readonly storeAnswers: () => boolean
}

const FRESH_MS = 60_000
const READ_MS = 1_000
/** Sets of environments that are remembered. */
const MOST_KEPT = 100

export function createFlagReads({ store, clock, storeAnswers }: FlagReadsDeps): FlagReads {
  const kept = new Map<string, { readonly at: number; readonly reads: ReadonlyMap<LogId, Reads> }>()
  const flights = new Map<string, Promise<ReadonlyMap<LogId, Reads>>>()

  function read(name: string, logs: readonly LogId[]): Promise<ReadonlyMap<LogId, Reads>> {
    const flight =
      flights.get(name) ??
      store
        .flagReads(logs)
        .then((rows) => {
          const reads = gathered(rows)
          if (kept.size >= MOST_KEPT) kept.clear()
          kept.set(name, { at: clock.now(), reads })
          return reads
        })
        .finally(() => flights.delete(name))
    flights.set(name, flight)
    return flight
  }

  return async (logs) => {
    const name = [...logs].sort().join(' ')
    const known = kept.get(name)
    if (known !== undefined && clock.now() - known.at < FRESH_MS) return known.reads
    const reads = storeAnswers() ? await inTime(read(name, logs), READ_MS) : undefined
    return reads ?? known?.reads
  }
}

type Row = Awaited<ReturnType<Store['flagReads']>>[number]

function gathered(rows: readonly Row[]): ReadonlyMap<LogId, Reads> {
  const environments = new Map<
    LogId,
    { since: number; until: number; readonly flags: Map<string, VariantRead[]> }
  >()
  for (const { log, flag, variant, firstAt, lastAt } of rows) {
    let reads = environments.get(log)
    if (reads === undefined) {
      reads = { since: firstAt, until: lastAt, flags: new Map() }
      environments.set(log, reads)
    }
    reads.since = Math.min(reads.since, firstAt)
    reads.until = Math.max(reads.until, lastAt)
    const variants = reads.flags.get(flag) ?? []
    variants.push({ variant, firstAt, lastAt })
    reads.flags.set(flag, variants)
  }
  return environments
}
