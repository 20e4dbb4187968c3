/**
 * Many puts and deletes of flags' configurations and of segments as one change, checked on the state that results:
 * documents that name each other arrive together. Scope: the environment's log, with the project's above it.
 */
import { entryOf, type Json, LIMITS } from '@halyard/sdk/core'
import type { Edit, EntryEdit, LockedLogs, LogId, LogView, Moment, Warning } from './change.ts'
import { draftConfiguration, whyNotHere } from './current-configuration.ts'
import { asJson, entriesOf, lockedLog } from './documents.ts'
import { at, collectFaults, type Faults, quote } from './faults.ts'
import type { ChangeInput, RangesOption } from './inputs.ts'
import { removeMembers } from './member-chunks.ts'
import {
  type Fields,
  inside,
  isObject,
  type Reading,
  readFields,
  readKey,
  readList,
  readWord,
  startReading,
} from './reading.ts'
import { draftSegment } from './segments.ts'
import { type Draft, settle } from './settle.ts'
import { flagWarnings, segmentWarnings } from './warnings.ts'

/** `definition: null`: deleted. */
export type CommittedEntry = {
  readonly kind: 'flag' | 'segment'
  readonly key: string
  readonly definition: Json
}

/** At most 10,000 changes; answers the entries that changed. A flag's configuration deleted is put again any time. */
export function commitAll(
  environment: LogId,
  changes: readonly ChangeInput[],
  { keepRanges = false }: RangesOption = {},
): Edit<readonly CommittedEntry[]> {
  return (logs, moment) => {
    const view = lockedLog(logs, environment, 'environment-not-found')
    const reading = startReading({ changes })
    const { faults } = reading
    const asked = readAsked(changes, inside(reading, 'changes'))
    faults.refuse()
    refuseOtherRevisions(view, asked)

    const drafts: Draft[] = []
    const also: EntryEdit[] = []
    const warnings: Warning[] = []
    for (const change of asked) {
      const { drafted, ...more } = draft(logs, view, change, moment, faults, keepRanges)
      if (drafted !== undefined) drafts.push(drafted)
      also.push(...more.also)
      warnings.push(...more.warnings)
    }
    faults.refuse()
    const edits = settle(view, drafts, faults, also)
    return {
      action: 'environment.commit',
      edits: new Map(edits),
      warnings,
      result: edits.flatMap(([, entries]) => entries).filter(isCommitted),
    }
  }
}

const isCommitted = (edit: EntryEdit): edit is CommittedEntry =>
  edit.kind === 'flag' || edit.kind === 'segment'

type Asked = {
  readonly op: 'put' | 'delete'
  readonly kind: 'flag' | 'segment'
  readonly key: string
  readonly ifRevision: unknown
  readonly definition: unknown
  readonly pointer: string
}

function readAsked(changes: unknown, reading: Reading): Asked[] {
  const named = new Set<string>()
  return readList(changes, reading, 'Changes', LIMITS.memberChanges).map((change, index) => {
    const here = inside(reading, index)
    const fields: Fields = readFields(change, here, 'A change', [
      'op',
      'kind',
      'key',
      'ifRevision',
      'definition',
    ])
    const op = readWord(fields.op, inside(here, 'op'), 'op', ['put', 'delete'])
    const kind = readWord(fields.kind, inside(here, 'kind'), 'kind', ['flag', 'segment'])
    const key = readKey(fields.key, inside(here, 'key'), 'A key')
    const { ifRevision, definition } = fields
    if (ifRevision !== undefined && !Number.isInteger(ifRevision)) {
      here.faults.add(
        at(here.pointer, 'ifRevision'),
        'A revision is a whole number; 0 is for what does not exist yet.',
      )
    }
    if (named.has(`${kind}/${key}`))
      here.faults.add(at(here.pointer, 'key'), `The ${kind} ${quote(key)} is changed twice.`)
    named.add(`${kind}/${key}`)
    return { op, kind, key, ifRevision, definition, pointer: here.pointer }
  })
}

function refuseOtherRevisions({ state }: LogView, asked: readonly Asked[]): void {
  const conflicts = collectFaults()
  for (const { kind, key, ifRevision, pointer } of asked) {
    const revision = entryOf(state, kind, key)?.revision ?? 0
    if (ifRevision === undefined || ifRevision === revision) continue
    const now = revision === 0 ? 'does not exist' : `is at revision ${revision}`
    conflicts.add(
      `${pointer}/ifRevision`,
      `The ${kind} ${quote(key)} ${now}. Read it again and apply the change to that.`,
    )
  }
  conflicts.refuse('revision-conflict')
}

type Drafted = {
  readonly drafted?: Draft
  readonly also: readonly EntryEdit[]
  readonly warnings: readonly Warning[]
}

function draft(
  logs: LockedLogs,
  view: LogView,
  { op, kind, key, definition, pointer }: Asked,
  moment: Moment,
  faults: Faults,
  keepRanges: boolean,
): Drafted {
  const exists = entryOf(view.state, kind, key) !== undefined
  if (op === 'delete') {
    if (!exists) {
      faults.add(`${pointer}/key`, `There is no ${kind} ${quote(key)}.`, {
        key,
        candidates: entriesOf(view.state, kind).keys(),
      })
    }
    const also = kind === 'segment' ? removeMembers(view.state, key) : []
    return { drafted: { kind, key, definition: null, pointer: `${pointer}/key` }, also, warnings: [] }
  }
  const here = `${pointer}/definition`
  if (!isObject(definition)) {
    faults.add(here, 'A put needs the definition, an object.')
    return { also: [], warnings: [] }
  }
  const within = (warnings: readonly Warning[]): Warning[] =>
    warnings.map((warning) => ({ ...warning, pointer: here + (warning.pointer ?? '') }))
  const reading = { faults, pointer: here }
  if (kind === 'segment') {
    const { segment, also } = draftSegment(view, key, definition, reading)
    return {
      drafted: { kind, key, definition: asJson(segment), pointer: here },
      also,
      warnings: within(segmentWarnings(segment)),
    }
  }
  const refusal = exists ? undefined : whyNotHere(logs, view, key)
  if (refusal !== undefined) {
    const unknown = { key, candidates: entriesOf(view.state, 'flag').keys() }
    faults.add(
      `${pointer}/key`,
      `${refusal.message} A commit writes configurations of flags that exist.`,
      unknown,
    )
    return { also: [], warnings: [] }
  }
  const before = faults.count
  const { config, moved } = draftConfiguration(logs, view, key, definition, moment, {
    ...reading,
    keepRanges,
  })
  if (faults.count > before) return { also: [], warnings: [] }
  const local = moved.map((move) => ({ ...move, pointer: move.pointer.slice(here.length) }))
  return {
    drafted: { kind, key, definition: asJson(config), pointer: here },
    also: [],
    warnings: within(flagWarnings(config, local)),
  }
}
