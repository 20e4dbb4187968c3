/** Edits of management keys. Scope: the system log. */
import type { State } from '@halyard/sdk/core'
import { type Edit, SYSTEM, type Warning } from './change.ts'
import { type ApiKeyDocument, apiKeyOf, documentsOf, type GrantDocument, lockedLog } from './documents.ts'
import { at, nearest, quote } from './faults.ts'
import type { ApiKeyInput, RotateInput } from './inputs.ts'
import { keyMade, keyRevoked, type Minted, readKeyDocument, unknownKey } from './minted-keys.ts'
import { Problem } from './problem.ts'
import {
  fieldOf,
  inside,
  isObject,
  KEY_PATTERN,
  listOf,
  type Reading,
  readFields,
  readKey,
  readList,
  readWord,
  startReading,
} from './reading.ts'
import { keyRotated, type Rotated, rotateKey } from './rotate-key.ts'

const ROLES = ['admin', 'editor', 'viewer', 'killer'] as const
const MOST_GRANTS = 100

/** The key that `HALYARD_ADMIN_KEY` sets: no document, and in force for as long as it is set. Minted ids are longer. */
export const CONFIGURED_KEY = {
  id: 'admin',
  name: 'configured admin key',
  grants: [{ role: 'admin' }],
} as const

/** What grants can name: projects by key, environments as `<project>/<environment>`. */
export type Places = { readonly projects: ReadonlySet<string>; readonly environments: ReadonlySet<string> }

/**
 * Scope: system. Grants may name what is not there yet, and say so in a warning: an environment's log is not locked
 * here, and whoever sets up a service makes keys and projects in any order.
 * @param randomBytes 32, from a cryptographic source
 * @param known what there is now; without it nothing is warned of
 */
export function createApiKey(
  input: ApiKeyInput,
  randomBytes: Uint8Array,
  known?: Places,
): Edit<Minted<ApiKeyDocument>> {
  return (_logs, moment) => {
    const reading = startReading(input)
    const fields = readFields(input, reading, 'A key', ['name', 'grants', 'expiresAt'])
    const grants = readGrants(fields.grants, inside(reading, 'grants'))
    const common = readKeyDocument('management', fields, reading, moment, randomBytes)
    reading.faults.refuse()
    const document: ApiKeyDocument = { ...common.document, grants }
    const warnings = known === undefined ? [] : unknownIn(grants, known)
    return keyMade('api-key', SYSTEM, { document, secret: common.secret }, warnings)
  }
}

/** Scope: system. `randomBytes`: 32, from a cryptographic source. */
export function rotateApiKey(
  id: string,
  input: RotateInput,
  randomBytes: Uint8Array,
): Edit<Rotated<ApiKeyDocument>> {
  return (logs, moment) => {
    const document = apiKeyOf(lockedLog(logs, SYSTEM, 'project-not-found').state, id)
    if (document === undefined) throw unknownKey(id)
    return keyRotated('api-key', SYSTEM, rotateKey('management', document, input, moment, randomBytes))
  }
}

/** `adminConfigured`: a key that is no document administers the service, whatever becomes of those that are. */
export type Administration = { readonly adminConfigured: boolean }

/** Ends a key at once, but not the last that administers the service. Scope: system. */
export function revokeApiKey(id: string, { adminConfigured }: Administration): Edit<ApiKeyDocument> {
  return (logs, { now }) => {
    const { state } = lockedLog(logs, SYSTEM, 'project-not-found')
    const document = apiKeyOf(state, id)
    if (document === undefined) throw unknownKey(id)
    if (!adminConfigured && isLastAdmin(state, document, now)) {
      throw new Problem(
        'last-admin-key',
        'No other key may administer the service: make another admin key first, or set HALYARD_ADMIN_KEY.',
      )
    }
    return keyRevoked('api-key', SYSTEM, document)
  }
}

function isLastAdmin(state: State, { id }: ApiKeyDocument, now: number): boolean {
  const admins = [...documentsOf<ApiKeyDocument>(state, 'api-key')].filter((key) => administers(key, now))
  return admins.length === 1 && admins[0]?.id === id
}

/** In force, over the whole service, and not on its way out. A key whose end is no date has ended. */
function administers({ grants, expiresAt, replacedBy }: ApiKeyDocument, now: number): boolean {
  if (replacedBy !== undefined || (expiresAt !== undefined && !(Date.parse(expiresAt) > now))) return false
  return listOf(grants).some(
    (grant) =>
      fieldOf(grant, 'role') === 'admin' &&
      fieldOf(grant, 'projects') === undefined &&
      fieldOf(grant, 'environments') === undefined,
  )
}

/** A warning for each name in a grant that nothing has. */
function unknownIn(grants: readonly GrantDocument[], known: Places): Warning[] {
  const unknown = (
    names: readonly string[] = [],
    what: 'project' | 'environment',
    there: ReadonlySet<string>,
    pointer: string,
  ) =>
    names.flatMap((name, index): Warning[] => {
      if (there.has(name)) return []
      const meant = nearest(name, there)
      const hint = meant === undefined ? '' : ` Did you mean ${quote(meant)}?`
      return [
        {
          code: 'grant-names-unknown',
          pointer: at(pointer, index),
          message: `There is no ${what} ${quote(name)}: the grant gives nothing until there is.${hint}`,
        },
      ]
    })
  return grants.flatMap(({ projects, environments }, index) => [
    ...unknown(projects, 'project', known.projects, `/grants/${index}/projects`),
    ...unknown(environments, 'environment', known.environments, `/grants/${index}/environments`),
  ])
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
  const keys = typeof value === 'string' ? value.split('/') : []
  if (keys.length === 2 && keys.every((key) => KEY_PATTERN.test(key))) return String(value)
  faults.add(pointer, 'An environment is named <project>/<environment> here.')
  return ''
}
