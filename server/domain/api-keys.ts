/** Edits of management keys. Scope: the system log. */
import { type Edit, SYSTEM } from './change.ts'
import { type ApiKeyDocument, apiKeyOf, type GrantDocument, lockedLog } from './documents.ts'
import { collectFaults } from './faults.ts'
import type { ApiKeyInput } from './inputs.ts'
import { checkJson } from './json-text.ts'
import { keyMade, keyRevoked, type Minted, readKeyDocument, unknownKey } from './minted-keys.ts'
import { inside, isObject, type Reading, readFields, readKey, readList, readWord } from './reading.ts'

const ROLES = ['admin', 'editor', 'viewer', 'killer'] as const
const MOST_GRANTS = 100
/** `<project>/<environment>`. */
const ENVIRONMENT_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}\/[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

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
    const document = apiKeyOf(lockedLog(logs, SYSTEM, 'project-not-found').state, id)
    if (document === undefined) throw unknownKey(id)
    return keyRevoked('api-key', SYSTEM, document)
  }
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
