/** Edits of environments. Scope: the project's log; to delete or copy one, that environment's log too. */
import { type Json, type Kill, LIMITS } from '@halyard/sdk/core'
import { canonicalBytes } from './canonical.ts'
import type { Edit, EntryEdit, LockedLogs, LogId, LogView, Moment } from './change.ts'
import { readOrigins } from './cors.ts'
import {
  asJson,
  documentsOf,
  type EnvironmentDocument,
  entriesOf,
  environmentOf,
  type Identity,
  lockedLog,
  type SdkKeyDocument,
  type Settings,
} from './documents.ts'
import { editsOf } from './edits.ts'
import { expectMatch } from './expectations.ts'
import { nearest, quote } from './faults.ts'
import type { EnvironmentInput, EnvironmentPatch, Expectation } from './inputs.ts'
import { Problem } from './problem.ts'
import {
  inside,
  READ_ONLY,
  type Reading,
  readBoolean,
  readFields,
  readKey,
  readText,
  startReading,
} from './reading.ts'

const LONGEST_NAME = 256
export const NEW_SETTINGS: Settings = { corsOrigins: [], requireComment: false, confirmBulk: false }

/** The name of a project or an environment, for people. */
export const readName = (value: unknown, reading: Reading): string =>
  readText(value, reading, 'A name', { least: 1, most: LONGEST_NAME })

/**
 * Creates an environment with a configuration of every flag: what is initial for the flag, or, with `from`, what
 * another environment has, its segments, members and kills included: a copy never serves what its source has killed.
 */
export function createEnvironment(project: LogId, input: EnvironmentInput): Edit<EnvironmentDocument> {
  return (logs, moment) => {
    const view = lockedLog(logs, project, 'project-not-found')
    const reading = startReading(input)
    const fields = readFields(
      input,
      reading,
      'An environment',
      ['key', 'name', 'from', 'settings'],
      READ_ONLY,
    )
    const key = readKey(fields.key, inside(reading, 'key'), 'An environment’s key')
    const name = fields.name === undefined ? key : readName(fields.name, inside(reading, 'name'))
    const settings = readSettings(fields.settings, NEW_SETTINGS, inside(reading, 'settings'))
    const source =
      fields.from === undefined ? undefined : findSource(logs, view, fields.from, inside(reading, 'from'))
    reading.faults.refuse()
    if (environmentOf(view.state, key) !== undefined) {
      throw new Problem('already-exists', `The environment ${quote(key)} exists.`)
    }

    const document: EnvironmentDocument = { id: `env_${moment.mint()}`, key, name, settings }
    const entries = [...initialEntries(view, source), ...(source === undefined ? [] : copied(source, moment))]
    const bytes = entries.reduce((sum, { definition }) => sum + canonicalBytes(definition), 0)
    if (bytes > LIMITS.rulesetBytes) {
      throw new Problem(
        'invalid-document',
        `An environment holds at most ${LIMITS.rulesetBytes} bytes; this would have ${bytes}.`,
      )
    }
    const opening = {
      id: document.id,
      kind: 'environment',
      parent: project,
      project: view.state.project,
      environment: key,
      entries,
    } as const
    return {
      action: 'environment.create',
      edits: new Map([[project, [environmentEdit(key, document)]]]),
      opens: [opening],
      warnings: [],
      result: document,
    }
  }
}

/** Changes an environment's name or settings; a setting left out stays as it is. */
export function updateEnvironment(
  project: LogId,
  key: string,
  patch: EnvironmentPatch,
  expect: Expectation,
): Edit<EnvironmentDocument> {
  return (logs) => {
    const view = lockedLog(logs, project, 'project-not-found')
    const current = findEnvironment(view, key)
    expectMatch(view.state, 'environment', key, expect)
    const reading = startReading(patch)
    const fields = readFields(patch, reading, 'A change of an environment', ['name', 'settings'], READ_ONLY)
    const name = fields.name === undefined ? current.name : readName(fields.name, inside(reading, 'name'))
    const settings = readSettings(fields.settings, current.settings, inside(reading, 'settings'))
    reading.faults.refuse()
    const result: EnvironmentDocument = { id: current.id, key, name, settings }
    return {
      action: 'environment.update',
      edits: new Map(editsOf(view, environmentEdit(key, result))),
      warnings: [],
      result,
    }
  }
}

/** Ends an environment, and its keys with it. One of the same key made later is another, which they do not open. */
export function deleteEnvironment(
  project: LogId,
  key: string,
  expect: Expectation,
): Edit<EnvironmentDocument> {
  return (logs) => {
    const view = lockedLog(logs, project, 'project-not-found')
    const current = findEnvironment(view, key)
    expectMatch(view.state, 'environment', key, expect)
    const { id } = lockedLog(logs, current.id, 'environment-not-found')
    const edits = [environmentEdit(key, null)]
    for (const sdkKey of documentsOf<SdkKeyDocument>(view.state, 'sdk-key')) {
      if (sdkKey.environment === id) edits.push({ kind: 'sdk-key', key: sdkKey.id, definition: null })
    }
    return {
      action: 'environment.delete',
      edits: new Map([[project, edits]]),
      closes: [id],
      warnings: [],
      result: current,
    }
  }
}

const environmentEdit = (key: string, document: EnvironmentDocument | null): EntryEdit => ({
  kind: 'environment',
  key,
  definition: document === null ? null : asJson(document),
})

function findEnvironment({ state }: LogView, key: string): EnvironmentDocument {
  const environment = environmentOf(state, key)
  if (environment !== undefined) return environment
  const didYouMean = nearest(key, entriesOf(state, 'environment').keys())
  throw new Problem('environment-not-found', `There is no environment ${quote(key)}.`, { didYouMean })
}

function findSource(
  logs: LockedLogs,
  { state }: LogView,
  from: unknown,
  reading: Reading,
): LogView | undefined {
  const key = readKey(from, reading, 'An environment’s key')
  const source = environmentOf(state, key)
  if (source !== undefined) return lockedLog(logs, source.id, 'environment-not-found')
  const candidates = entriesOf(state, 'environment').keys()
  if (key !== '')
    reading.faults.add(reading.pointer, `There is no environment ${quote(key)}.`, { key, candidates })
  return undefined
}

function initialEntries(view: LogView, source: LogView | undefined): EntryEdit[] {
  const there = source && entriesOf(source.state, 'flag')
  const entries: EntryEdit[] = []
  for (const { key, initial, archived } of documentsOf<Identity>(view.state, 'identity')) {
    if (archived === null && !there?.has(key))
      entries.push({ kind: 'flag', key, definition: asJson(initial) })
  }
  return entries
}

function copied({ state }: LogView, { mint }: Moment): EntryEdit[] {
  const entries: EntryEdit[] = []
  for (const kind of ['flag', 'segment', 'members']) {
    for (const [key, { definition }] of entriesOf(state, kind)) entries.push({ kind, key, definition })
  }
  for (const [key, { definition }] of entriesOf(state, 'kill')) {
    const kill: Kill = { ...(definition as Kill), id: mint() }
    entries.push({ kind: 'kill', key, definition: kill as unknown as Json })
  }
  return entries
}

function readSettings(value: unknown, before: Settings, reading: Reading): Settings {
  if (value === undefined) return before
  const fields = readFields(value, reading, 'Settings', ['corsOrigins', 'requireComment', 'confirmBulk'])
  const switched = (name: 'requireComment' | 'confirmBulk'): boolean =>
    fields[name] === undefined ? before[name] : readBoolean(fields[name], inside(reading, name), name)
  return {
    corsOrigins:
      fields.corsOrigins === undefined
        ? before.corsOrigins
        : readOrigins(fields.corsOrigins, `${reading.pointer}/corsOrigins`, reading.faults),
    requireComment: switched('requireComment'),
    confirmBulk: switched('confirmBulk'),
  }
}
