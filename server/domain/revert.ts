/**
 * Puts an environment, or some of its flags and segments, back to how they were: to the byte, as a new revision.
 * Kills are no part of it. Scope: the project's log and the environment's; the past never changes, so it is given.
 */
import { entryOf, LIMITS, type State } from '@halyard/sdk/core'
import type { Edit, EntryEdit, LogId, LogView, Moment, Warning } from './change.ts'
import { entriesOf, identityOf, lockedLog } from './documents.ts'
import { changes, replaced } from './edits.ts'
import { at, collectFaults, namedFaults, quote, quoteSome } from './faults.ts'
import { readFlagConfig } from './flags.ts'
import type { RevertInput } from './inputs.ts'
import { membersAsIn } from './member-chunks.ts'
import { inside, type Reading, readFields, readKeys, startReading } from './reading.ts'
import { readSegment } from './segments.ts'
import { type Draft, settle } from './settle.ts'
import { flagWarnings, namedWarnings, segmentWarnings } from './warnings.ts'
import type { DocumentChange } from './words/changes.ts'

/**
 * Everything becomes as it was; what was not there goes away. A flag that is archived or deleted today stays away:
 * a warning says so, or, where it was named, a refusal.
 * @param past the environment's state at the revision to go back to
 * @returns the flags and segments that were named, or with none named those that change; then the chunks of members
 *   that change
 */
export function revert(
  environment: LogId,
  past: State,
  input: RevertInput = {},
): Edit<readonly DocumentChange[]> {
  return (logs, moment) => {
    const view = lockedLog(logs, environment, 'environment-not-found')
    const project = lockedLog(logs, String(view.parent), 'project-not-found')
    const reading = startReading(input)
    const { faults } = reading
    const named = readNamed(input, reading, past)
    faults.refuse()
    if (named !== undefined) refuseAbsent(view, project, named)

    const { drafts, warnings } =
      named === undefined ? allOf(view, project, past) : { drafts: named, warnings: [] }
    const advise = named === undefined ? () => 'Name the flags that go back, without this one.' : adviceFor
    const changing = drafts
      .filter((draft) => !isAsThen(view.state, past, draft))
      .map((draft) => {
        const what = `The ${draft.kind} ${quote(draft.key)} as it was`
        return { ...draft, faults: namedFaults(faults, draft.pointer, what, advise) }
      })
    for (const draft of changing) warnings.push(...checkPast(draft, moment))
    faults.refuse()
    const members = drafts
      .filter(({ kind }) => kind === 'segment')
      .flatMap(({ key }) => membersAsIn(past, key))
      .filter((edit) => !isAsThen(view.state, past, edit))
    const edits = settle(view, changing, faults, members)
    return {
      action: 'environment.revert',
      edits: new Map(edits),
      warnings,
      result: [...(named ?? changing), ...members].map((edit) => replaced(view.state, edit)),
    }
  }
}

/** What was named, as it was; undefined for the whole environment. */
function readNamed(input: unknown, reading: Reading, past: State): Draft[] | undefined {
  const { flags, segments } = readFields(input, reading, 'What goes back', ['flags', 'segments'])
  if (flags === undefined && segments === undefined) return undefined
  const [inFlags, inSegments] = [inside(reading, 'flags'), inside(reading, 'segments')]
  return [
    ...readKeys(flags, inFlags, 'Flags', LIMITS.flags).map((key, index) =>
      asWas(past, 'flag', key, at(inFlags.pointer, index)),
    ),
    ...readKeys(segments, inSegments, 'Segments', LIMITS.segments).map((key, index) =>
      asWas(past, 'segment', key, at(inSegments.pointer, index)),
    ),
  ]
}

const asWas = (past: State, kind: Draft['kind'], key: string, pointer: string): Draft => ({
  kind,
  key,
  definition: entryOf(past, kind, key)?.definition ?? null,
  pointer,
})

function refuseAbsent({ state }: LogView, project: LogView, named: readonly Draft[]): void {
  const flags = collectFaults()
  const archived = collectFaults()
  const segments = collectFaults()
  for (const { kind, key, definition, pointer } of named) {
    const known = definition !== null || entryOf(state, kind, key) !== undefined
    const unknown = { key, candidates: entriesOf(state, kind).keys() }
    const what = `${kind} ${quote(key)}`
    if (kind === 'segment') {
      if (!known) segments.add(pointer, `There is no ${what}, and there was none.`, unknown)
      continue
    }
    const identity = identityOf(project.state, key)
    if (identity === undefined && known)
      flags.add(pointer, `The ${what} was deleted; its key stays reserved.`)
    else if (identity === undefined) flags.add(pointer, `There is no ${what}.`, unknown)
    else if (identity.archived !== null) archived.add(pointer, `The ${what} is archived; unarchive it first.`)
    else if (!known) flags.add(pointer, `The ${what} has no configuration here, and had none.`)
  }
  flags.refuse('flag-not-found')
  archived.refuse('flag-archived')
  segments.refuse('segment-not-found')
}

/** All that there is and was, but for flags that left every environment since. */
function allOf({ state }: LogView, project: LogView, past: State): { drafts: Draft[]; warnings: Warning[] } {
  const left: string[] = []
  const drafts: Draft[] = []
  for (const kind of ['flag', 'segment'] as const) {
    for (const key of new Set([...entriesOf(state, kind).keys(), ...entriesOf(past, kind).keys()])) {
      const draft = asWas(past, kind, key, '')
      const gone = kind === 'flag' && identityOf(project.state, key)?.archived !== null
      if (gone && draft.definition !== null) left.push(key)
      else drafts.push(draft)
    }
  }
  if (left.length === 0) return { drafts, warnings: [] }
  const message = `Left out, since they are archived or deleted: ${quoteSome(left.sort())}. Unarchive a flag, then put it back by its name.`
  return { drafts, warnings: [{ code: 'not-reverted', message }] }
}

/** A revision of a log writes a document once, so the same revision is the same document. */
function isAsThen(state: State, past: State, { kind, key, definition }: EntryEdit): boolean {
  const same = entryOf(state, kind, key)?.revision === entryOf(past, kind, key)?.revision
  return same || !changes(state, { kind, key, definition })
}

/** Reads what comes back to find what is wrong with it today; what is written is the document as it was. */
function checkPast({ kind, key, definition, pointer, faults }: Required<Draft>, { mint }: Moment): Warning[] {
  if (definition === null) return []
  const reading = { faults, pointer }
  const what = `The ${kind} ${quote(key)}`
  const before = faults.count
  if (kind === 'segment') {
    const segment = readSegment(definition, reading)
    return faults.count > before ? [] : namedWarnings(segmentWarnings(segment), pointer, what)
  }
  const place = { key, type: undefined, previous: definition, keepRanges: true, mint, moved: () => {} }
  const config = readFlagConfig(definition, reading, place)
  return faults.count > before ? [] : namedWarnings(flagWarnings(config, []), pointer, what)
}

/** What to do about a fault at that place of a document that was named. */
function adviceFor(within: string): string {
  if (within.endsWith('/when')) return 'Name the segment too, so that it goes back as well.'
  if (within.startsWith('/prerequisites/')) return 'Name that flag too, so that it goes back as well.'
  return ''
}
