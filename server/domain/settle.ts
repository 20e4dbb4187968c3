/**
 * Decides whether documents can stand together: takes an environment's state and the documents that a change puts or
 * deletes, and checks the state that would result. So flags that name each other can arrive together, and nothing
 * that does not compile is ever committed.
 */
import { check, entryOf, type FlagKey, LIMITS, type State } from '@halyard/sdk/core'
import type { EntryEdit, LogId, LogView } from './change.ts'
import { entriesOf } from './documents.ts'
import { changes, checkSize, growthOf, stateWith } from './edits.ts'
import { at, collectFaults, type Faults, quote, quoteSome } from './faults.ts'
import { fieldOf, isObject, listOf } from './reading.ts'
import {
  cyclesThrough,
  dependantsOf,
  flagsUnder,
  references,
  requiredBy,
  segmentsNamedBy,
} from './references.ts'

/** A document as an edit would have it. */
export type Draft = EntryEdit & {
  readonly kind: 'flag' | 'segment'
  /** Where it stands, or is named, in what the caller sent. */
  readonly pointer: string
  /** Takes its faults, where it was only named; else those of the change do. */
  readonly faults?: Faults
}

/**
 * The entries that change (none: no log), after every check on the state that results.
 * @param also entries of other kinds that change with the drafts.
 * @throws Problem `invalid-document`, or `flag-required`, `segment-referenced` for what is deleted and still named.
 */
export function settle(
  view: LogView,
  drafts: readonly Draft[],
  faults: Faults,
  also: readonly EntryEdit[] = [],
): [LogId, readonly EntryEdit[]][] {
  const { state } = view
  const changed = drafts.filter((draft) => changes(state, draft))
  const edits = [...changed.map(({ kind, key, definition }) => ({ kind, key, definition })), ...also]
  if (edits.length === 0) return []

  const next = stateWith(state, edits)
  checkCounts(state, next, faults)
  const byKind = (kind: Draft['kind']): Map<string, Draft> =>
    new Map(changed.filter((draft) => draft.kind === kind).map((draft) => [draft.key, draft]))
  const [flags, segments] = [byKind('flag'), byKind('segment')]
  for (const draft of flags.values()) checkFlag(next, draft, draft.faults ?? faults)
  for (const draft of segments.values()) checkSegmentNames(next, draft, '', draft.faults ?? faults)
  // Only what offers less than before can harm those who require it, and to find them takes a look at every flag.
  const narrowed = new Set(
    [...flags.values()].filter((draft) => offersLess(state, draft)).map(({ key }) => key),
  )
  const dependants = narrowed.size === 0 ? new Map<FlagKey, FlagKey[]>() : dependantsOf(next, narrowed)
  for (const draft of flags.values())
    checkDependants(next, draft, flags, dependants.get(draft.key) ?? [], draft.faults ?? faults)
  checkCycles(flags, (key) => requiredBy(entryOf(next, 'flag', key)?.definition), prerequisitePointer, faults)
  checkCycles(
    segments,
    (key) => segmentsNamedBy(entryOf(next, 'segment', key)?.definition),
    () => '/when',
    faults,
  )
  checkSize(view, growthOf(state, edits), faults)
  faults.refuse()

  refuseNamed(next, changed, dependants)
  const affected = new Set([...dependants.values()].flat())
  if (segments.size > 0) for (const flag of flagsUnder(next, segments.keys())) affected.add(flag)
  checkCompiles(state, next, flags, affected, faults)
  faults.refuse()
  return [[view.id, edits]]
}

function checkCounts(state: State, next: State, faults: Faults): void {
  for (const [kind, most, what] of [
    ['flag', LIMITS.flags, 'flags'],
    ['segment', LIMITS.segments, 'segments'],
  ] as const) {
    const count = entriesOf(next, kind).size
    if (count > most && count > entriesOf(state, kind).size) {
      faults.add('', `An environment has at most ${most} ${what}; archive or delete some.`)
    }
  }
}

/** Reads a document of any shape: one that comes back from the past was not written by this version. */
function checkFlag(next: State, draft: Draft, faults: Faults): void {
  const { definition } = draft
  for (const [index, prerequisite] of listOf(fieldOf(definition, 'prerequisites')).entries()) {
    const pointer = at(`${draft.pointer}/prerequisites`, index)
    const flag = String(fieldOf(prerequisite, 'flag'))
    const required = entryOf(next, 'flag', flag)?.definition
    if (required === undefined) {
      faults.add(`${pointer}/flag`, `There is no flag ${quote(flag)} in this environment.`, {
        key: flag,
        candidates: entriesOf(next, 'flag').keys(),
      })
      continue
    }
    const known = variantsOf(required)
    for (const [place, named] of listOf(fieldOf(prerequisite, 'variants')).entries()) {
      const variant = String(named)
      if (known.includes(variant)) continue
      const message = `The flag ${quote(flag)} has no variant ${quote(variant)}.`
      faults.add(at(`${pointer}/variants`, place), message, { key: variant, candidates: known })
    }
  }
  for (const [index, rule] of listOf(fieldOf(definition, 'rules')).entries()) {
    checkSegmentNames(next, draft, at('/rules', index), faults, { when: fieldOf(rule, 'when') })
  }
}

const variantsOf = (definition: unknown): string[] => {
  const variants = fieldOf(definition, 'variants')
  return isObject(variants) ? Object.keys(variants) : []
}

function checkSegmentNames(
  next: State,
  draft: Draft,
  within: string,
  faults: Faults,
  document: unknown = draft.definition,
): void {
  for (const segment of segmentsNamedBy(document)) {
    if (entryOf(next, 'segment', segment) !== undefined) continue
    faults.add(
      `${draft.pointer}${within}/when`,
      `There is no segment ${quote(segment)} in this environment.`,
      {
        key: segment,
        candidates: entriesOf(next, 'segment').keys(),
      },
    )
  }
}

function offersLess(state: State, { key, definition }: Draft): boolean {
  const after = new Set(variantsOf(definition))
  return variantsOf(entryOf(state, 'flag', key)?.definition).some((variant) => !after.has(variant))
}

/** A variant that another flag requires has to stay. Flags that change too are checked by themselves. */
function checkDependants(
  next: State,
  draft: Draft,
  changing: ReadonlyMap<string, Draft>,
  dependants: readonly FlagKey[],
  faults: Faults,
): void {
  if (draft.definition === null) return
  const known = variantsOf(draft.definition)
  for (const dependant of dependants) {
    if (changing.has(dependant)) continue
    for (const prerequisite of listOf(
      fieldOf(entryOf(next, 'flag', dependant)?.definition, 'prerequisites'),
    )) {
      if (fieldOf(prerequisite, 'flag') !== draft.key) continue
      for (const variant of listOf(fieldOf(prerequisite, 'variants'))) {
        if (typeof variant !== 'string' || known.includes(variant)) continue
        faults.add(
          `${draft.pointer}/variants`,
          `The flag ${quote(dependant)} requires the variant ${quote(variant)}; keep it, or change that flag first.`,
        )
      }
    }
  }
}

function checkCycles(
  drafts: ReadonlyMap<string, Draft>,
  next: (key: string) => Iterable<string>,
  within: (draft: Draft, named: string) => string,
  faults: Faults,
): void {
  for (const cycle of cyclesThrough(new Set(drafts.keys()), next)) {
    for (const draft of drafts.values()) {
      const start = cycle.indexOf(draft.key)
      if (start === -1) continue
      const path = [...cycle.slice(start), ...cycle.slice(0, start), draft.key]
      const pointer = draft.pointer + within(draft, String(path[1]))
      const { faults: own = faults } = draft
      own.add(pointer, `This makes a cycle: ${shown(path)}.`)
      break
    }
  }
}

const KEYS_SHOWN = 12
function shown(path: readonly string[]): string {
  const cut = path.length > KEYS_SHOWN ? path.toSpliced(KEYS_SHOWN - 2, path.length - KEYS_SHOWN, '…') : path
  return cut.join(' → ')
}

function prerequisitePointer({ definition }: Draft, flag: string): string {
  return `${at('/prerequisites', requiredBy(definition).indexOf(flag))}/flag`
}

function refuseNamed(
  next: State,
  drafts: readonly Draft[],
  dependants: ReadonlyMap<FlagKey, FlagKey[]>,
): void {
  const required = collectFaults()
  const referenced = collectFaults()
  for (const { kind, key, definition, pointer } of drafts) {
    if (definition !== null) continue
    if (kind === 'flag') refuseRequired(key, dependants.get(key) ?? [], pointer, required)
    else refuseReferenced(next, key, pointer, referenced)
  }
  required.refuse('flag-required')
  referenced.refuse('segment-referenced')
}

/** A fault where other flags require the one that goes. */
export function refuseRequired(
  flag: FlagKey,
  dependants: readonly FlagKey[],
  pointer: string,
  faults: Faults,
): void {
  if (dependants.length === 0) return
  faults.add(
    pointer,
    `${quote(flag)} is required by ${quoteSome(dependants)}. Remove the prerequisite there first.`,
  )
}

function refuseReferenced(next: State, segment: string, pointer: string, faults: Faults): void {
  const { flags, segments } = references(next, segment)
  if (flags.length + segments.length === 0) return
  const by = [
    ...(flags.length === 0 ? [] : [`flags ${quoteSome(flags)}`]),
    ...(segments.length === 0 ? [] : [`segments ${quoteSome(segments)}`]),
  ]
  faults.add(pointer, `The segment ${quote(segment)} is named by ${by.join(' and ')}. Change those first.`)
}

/** The evaluator has the last word. A flag that was broken before is no reason to refuse a change of another. */
function checkCompiles(
  state: State,
  next: State,
  flags: ReadonlyMap<string, Draft>,
  affected: ReadonlySet<FlagKey>,
  faults: Faults,
): void {
  for (const [key, finding] of check(next, new Set([...flags.keys(), ...affected]))) {
    const draft = flags.get(key)
    for (const { rule, why } of objections(finding)) {
      if (draft !== undefined) {
        const { faults: own = faults } = draft
        own.add(draft.pointer + rulePointer(draft, rule), `The evaluator cannot take this: ${why}.`)
      } else if (isSound(state, key)) {
        faults.add('', `With this, the flag ${quote(key)} would not work: ${why}.`)
      }
    }
  }
}

type Finding = ReturnType<typeof check> extends ReadonlyMap<FlagKey, infer F> ? F : never

/** What the evaluator has against a flag as a whole, or against one of its rules. */
const objections = ({ error, skipped }: Finding): { readonly rule?: string; readonly why: string }[] =>
  error === undefined ? [...skipped] : [{ why: error }, ...skipped]

const isSound = (state: State, flag: FlagKey): boolean =>
  [...check(state, [flag]).values()].every((finding) => objections(finding).length === 0)

/** Where a rule stands in the document; the whole of it for what is no rule's. */
function rulePointer({ definition }: Draft, rule: string | undefined): string {
  const ids = listOf(fieldOf(definition, 'rules')).map((known) => fieldOf(known, 'id'))
  return ids.flatMap((id, index) => (id === rule ? [at('/rules', index)] : [])).join('')
}
