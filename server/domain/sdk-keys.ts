/** Edits of SDK keys: each opens one environment. Scope: the project's log. */
import type { Edit, LogId } from './change.ts'
import {
  documentsOf,
  type EnvironmentDocument,
  lockedLog,
  type SdkKeyDocument,
  sdkKeyOf,
} from './documents.ts'
import { collectFaults } from './faults.ts'
import type { SdkKeyInput } from './inputs.ts'
import { checkJson } from './json-text.ts'
import { keyMade, keyRevoked, type Minted, readKeyDocument, unknownKey } from './minted-keys.ts'
import { Problem } from './problem.ts'
import { inside, readFields, readWord } from './reading.ts'

/** `randomBytes`: 32, from a cryptographic source. */
export function createSdkKey(
  project: LogId,
  environment: LogId,
  input: SdkKeyInput,
  randomBytes: Uint8Array,
): Edit<Minted<SdkKeyDocument>> {
  return (logs, moment) => {
    const { state } = lockedLog(logs, project, 'project-not-found')
    const faults = collectFaults()
    checkJson(input, faults)
    const reading = { faults, pointer: '' }
    const fields = readFields(input, reading, 'A key', ['kind', 'name', 'expiresAt'])
    const kind = readWord(fields.kind, inside(reading, 'kind'), 'A key’s kind', ['server', 'client'])
    const common = readKeyDocument(kind, fields, reading, moment, randomBytes)
    faults.refuse()
    const environments = [...documentsOf<EnvironmentDocument>(state, 'environment')]
    if (!environments.some(({ id }) => id === environment)) {
      throw new Problem(
        'environment-not-found',
        'The environment was deleted; a key for it would open nothing.',
      )
    }
    const document: SdkKeyDocument = { ...common.document, kind, environment }
    return keyMade('sdk-key', project, { document, secret: common.secret })
  }
}

/** Ends a key at once. */
export function revokeSdkKey(project: LogId, id: string): Edit<SdkKeyDocument> {
  return (logs) => {
    const document = sdkKeyOf(lockedLog(logs, project, 'project-not-found').state, id)
    if (document === undefined) throw unknownKey(id)
    return keyRevoked('sdk-key', project, document)
  }
}
