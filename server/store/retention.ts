/**
 * Which texts a compaction may drop, and which states are surely kept: those at the end of each day (or hour, UTC) up to
 * a time, and all after it. A version is dropped only where it was replaced within the day that it was written in.
 */
import type { Compaction } from './chain.ts'

export type Keep = Compaction['keep']

/** Milliseconds between two states that are kept. */
export const GRANULES: Readonly<Record<Keep, number>> = { daily: 86_400_000, hourly: 3_600_000 }

/** Until when a log was compacted, by what was kept: epoch milliseconds. */
export type Compacted = Readonly<Record<Keep, number>>

/** What a log's compactions come to together. */
export function compactedBy(compactions: readonly Pick<Compaction, 'before' | 'keep'>[]): Compacted {
  const until = (keep: Keep) =>
    Math.max(
      Number.NEGATIVE_INFINITY,
      ...compactions.filter((one) => one.keep === keep).map((one) => Date.parse(one.before)),
    )
  return { daily: until('daily'), hourly: until('hourly') }
}

/** Whether the compactions cover what another one would drop. */
export function covers(compacted: Compacted, keep: Keep, before: number): boolean {
  return compacted.daily >= before || (keep === 'hourly' && compacted.hourly >= before)
}

/** Whether a version may be without its text: no state that is kept had it. Times are epoch milliseconds. */
export function mayBeDropped(compacted: Compacted, written: number, replaced: number): boolean {
  return (['daily', 'hourly'] as const).some(
    (keep) => replaced <= compacted[keep] && granuleOf(keep, written) === granuleOf(keep, replaced),
  )
}

/**
 * The nearest instants around a time whose states are surely kept; the time itself where its own is.
 * @param at epoch milliseconds
 */
export function keptAround(
  { daily, hourly }: Compacted,
  at: number,
): { readonly before: number; readonly after: number } {
  const day = at >= daily ? at : Math.min(endOf('daily', at), daily)
  const hour = at >= hourly ? at : endedBy('hourly', at)
  return {
    before: hour >= daily ? hour : endedBy('daily', hour),
    after: day >= hourly ? day : Math.min(endOf('hourly', day), hourly),
  }
}

const granuleOf = (keep: Keep, at: number) => Math.floor(at / GRANULES[keep])
/** The last millisecond of the granule that an instant lies in. */
const endOf = (keep: Keep, at: number) => (granuleOf(keep, at) + 1) * GRANULES[keep] - 1
/** The newest end of a granule up to an instant. */
const endedBy = (keep: Keep, at: number) => granuleOf(keep, at + 1) * GRANULES[keep] - 1
