/** Projects and environments. */

import { withoutReadOnly } from '../../contract/resources.ts'
import { SYSTEM } from '../../domain/change.ts'
import { createEnvironment, deleteEnvironment, updateEnvironment } from '../../domain/environments.ts'
import { etagOf } from '../../domain/expectations.ts'
import { Problem } from '../../domain/problem.ts'
import { createProject, deleteProject, updateProject } from '../../domain/system.ts'
import type { Handlers } from '../call.ts'
import {
  findEntry,
  findEnvironment,
  findProject,
  heldLog,
  visibleEnvironments,
  visibleProjects,
} from '../find.ts'
import { chooseFields, pageOf, searchFor } from '../listing.ts'
import { type Stamp, showEnvironment, shownEntry, showProject } from '../shown.ts'
import { commit, outcomeOf, type Target, writtenDocument } from '../write.ts'

const projectAt = (key: string): Target => ({ log: SYSTEM, kind: 'project', key, show: showProject })

export const projectHandlers: Handlers<
  'projects.list' | 'projects.create' | 'projects.get' | 'projects.update' | 'projects.delete'
> = {
  'projects.list': ({ query, manager }, { live }) => {
    const held = heldLog(live, SYSTEM)
    const matches = searchFor(query.query)
    const choose = chooseFields(query.fields)
    const visible = new Map(visibleProjects(live, manager).map((project) => [project.key, project]))
    const body = pageOf([...visible.keys()].sort(), query, (key) => {
      if (!matches(key, visible.get(key)?.name ?? '')) return undefined
      return choose(shownEntry(showProject, held, key, findEntry(held, 'project', key, 'project-not-found')))
    })
    return { status: 200, body }
  },

  'projects.create': async (call, { live }) => {
    const document = projectAt(call.body.key)
    const committed = await commit(live, call, {
      scope: { path: [SYSTEM] },
      edit: createProject(call.body),
      document,
    })
    return { status: 201, ...writtenDocument(live, call, committed, document, committed.result) }
  },

  'projects.get': ({ params, manager }, { live }) => {
    const project = findProject(live, manager, params.project)
    const held = heldLog(live, SYSTEM)
    const entry = findEntry(held, 'project', project.key, 'project-not-found')
    const body = shownEntry(showProject, held, project.key, entry)
    return { status: 200, body, etag: etagOf(body as Stamp) }
  },

  'projects.update': async (call, { live }) => {
    const project = findProject(live, call.manager, call.params.project)
    const document = projectAt(project.key)
    const committed = await commit(live, call, {
      scope: { path: [SYSTEM] },
      edit: updateProject(project.key, withoutReadOnly(call.body), call),
      document,
    })
    return { status: 200, ...writtenDocument(live, call, committed, document, committed.result) }
  },

  'projects.delete': async (call, { live }) => {
    const { project: key } = call.params
    const find = () => findProject(live, call.manager, key)
    const project = call.idempotency === undefined ? find() : live.project(key)
    const committed = await commit(live, call, {
      scope: project === undefined ? { path: [SYSTEM] } : { path: [SYSTEM, project.id], descendants: true },
      edit: deleteProject(key, call),
      document: projectAt(key),
    }).catch(unlessMissing(find))
    const outcome = outcomeOf(live, call, committed, SYSTEM)
    return { status: 200, body: { key, deleted: true, ...outcome } }
  },
}

export const environmentHandlers: Handlers<
  | 'environments.list'
  | 'environments.create'
  | 'environments.get'
  | 'environments.update'
  | 'environments.delete'
> = {
  'environments.list': ({ params, query, manager }, { live }) => {
    const project = findProject(live, manager, params.project)
    const held = heldLog(live, project.id)
    const matches = searchFor(query.query)
    const choose = chooseFields(query.fields)
    const visible = new Map(visibleEnvironments(live, manager, project).map((one) => [one.key, one]))
    const body = pageOf([...visible.keys()].sort(), query, (key) => {
      if (!matches(key, visible.get(key)?.name ?? '')) return undefined
      const entry = findEntry(held, 'environment', key, 'environment-not-found')
      return choose(shownEntry(showEnvironment, held, key, entry))
    })
    return { status: 200, body }
  },

  'environments.create': async (call, { live }) => {
    const project = findProject(live, call.manager, call.params.project)
    const from = call.body.from === undefined ? undefined : live.environment(project.key, call.body.from)
    const document = environmentAt(project.id, call.body.key)
    const committed = await commit(live, call, {
      scope: { path: from === undefined ? [project.id] : [project.id, from.id] },
      edit: createEnvironment(project.id, call.body),
      document,
    })
    return { status: 201, ...writtenDocument(live, call, committed, document, committed.result) }
  },

  'environments.get': ({ params, manager }, { live }) => {
    const { key, project } = findEnvironment(live, manager, params)
    const held = heldLog(live, project.id)
    const entry = findEntry(held, 'environment', key, 'environment-not-found')
    const body = shownEntry(showEnvironment, held, key, entry)
    return { status: 200, body, etag: etagOf(body as Stamp) }
  },

  'environments.update': async (call, { live }) => {
    const environment = findEnvironment(live, call.manager, call.params)
    const { project, key } = environment
    const document = environmentAt(project.id, key)
    const committed = await commit(live, call, {
      scope: { path: [project.id] },
      edit: updateEnvironment(project.id, key, withoutReadOnly(call.body), call),
      environment,
      document,
    })
    return { status: 200, ...writtenDocument(live, call, committed, document, committed.result) }
  },

  'environments.delete': async (call, { live }) => {
    const { env: key } = call.params
    const project = findProject(live, call.manager, call.params.project)
    const find = () => findEnvironment(live, call.manager, call.params)
    const environment = call.idempotency === undefined ? find() : live.environment(project.key, key)
    const committed = await commit(live, call, {
      scope: { path: environment === undefined ? [project.id] : [project.id, environment.id] },
      edit: deleteEnvironment(project.id, key, call),
      ...(environment && { environment }),
      document: environmentAt(project.id, key),
    }).catch(unlessMissing(find))
    const outcome = outcomeOf(live, call, committed, project.id)
    return { status: 200, body: { key, deleted: true, ...outcome } }
  },
}

const environmentAt = (log: string, key: string): Target => ({
  log,
  kind: 'environment',
  key,
  show: showEnvironment,
})

/**
 * What is deleted can't be found when the request comes again, so the commit looks for the request first. Where that
 * is new, too, what is missing is told as to any caller.
 */
function unlessMissing(find: () => unknown): (error: unknown) => never {
  return (error) => {
    if (error instanceof Problem && error.type.endsWith('-not-found')) find()
    throw error
  }
}
