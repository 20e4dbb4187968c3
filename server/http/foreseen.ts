/** What a kill would do, or has done, as the held state says it: no database is asked. */
import type { FlagKey, State } from '@halyard/sdk/core'
import { HALYARD } from '../domain/change.ts'
import { type KilledFlags, kill, killFlags } from '../domain/kills.ts'
import { Problem } from '../domain/problem.ts'
import type { Environment } from '../live/live.ts'
import { tellArchived } from './archived.ts'
import type { World } from './call.ts'
import { taggedFlags } from './handlers/kills.ts'

export type Foreseen = KilledFlags & { readonly state: State }

/** `expect`: how many flags of a group there must be; as many as there are where absent. */
type Target =
  | { readonly flag: FlagKey }
  | (({ readonly tag: string } | { readonly all: true }) & { readonly expect?: number | undefined })

/**
 * Of each flag, `already` says whether it is killed.
 * @throws Problem `flag-not-found`, `flag-archived`, `kill-count-differs`, or `unavailable` where that cannot be told now
 */
export async function foresee(world: World, environment: Environment, target: Target): Promise<Foreseen> {
  const { live } = world
  try {
    return foreseenIn(world, environment, target)
  } catch (error) {
    const missing = error instanceof Problem && /^(?:flag-not-found|kill-count-differs)$/.test(error.type)
    if (!missing) throw error
    // Another instance may have made the flag a moment ago.
    await Promise.all([environment.project.id, environment.id].map(live.catchUp))
    try {
      return foreseenIn(world, environment, target)
    } catch (last) {
      return 'flag' in target ? tellArchived(live, environment, target.flag)(last) : Promise.reject(last)
    }
  }
}

/** The edit itself, on what is held: nothing is committed. */
function foreseenIn({ live, clock }: World, environment: Environment, target: Target): Foreseen {
  const { id, project } = environment
  const held = live.live(id)
  if (held === undefined) {
    throw new Problem(
      'unavailable',
      'The state of this environment is not loaded yet. Try again in a moment.',
    )
  }
  const { state } = held
  const view = { id, kind: 'environment', parent: project.id, state, bytes: 0 } as const
  const logs = new Map([[id, view]])
  const moment = { now: clock.now(), actor: HALYARD, mint: () => 'none' }
  if ('flag' in target) {
    const { alsoOff, ...one } = kill(id, target.flag)(logs, moment).result
    return { state, kills: new Map([[target.flag, one]]), alsoOff }
  }
  const flags = 'tag' in target ? taggedFlags(live, environment, target.tag) : 'all'
  return { state, ...killFlags(id, flags, { expect: target.expect })(logs, moment).result }
}
