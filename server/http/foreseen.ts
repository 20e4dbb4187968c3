/** What a kill would do, or has done, as the held state says it: no database is asked. */
import type { State } from '@halyard/sdk/core'
import { HALYARD } from '../domain/change.ts'
import { type Killed, kill } from '../domain/kills.ts'
import { Problem } from '../domain/problem.ts'
import type { Environment } from '../live/live.ts'
import { tellArchived } from './archived.ts'
import type { World } from './call.ts'

export type Foreseen = Omit<Killed, 'already' | 'kill'> & {
  readonly state: State
  /** The kill that there is. */
  readonly killed: Killed['kill'] | undefined
}

/** @throws Problem `flag-not-found`, `flag-archived`, or `unavailable` where that cannot be told now */
export async function foresee(world: World, environment: Environment, flag: string): Promise<Foreseen> {
  const { live } = world
  try {
    return foreseenIn(world, environment, flag)
  } catch (error) {
    if (!(error instanceof Problem) || error.type !== 'flag-not-found') throw error
    // Another instance may have made the flag a moment ago.
    await live.catchUp(environment.id)
    try {
      return foreseenIn(world, environment, flag)
    } catch (last) {
      return tellArchived(live, environment, flag)(last)
    }
  }
}

/** The edit itself, on what is held: nothing is committed. */
function foreseenIn({ live, clock }: World, { id, project }: Environment, flag: string): Foreseen {
  const held = live.live(id)
  if (held === undefined) {
    throw new Problem(
      'unavailable',
      'The state of this environment is not loaded yet. Try again in a moment.',
    )
  }
  const { state } = held
  const view = { id, kind: 'environment', parent: project.id, state, bytes: 0 } as const
  const moment = { now: clock.now(), actor: HALYARD, mint: () => 'none' }
  const { serves, alsoOff, already, kill: first } = kill(id, flag)(new Map([[id, view]]), moment).result
  return {
    ...{ state, serves, alsoOff },
    killed: already ? first : undefined,
  }
}
