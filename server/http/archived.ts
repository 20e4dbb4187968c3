/** Tells an archived flag from one that never was. */
import { identityOf } from '../domain/documents.ts'
import { Problem } from '../domain/problem.ts'
import type { Environment, Live } from '../live/live.ts'

/**
 * An archived flag has no configuration, so that the environment's log knows it as little as one that never was.
 * Locking the project's log would tell them apart, at the price of making all its environments wait on each other.
 */
export function tellArchived(
  live: Live,
  { project }: Environment,
  ...flags: readonly string[]
): (error: unknown) => never {
  return (error) => {
    const identities = live.held(project.id)
    const unknown = error instanceof Problem && error.type === 'flag-not-found'
    if (!unknown || identities === undefined) throw error
    const flag = flags.find((one) => identityOf(identities.state, one)?.archived)
    if (flag === undefined) throw error
    throw new Problem('flag-archived', `The flag ${JSON.stringify(flag)} is archived: unarchive it first.`)
  }
}
