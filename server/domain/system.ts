/** Edits of the system log: projects, and the first one of all. */
import {
  type Change,
  type Edit,
  type EntryEdit,
  type LockedLogs,
  type LogView,
  type Opening,
  SYSTEM,
} from './change.ts'
import {
  asJson,
  type EnvironmentDocument,
  entriesOf,
  lockedLog,
  type ProjectDocument,
  projectOf,
} from './documents.ts'
import { editsOf } from './edits.ts'
import { NEW_SETTINGS, readName } from './environments.ts'
import { expectMatch } from './expectations.ts'
import { nearest, quote } from './faults.ts'
import { environmentsOf } from './identities.ts'
import type { Expectation, ProjectInput } from './inputs.ts'
import { Problem } from './problem.ts'
import { inside, READ_ONLY, readFields, readKey, startReading } from './reading.ts'

/** Any port of a developer's own machine. */
const LOCALHOST = ['http://localhost:*', 'http://127.0.0.1:*']
const FIRST_ENVIRONMENTS = [
  { key: 'development', name: 'Development', corsOrigins: LOCALHOST },
  { key: 'staging', name: 'Staging', corsOrigins: [] },
  { key: 'production', name: 'Production', corsOrigins: [] },
] as const

const systemLog = (logs: LockedLogs): LogView => lockedLog(logs, SYSTEM, 'project-not-found')

/** Project `default` with development, staging and production, where there is no project yet. Scope: system. */
export function bootstrap(): Edit<{ readonly created: boolean }> {
  return (logs, { mint }) => {
    const { state } = systemLog(logs)
    if (entriesOf(state, 'project').size > 0) return unchanged('project.create', { created: false })
    const project: ProjectDocument = { id: `prj_${mint()}`, key: 'default', name: 'Default' }
    const environments = FIRST_ENVIRONMENTS.map(
      ({ key, name, corsOrigins }): EnvironmentDocument => ({
        id: `env_${mint()}`,
        key,
        name,
        settings: { ...NEW_SETTINGS, corsOrigins },
      }),
    )
    const entries = environments.map(
      (document): EntryEdit => ({ kind: 'environment', key: document.key, definition: asJson(document) }),
    )
    return {
      action: 'project.create',
      edits: new Map([[SYSTEM, [projectEdit(project.key, project)]]]),
      opens: [
        projectOpening(project, entries),
        ...environments.map(
          ({ id, key }): Opening => ({
            id,
            kind: 'environment',
            parent: project.id,
            project: project.key,
            environment: key,
            entries: [],
          }),
        ),
      ],
      warnings: [],
      result: { created: true },
    }
  }
}

/** Creates a project, without environments. Scope: system. */
export function createProject(input: ProjectInput): Edit<ProjectDocument> {
  return (logs, { mint }) => {
    const { state } = systemLog(logs)
    const reading = startReading(input)
    const fields = readFields(input, reading, 'A project', ['key', 'name'], READ_ONLY)
    const key = readKey(fields.key, inside(reading, 'key'), 'A project’s key')
    const name = fields.name === undefined ? key : readName(fields.name, inside(reading, 'name'))
    reading.faults.refuse()
    if (projectOf(state, key) !== undefined)
      throw new Problem('already-exists', `The project ${quote(key)} exists.`)
    const project: ProjectDocument = { id: `prj_${mint()}`, key, name }
    return {
      action: 'project.create',
      edits: new Map([[SYSTEM, [projectEdit(key, project)]]]),
      opens: [projectOpening(project, [])],
      warnings: [],
      result: project,
    }
  }
}

/** Scope: system. */
export function updateProject(
  key: string,
  patch: { readonly name?: string | undefined },
  expect: Expectation,
): Edit<ProjectDocument> {
  return (logs) => {
    const view = systemLog(logs)
    const current = findProject(view, key)
    expectMatch(view.state, 'project', key, expect)
    const reading = startReading(patch)
    const fields = readFields(patch, reading, 'A change of a project', ['name'], READ_ONLY)
    const name = fields.name === undefined ? current.name : readName(fields.name, inside(reading, 'name'))
    reading.faults.refuse()
    const result: ProjectDocument = { id: current.id, key, name }
    return {
      action: 'project.update',
      edits: new Map(editsOf(view, projectEdit(key, result))),
      warnings: [],
      result,
    }
  }
}

/** Ends a project with all of its environments and keys. Scope: system, then the project's log, with descendants. */
export function deleteProject(key: string, expect: Expectation): Edit<ProjectDocument> {
  return (logs) => {
    const view = systemLog(logs)
    const current = findProject(view, key)
    expectMatch(view.state, 'project', key, expect)
    const { id } = lockedLog(logs, current.id, 'project-not-found')
    return {
      action: 'project.delete',
      edits: new Map([[SYSTEM, [projectEdit(key, null)]]]),
      closes: [...environmentsOf(logs, id).map((environment) => environment.id), id],
      warnings: [],
      result: current,
    }
  }
}

const projectEdit = (key: string, document: ProjectDocument | null): EntryEdit => ({
  kind: 'project',
  key,
  definition: document === null ? null : asJson(document),
})

const projectOpening = ({ id, key }: ProjectDocument, entries: readonly EntryEdit[]): Opening => ({
  id,
  kind: 'project',
  parent: SYSTEM,
  project: key,
  environment: '',
  entries,
})

const unchanged = <R>(action: string, result: R): Change<R> => ({
  action,
  edits: new Map(),
  warnings: [],
  result,
})

function findProject({ state }: LogView, key: string): ProjectDocument {
  const project = projectOf(state, key)
  if (project !== undefined) return project
  const didYouMean = nearest(key, entriesOf(state, 'project').keys())
  throw new Problem('project-not-found', `There is no project ${quote(key)}.`, { didYouMean })
}
