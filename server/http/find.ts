/** Finds what an address names in the held states, or throws the problem that says what is missing. */
import { type Entry, entryOf } from '@halyard/sdk/core'
import { type LogId, SYSTEM } from '../domain/change.ts'
import { Problem, type ProblemType } from '../domain/problem.ts'
import type { Environment, Held, Live, Project } from '../live/live.ts'
import { inTime } from '../waiting.ts'
import type { Manager } from './call.ts'
import { allowsPart } from './grants.ts'
import { unknownKey } from './problems.ts'

export function findProject(live: Live, manager: Manager, key: string): Project {
  const project = live.project(key)
  if (project !== undefined) return project
  throw unknownKey('project-not-found', 'project', key, visibleProjects(live, manager).map(keyOf))
}

export function findEnvironment(
  live: Live,
  manager: Manager,
  params: { readonly project: string; readonly env: string },
): Environment {
  const project = findProject(live, manager, params.project)
  const environment = live.environment(project.key, params.env)
  if (environment !== undefined) return environment
  const known = visibleEnvironments(live, manager, project).map(keyOf)
  throw unknownKey('environment-not-found', 'environment', params.env, known)
}

/** An environment that the body names. @throws Problem with a pointer to it */
export function findNamed(
  live: Live,
  manager: Manager,
  project: string,
  pointer: string,
  env: string,
): Environment {
  try {
    return findEnvironment(live, manager, { project, env })
  } catch (error) {
    if (!(error instanceof Problem) || error.type !== 'environment-not-found') throw error
    const { type, message, details } = error
    throw new Problem(type, message, { ...details, errors: [{ pointer, message }] })
  }
}

export function visibleProjects(live: Live, { grants }: Manager): readonly Project[] {
  return live.projects().filter(({ key }) => allowsPart(grants, 'read', { project: key }))
}

export function visibleEnvironments(
  live: Live,
  { grants }: Manager,
  project: Project,
): readonly Environment[] {
  return live
    .environments(project)
    .filter(({ key }) => allowsPart(grants, 'read', { project: project.key, environment: key }))
}

/** How long a kill that names what is not held waits for a look whether it is new, milliseconds. */
const LOOK_MS = 500

/**
 * What `find` finds for a kill in that project, once the database was asked where it is not held here: it may be new.
 * @throws Problem `unavailable` where the database does not say, in place of one that something is not there
 */
export async function findForKill<T>(live: Live, project: string, find: () => T): Promise<T> {
  try {
    return find()
  } catch (cause) {
    if (!(cause instanceof Problem) || !cause.type.endsWith('-not-found')) throw cause
    const looking = live.catchUp(live.project(project)?.id ?? SYSTEM).then(() => true)
    if (await inTime(looking, LOOK_MS)) return find()
    throw new Problem(
      'unavailable',
      `The database does not answer, and this instance has not heard of it: ${cause.message}`,
      { ...cause.details, retryAfter: 1, cause },
    )
  }
}

/** A log as held. It may be missing for a moment after another instance opened it. */
export function heldLog(live: Live, log: LogId): Held {
  const held = live.held(log)
  if (held !== undefined) return held
  throw new Problem('unavailable', 'This is not loaded here yet. Try again in a moment.')
}

/** An entry of a log, or the problem that it is missing, with the nearest key. */
export function findEntry(held: Held, kind: string, key: string, missing: ProblemType): Entry {
  const entry = entryOf(held.state, kind, key)
  if (entry !== undefined) return entry
  throw unknownKey(missing, missing.replace('-not-found', ''), key, keysOf(held, kind))
}

/** All keys of a kind. */
export function keysOf(held: Held, kind: string): readonly string[] {
  return [...(held.state.entries.get(kind)?.keys() ?? [])]
}

const keyOf = ({ key }: { readonly key: string }) => key
