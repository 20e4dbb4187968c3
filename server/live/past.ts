/**
 * States as they were, for questions about the past. A past state never changes, so the last ones asked for are kept
 * for a while, compiled: whoever asks why a user got what they got asks again. Hides where a state comes from.
 */
import { type Compiled, compile, partOf, type State } from '@halyard/sdk/core'
import { LRUCache } from 'lru-cache'
import type { LogId } from '../domain/change.ts'
import type { At, Store, Past as StoredPast } from '../store/store.ts'
import type { HeldLog } from './held-log.ts'
import type { Past } from './live.ts'

export type PastsDeps = {
  readonly store: Pick<Store, 'past'>
  readonly held: (log: LogId) => HeldLog | undefined
  readonly clock: { now(): number }
}

/** A state can be tens of megabytes. */
const KEPT = 8
/** Bounded in time, too: what is erased from the history must not live on here. */
const KEPT_MS = 60_000

export function createPasts({ store, held, clock }: PastsDeps): (log: LogId, at: At) => Promise<Past> {
  const kept = new LRUCache<string, Past>({
    max: KEPT,
    ttl: KEPT_MS,
    perf: clock,
    ttlResolution: 0,
  })

  /** The state that is held, where it is what was asked for; a time is always for the store to say. */
  function current(log: LogId, at: At): Past | undefined {
    const now = held(log)
    if (now === undefined || !('revision' in at) || at.revision !== now.head.revision) return undefined
    const { state, compiled, provenance } = now
    const made = provenance.get(at.revision)
    if (made === undefined) return undefined
    // Whoever is erased is taken out of current documents by an edit.
    return { state, ...made, redacted: [], compiled: () => compiled ?? compile(state) }
  }

  function keep(log: LogId, past: StoredPast): Past {
    const name = `${log} ${past.state.epoch}-${past.state.revision}`
    const known = kept.get(name)
    if (known !== undefined) return known
    const made = { ...past, compiled: compiledOnce(past.state) }
    kept.set(name, made)
    return made
  }

  return async (log, at) => {
    const { epoch } = held(log)?.head ?? {}
    const known =
      current(log, at) ?? ('revision' in at ? kept.get(`${log} ${epoch}-${at.revision}`) : undefined)
    return known ?? keep(log, await store.past(log, at))
  }
}

/** The whole is compiled once; of parts the last one is remembered. */
function compiledOnce(state: State): Past['compiled'] {
  let whole: Compiled | undefined
  let part: { readonly name: string; readonly compiled: Compiled } | undefined
  return (flags) => {
    if (whole !== undefined) return whole
    if (flags === undefined) {
      whole = compile(state)
      return whole
    }
    const name = flags.join()
    if (part?.name !== name) part = { name, compiled: compile(partOf(state, flags)) }
    return part.compiled
  }
}
