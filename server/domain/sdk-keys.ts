/** Edits of SDK keys: each opens one environment. Scope: the project's log. */
import type { Edit, LockedLogs, LogId } from './change.ts'
import {
  documentsOf,
  type EnvironmentDocument,
  lockedLog,
  type SdkKeyDocument,
  sdkKeyOf,
} from './documents.ts'
import type { RotateInput, SdkKeyInput } from './inputs.ts'
import { keyMade, keyRevoked, type Minted, readKeyDocument, unknownKey } from './minted-keys.ts'
import { Problem } from './problem.ts'
import { inside, readFields, readWord, startReading } from './reading.ts'
import { keyRotated, type Rotated, rotateKey } from './rotate-key.ts'

/** `randomBytes`: 32, from a cryptographic source. */
export function createSdkKey(
  project: LogId,
  environment: LogId,
  input: SdkKeyInput,
  randomBytes: Uint8Array,
): Edit<Minted<SdkKeyDocument>> {
  return (logs, moment) => {
    const { state } = lockedLog(logs, project, 'project-not-found')
    const reading = startReading(input)
    const fields = readFields(input, reading, 'A key', ['kind', 'name', 'expiresAt'])
    const kind = readWord(fields.kind, inside(reading, 'kind'), 'A key’s kind', ['server', 'client'])
    const common = readKeyDocument(kind, fields, reading, moment, randomBytes)
    reading.faults.refuse()
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

/** `randomBytes`: 32, from a cryptographic source. */
export function rotateSdkKey(
  project: LogId,
  environment: LogId,
  id: string,
  input: RotateInput,
  randomBytes: Uint8Array,
): Edit<Rotated<SdkKeyDocument>> {
  return (logs, moment) => {
    const document = findKey(logs, project, environment, id)
    return keyRotated('sdk-key', project, rotateKey(document.kind, document, input, moment, randomBytes))
  }
}

/** Ends a key at once. */
export function revokeSdkKey(project: LogId, environment: LogId, id: string): Edit<SdkKeyDocument> {
  return (logs) => keyRevoked('sdk-key', project, findKey(logs, project, environment, id))
}

/** Another environment's key is unknown here: the caller's grant covers this one alone. */
function findKey(logs: LockedLogs, project: LogId, environment: LogId, id: string): SdkKeyDocument {
  const document = sdkKeyOf(lockedLog(logs, project, 'project-not-found').state, id)
  if (document?.environment !== environment) throw unknownKey(id)
  return document
}
