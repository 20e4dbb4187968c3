/**
 * Edits of flag identities: what a flag is in the whole project. Scope: the project's log with descendants (to
 * update or delete one: the project's log alone).
 */
import { entryOf, type FlagConfig, type FlagKey, type FlagType, LIMITS } from '@halyard/sdk/core'
import type { Edit, EntryEdit, LockedLogs, LogId, LogView, Moment } from './change.ts'
import { asJson, documentsOf, entriesOf, flagOf, type Identity, identityOf, lockedLog } from './documents.ts'
import { editsOf } from './edits.ts'
import { expectMatch } from './expectations.ts'
import { at, collectFaults, nearest, quote } from './faults.ts'
import { FLAG_TYPES, readFlagConfig } from './flags.ts'
import { NOTHING_TOLD, readTold, TOLD_FIELDS } from './identity-fields.ts'
import type { CreateFlagInput, Expectation, FlagPatch } from './inputs.ts'
import { Problem } from './problem.ts'
import {
  type Fields,
  fieldOf,
  inside,
  isObject,
  READ_ONLY,
  type Reading,
  readFields,
  readKey,
  readWord,
  startReading,
} from './reading.ts'
import { dependantsOf } from './references.ts'
import { refuseRequired, settle } from './settle.ts'
import { flagWarnings } from './warnings.ts'

const CREATE_FIELDS = [
  'key',
  'type',
  ...TOLD_FIELDS,
  'variants',
  'offVariant',
  'fallthrough',
  'visibility',
  'valueSchema',
]
const PATCH_FIELDS = ['type', ...TOLD_FIELDS]
const PATCH_IGNORES: ReadonlySet<string> = new Set([...READ_ONLY, 'initial'])

/** Creates a flag: its identity, and a disabled configuration in every environment. */
export function createFlag(project: LogId, input: CreateFlagInput): Edit<Identity> {
  return (logs, { mint }) => {
    const view = lockedLog(logs, project, 'project-not-found')
    const reading = startReading(input)
    const { faults } = reading
    const fields = readFields(input, reading, 'A flag', CREATE_FIELDS, READ_ONLY)
    const key = readKey(fields.key, inside(reading, 'key'), 'A flag’s key')
    const type = readWord(fields.type, inside(reading, 'type'), 'A flag’s type', FLAG_TYPES)
    const told = readTold(fields, NOTHING_TOLD, reading)
    const initial = readFlagConfig(initialInput(fields, type, reading), reading, {
      key,
      type,
      previous: undefined,
      keepRanges: false,
      mint,
      moved: () => {},
    })
    refuseTaken(view, key)
    faults.refuse()
    refuseOneTooMany(view)

    const identity: Identity = { key, type, ...told, initial, archived: null }
    const draft = { kind: 'flag', key, definition: asJson(initial), pointer: '' } as const
    const edits = new Map([
      ...editsOf(view, identityEdit(identity)),
      ...environmentsOf(logs, project).flatMap((environment) => settle(environment, [draft], faults)),
    ])
    return { action: 'flag.create', edits, warnings: flagWarnings(initial, []), result: identity }
  }
}

/** Changes what people say about a flag. */
export function updateFlag(
  project: LogId,
  key: FlagKey,
  patch: FlagPatch,
  expect: Expectation,
): Edit<Identity> {
  return (logs) => {
    const view = lockedLog(logs, project, 'project-not-found')
    const identity = findIdentity(view, key)
    expectMatch(view.state, 'identity', key, expect)
    const reading = startReading(patch)
    const { faults } = reading
    const fields = readFields(patch, reading, 'A change of a flag', PATCH_FIELDS, PATCH_IGNORES)
    if (fields.type !== undefined && fields.type !== identity.type) {
      faults.add('/type', `The flag is of type ${identity.type}, for ever; another type is another flag.`)
    }
    const told = readTold(fields, identity, reading)
    faults.refuse()
    const { type, initial, archived } = identity
    const result: Identity = { key, type, ...told, initial, archived }
    return {
      action: 'flag.update',
      edits: new Map(editsOf(view, identityEdit(result))),
      warnings: [],
      result,
    }
  }
}

/** Takes a flag out of every environment, and keeps what it was there. Problem `flag-required` while another needs it. */
export function archiveFlag(project: LogId, key: FlagKey): Edit<Identity> {
  return (logs, { now, actor }) => {
    const view = lockedLog(logs, project, 'project-not-found')
    const identity = findIdentity(view, key)
    if (identity.archived !== null) return unchanged('flag.archive', identity)
    const faults = collectFaults()
    const edits = new Map<LogId, readonly EntryEdit[]>()
    const configurations = new Map<LogId, FlagConfig>()
    for (const { id, state } of environmentsOf(logs, project)) {
      const current = flagOf(state, key)
      if (current === undefined) continue
      refuseRequired(
        key,
        dependantsOf(state, new Set([key])).get(key) ?? [],
        at('/environments', state.environment),
        faults,
      )
      configurations.set(id, current)
      edits.set(id, [{ kind: 'flag', key, definition: null }])
    }
    faults.refuse('flag-required')
    const archived = {
      at: new Date(now).toISOString(),
      by: actor.name,
      configurations: Object.fromEntries(configurations),
    }
    const result: Identity = { ...identity, archived }
    edits.set(project, [identityEdit(result)])
    return { action: 'flag.archive', edits, warnings: [], result }
  }
}

/** Puts an archived flag back where it was, if it can stand there today; environments made since get what is initial. */
export function unarchiveFlag(project: LogId, key: FlagKey): Edit<Identity> {
  return (logs, moment) => {
    const view = lockedLog(logs, project, 'project-not-found')
    const identity = findIdentity(view, key)
    const { archived } = identity
    if (archived === null) return unchanged('flag.unarchive', identity)
    refuseOneTooMany(view)
    const result: Identity = { ...identity, archived: null }
    const edits = new Map([
      ...editsOf(view, identityEdit(result)),
      ...environmentsOf(logs, project).flatMap((environment) => {
        const kept = fieldOf(archived.configurations, environment.id) ?? identity.initial
        return restore(environment, identity, kept, moment)
      }),
    ])
    return { action: 'flag.unarchive', edits, warnings: [], result }
  }
}

/** Deletes an archived flag for good. Its key stays reserved, so that no app ever meets another flag under it. */
export function deleteFlag(project: LogId, key: FlagKey, expect: Expectation): Edit<Identity> {
  return (logs) => {
    const view = lockedLog(logs, project, 'project-not-found')
    const identity = findIdentity(view, key)
    expectMatch(view.state, 'identity', key, expect)
    const { type, initial, archived } = identity
    if (archived === null) {
      throw new Problem(
        'flag-not-archived',
        `Archive the flag ${quote(key)} first: then no app gets it any more.`,
      )
    }
    const { variants } = initial
    const tombstone: Identity = {
      key,
      type,
      ...NOTHING_TOLD,
      initial: { ...EMPTY_CONFIG, type, variants },
      archived: { ...archived, configurations: {} },
      deleted: true,
    }
    return {
      action: 'flag.delete',
      edits: new Map([[project, [identityEdit(tombstone)]]]),
      warnings: [],
      result: identity,
    }
  }
}

const identityEdit = (identity: Identity): EntryEdit => ({
  kind: 'identity',
  key: identity.key,
  definition: asJson(identity),
})

const unchanged = (action: string, identity: Identity) => ({
  action,
  edits: new Map(),
  warnings: [],
  result: identity,
})

/** The locked environments of a project. */
export const environmentsOf = (logs: LockedLogs, project: LogId): LogView[] =>
  [...logs.values()].filter(({ kind, parent }) => kind === 'environment' && parent === project)

function findIdentity({ state }: LogView, key: FlagKey): Identity {
  const identity = identityOf(state, key)
  if (identity !== undefined) return identity
  const didYouMean = nearest(key, entriesOf(state, 'identity').keys())
  throw new Problem('flag-not-found', `There is no flag ${quote(key)}.`, { didYouMean })
}

function refuseTaken({ state }: LogView, key: FlagKey): void {
  if (entryOf(state, 'identity', key) === undefined) return
  const identity = identityOf(state, key)
  const how =
    identity === undefined
      ? 'was deleted; its key stays reserved, so that no app meets another flag under it'
      : identity.archived === null
        ? 'exists'
        : 'exists, and is archived; unarchive it'
  throw new Problem('already-exists', `The flag ${quote(key)} ${how}.`)
}

function refuseOneTooMany({ state }: LogView): void {
  let active = 0
  for (const { archived } of documentsOf<Identity>(state, 'identity')) if (archived === null) active += 1
  if (active < LIMITS.flags) return
  throw new Problem('invalid-document', `A project has at most ${LIMITS.flags} flags; archive some.`)
}

function restore(
  environment: LogView,
  { key, type }: Identity,
  kept: unknown,
  { mint }: Moment,
): ReturnType<typeof settle> {
  const faults = collectFaults()
  const pointer = at('/environments', environment.state.environment)
  const config = readFlagConfig(
    kept,
    { faults, pointer },
    { key, type, previous: kept, keepRanges: true, mint, moved: () => {} },
  )
  faults.refuse()
  return settle(environment, [{ kind: 'flag', key, definition: asJson(config), pointer }], faults)
}

const EMPTY_CONFIG = {
  enabled: false,
  visibility: 'server',
  offVariant: null,
  prerequisites: [],
  targets: [],
  rules: [],
  fallthrough: null,
} as const

/** The configuration that a new flag starts with: for a boolean one most of it goes without saying. */
function initialInput(fields: Fields, type: FlagType, { faults, pointer }: Reading): Fields {
  const simple = type === 'boolean'
  const variants = fields.variants ?? (simple ? { on: true, off: false } : undefined)
  const offGoesWithoutSaying = simple && (!isObject(variants) || fieldOf(variants, 'off') !== undefined)
  if (fields.offVariant === undefined && !offGoesWithoutSaying) {
    faults.add(
      at(pointer, 'offVariant'),
      'Name the variant that the flag gives while it is off, or null for the default in the app’s code.',
    )
  }
  const offVariant = fields.offVariant === undefined && offGoesWithoutSaying ? 'off' : fields.offVariant
  const { visibility, valueSchema } = fields
  const fallthrough =
    fields.fallthrough === undefined && simple && typeof offVariant === 'string'
      ? { variant: offVariant }
      : fields.fallthrough
  return { type, enabled: false, visibility, variants, offVariant, fallthrough, valueSchema }
}
