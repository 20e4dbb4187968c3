/** What lists say of flags that nobody needs any more, and the filter for them. */
import type { Identity } from '../domain/documents.ts'
import { type Stale, staleOf } from '../domain/stale.ts'
import type { Environment, Held } from '../live/live.ts'
import type { World } from './call.ts'

type Query = { readonly stale?: string | undefined; readonly fields?: string | undefined }
/** What an item shows of it. */
type Shown = { readonly stale?: object | null; readonly staleIncomplete?: true }

/**
 * @param environments in which the flags could be read
 * @param identities the project's
 * @returns for a flag: what its item shows, or undefined where the filter holds it back
 */
export async function staleness(
  { live, clock }: Pick<World, 'live' | 'clock'>,
  environments: readonly Pick<Environment, 'id'>[],
  identities: Held,
  { stale: filter, fields }: Query,
): Promise<(identity: Identity | undefined) => Shown | undefined> {
  if (filter === undefined && fields !== undefined && !fields.includes('stale')) return () => NOTHING
  const reads = await live.flagReads(environments.map(({ id }) => id))
  const all = [...(reads?.values() ?? [])]
  const now = clock.now()
  const incomplete = reads === undefined ? ({ staleIncomplete: true } as const) : NOTHING
  return (identity) => {
    const stale =
      identity === undefined ? null : staleOf(identity, changedAt(identities, identity.key), all, now)
    return passes(stale, filter) ? { stale: stale && shown(stale), ...incomplete } : undefined
  }
}

const NOTHING: Shown = {}

function changedAt(held: Held, flag: string): number {
  const entry = held.state.entries.get('identity')?.get(flag)
  return (entry && held.provenance.get(entry.revision)?.at) ?? 0
}

function passes(stale: Stale | null, filter: string | undefined): boolean {
  if (filter === undefined) return true
  return filter === 'true' || filter === 'false'
    ? (stale !== null) === (filter === 'true')
    : stale?.why === filter
}

function shown(stale: Stale): object {
  const { why } = stale
  const since = instant(stale.since)
  if (why === 'expired') return { why, since, evidence: { expiresAt: since } }
  const lastEvaluatedAt = stale.lastAt === undefined ? null : instant(stale.lastAt)
  if (why === 'unread') {
    return { why, since, evidence: { lastEvaluatedAt, watchedSince: instant(stale.watchedSince) } }
  }
  return { why, since, evidence: { variant: stale.variant === '' ? null : stale.variant, lastEvaluatedAt } }
}

const instant = (at: number): string => new Date(at).toISOString()
