/** Edits of the system log: projects and management keys. */
import {
  type Change,
  type Edit,
  type EntryEdit,
  type LockedLogs,
  type LogId,
  type LogView,
  type Moment,
  type Opening,
  SYSTEM,
} from './change.ts'
import {
  type ApiKeyDocument,
  apiKeyOf,
  asJson,
  type EnvironmentDocument,
  entriesOf,
  type GrantDocument,
  lockedLog,
  type ProjectDocument,
  projectOf,
} from './documents.ts'
import { editsOf } from './edits.ts'
import { NEW_SETTINGS, readName } from './environments.ts'
import { expectMatch } from './expectations.ts'
import { at, collectFaults, nearest, quote } from './faults.ts'
import { environmentsOf } from './identities.ts'
import type { ApiKeyInput, Expectation, ProjectInput } from './inputs.ts'
import { checkJson } from './json-text.ts'
import { digestOfKey, type KeyKind, mintKey } from './keys.ts'
import { Problem } from './problem.ts'
import {
  inside,
  isObject,
  READ_ONLY,
  type Reading,
  readFields,
  readInstant,
  readKey,
  readList,
  readWord,
} from './reading.ts'

/** A key's document, and its whole text, which is shown this once. */
export type Minted<D> = { readonly document: D; readonly secret: string }

const ROLES = ['admin', 'editor', 'viewer', 'killer'] as const
const MOST_GRANTS = 100
/** `<project>/<environment>`. */
const ENVIRONMENT_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}\/[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

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
    const faults = collectFaults()
    checkJson(input, faults)
    const reading = { faults, pointer: '' }
    const fields = readFields(input, reading, 'A project', ['key', 'name'], READ_ONLY)
    const key = readKey(fields.key, inside(reading, 'key'), 'A project’s key')
    const name = fields.name === undefined ? key : readName(fields.name, inside(reading, 'name'))
    faults.refuse()
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
    const faults = collectFaults()
    checkJson(patch, faults)
    const reading = { faults, pointer: '' }
    const fields = readFields(patch, reading, 'A change of a project', ['name'], READ_ONLY)
    const name = fields.name === undefined ? current.name : readName(fields.name, inside(reading, 'name'))
    faults.refuse()
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

/** Scope: system. `randomBytes`: 32, from a cryptographic source. */
export function createApiKey(input: ApiKeyInput, randomBytes: Uint8Array): Edit<Minted<ApiKeyDocument>> {
  return (_logs, moment) => {
    const faults = collectFaults()
    checkJson(input, faults)
    const reading = { faults, pointer: '' }
    const fields = readFields(input, reading, 'A key', ['name', 'grants', 'expiresAt'])
    const grants = readGrants(fields.grants, inside(reading, 'grants'))
    const common = readKeyDocument('management', fields, reading, moment, randomBytes)
    faults.refuse()
    const document: ApiKeyDocument = { ...common.document, grants }
    return keyMade('api-key', SYSTEM, { document, secret: common.secret })
  }
}

/** Scope: system. */
export function revokeApiKey(id: string): Edit<ApiKeyDocument> {
  return (logs) => {
    const document = apiKeyOf(systemLog(logs).state, id)
    if (document === undefined) throw unknownKey(id)
    return keyRevoked('api-key', SYSTEM, document)
  }
}

export const unknownKey = (id: string): Problem =>
  new Problem('key-not-found', `There is no key with the id ${quote(id)}.`)

export function keyMade<D extends { readonly id: string }>(
  kind: 'api-key' | 'sdk-key',
  log: LogId,
  minted: Minted<D>,
): Change<Minted<D>> {
  const { document } = minted
  return {
    action: `${kind}.create`,
    edits: new Map([[log, [{ kind, key: document.id, definition: asJson(document) }]]]),
    warnings: [],
    result: minted,
  }
}

export function keyRevoked<D extends { readonly id: string }>(
  kind: 'api-key' | 'sdk-key',
  log: LogId,
  document: D,
): Change<D> {
  return {
    action: `${kind}.revoke`,
    edits: new Map([[log, [{ kind, key: document.id, definition: null }]]]),
    warnings: [],
    result: document,
  }
}

/** What keys of every kind have: who they are, until when, and the digest of their text. */
export function readKeyDocument(
  kind: KeyKind,
  fields: { readonly [name: string]: unknown },
  reading: Reading,
  { now, mint }: Moment,
  randomBytes: Uint8Array,
) {
  const name = readName(fields.name, inside(reading, 'name'))
  const expiry =
    fields.expiresAt === undefined || fields.expiresAt === null
      ? {}
      : { expiresAt: readInstant(fields.expiresAt, inside(reading, 'expiresAt'), 'expiresAt') }
  if (expiry.expiresAt && Date.parse(expiry.expiresAt) <= now) {
    reading.faults.add(at(reading.pointer, 'expiresAt'), 'This is in the past: the key would never work.')
  }
  const id = mint()
  const secret = mintKey(kind, randomBytes, id)
  const createdAt = new Date(now).toISOString()
  return { document: { id, name, digest: digestOfKey(secret), createdAt, ...expiry }, secret }
}

function readGrants(value: unknown, reading: Reading): GrantDocument[] {
  const grants = readList(value, reading, 'Grants', MOST_GRANTS).map((grant, index): GrantDocument => {
    const here = inside(reading, index)
    const fields = readFields(grant, here, 'A grant', ['role', 'projects', 'environments'])
    if (!isObject(grant)) return { role: 'viewer' }
    const role = readWord(fields.role, inside(here, 'role'), 'A role', ROLES)
    const { projects, environments } = fields
    return {
      role,
      ...(projects === undefined
        ? {}
        : { projects: readNames(projects, inside(here, 'projects'), readProjectKey) }),
      ...(environments === undefined
        ? {}
        : { environments: readNames(environments, inside(here, 'environments'), readEnvironmentName) }),
    }
  })
  if (grants.length === 0)
    reading.faults.add(reading.pointer, 'A key without grants may do nothing: give it a role.')
  return grants
}

/** An empty list would grant nothing, which is hardly meant; an absent one grants all. */
function readNames(value: unknown, reading: Reading, read: (name: unknown, at: Reading) => string): string[] {
  const names = readList(value, reading, 'Names', MOST_GRANTS)
  if (names.length === 0)
    reading.faults.add(reading.pointer, 'Name at least one, or leave the list out for all.')
  return names.map((name, index) => read(name, inside(reading, index)))
}

const readProjectKey = (value: unknown, reading: Reading): string =>
  readKey(value, reading, 'A project’s key')

function readEnvironmentName(value: unknown, { faults, pointer }: Reading): string {
  if (typeof value === 'string' && ENVIRONMENT_NAME.test(value)) return value
  faults.add(pointer, 'An environment is named <project>/<environment> here.')
  return ''
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
