/**
 * A small history as people leave it behind, made by the domain's own edits: two projects, flags with targets and
 * rules, a segment with members, a kill, repeated requests, an environment that was deleted and one that came after it.
 */
import { randomBytes } from 'node:crypto'
import type { Edit, LogId } from '../../server/domain/change.ts'
import {
  bootstrap,
  createEnvironment,
  createFlag,
  createProject,
  deleteEnvironment,
  editMembers,
  kill,
  putSegment,
  putTargets,
  SYSTEM,
  setEnabled,
  unkill,
} from '../../server/domain/index.ts'
import type { Database } from '../../server/store/database.ts'
import { createStore } from '../../server/store/open-store.ts'
import type { CommitRequest, Store } from '../../server/store/store.ts'

export const ANY = { ifMatch: '*' } as const
const ANN = { kind: 'api-key', id: 'ann', name: 'Ann' } as const
export const START = Date.parse('2026-03-02T08:00:00.000Z')
export const HOUR = 3_600_000

export type History = {
  readonly store: Store
  readonly database: Database
  /** The clock of the next commits. */
  readonly clock: { at: number }
  /** What was logged as committed, newest last. */
  readonly heads: readonly LoggedHead[]
  readonly project: LogId
  /** default/production */
  readonly production: LogId
  /** Commits in `production`, unless told otherwise. */
  commit<R>(edit: Edit<R>, request?: Partial<CommitRequest<R>>): Promise<R>
}
export type LoggedHead = {
  readonly log: LogId
  readonly project: string
  readonly environment: string
  readonly epoch: number
  readonly revision: number
  readonly hash: string
}

/** A store with the default project, as after a first start. */
export async function startHistory(database: Database): Promise<History> {
  const clock = { at: START }
  const heads: LoggedHead[] = []
  const log = {
    info: (detail: object, message: string) => {
      if (message === 'committed') heads.push(detail as LoggedHead)
    },
    warn: () => {},
    error: () => {},
  }
  const store = createStore(database, { clock: { now: () => clock.at }, randomBytes, log })
  await store.commit({ scope: { path: [SYSTEM] }, actor: ANN, edit: bootstrap() })
  const idOf = (environment: string) =>
    heads.find((head) => head.project === 'default' && head.environment === environment)?.log ?? ''
  return {
    store,
    database,
    clock,
    heads,
    project: idOf(''),
    production: idOf('production'),
    commit: async (edit, request) => {
      const scope = { path: [idOf('production')] }
      return (await store.commit({ scope, actor: ANN, edit, ...request })).result
    },
  }
}

/** A day in the life of it. */
export async function writeHistory(database: Database): Promise<History> {
  const history = await startHistory(database)
  const { commit, clock, project, production } = history
  const wholeProject = { scope: { path: [project], descendants: true } }
  await commit(
    createFlag(project, { key: 'checkout', type: 'boolean', description: 'the new one' }),
    wholeProject,
  )
  await commit(createFlag(project, { key: 'banner', type: 'boolean' }), wholeProject)
  clock.at += HOUR
  await commit(setEnabled(production, 'checkout', true), { comment: 'launch' })
  await commit(putTargets(production, 'checkout', 'on', { units: ['user-7', 'user-42'] }, ANY))
  await commit(putSegment(production, 'beta', { when: null }, {}))
  await commit(editMembers(production, 'beta', { included: { add: ['user-1', 'user-42'] } }))
  clock.at += HOUR
  const idempotency = { key: 'once', digest: 'a'.repeat(64) }
  await commit(kill(production, 'checkout'), { comment: 'INC-481', urgent: true })
  await commit(unkill(production, 'checkout'), { idempotency })
  for (const enabled of [false, true, false]) {
    clock.at += 60_000
    await commit(setEnabled(production, 'banner', enabled))
  }
  const inProject = { scope: { path: [project] } }
  const made = await commit(createEnvironment(project, { key: 'canary' }), inProject)
  await commit(deleteEnvironment(project, 'canary', ANY), { scope: { path: [project, made.id] } })
  await commit(createEnvironment(project, { key: 'canary' }), inProject)
  await commit(createProject({ key: 'shop' }), { scope: { path: [SYSTEM] } })
  return history
}
