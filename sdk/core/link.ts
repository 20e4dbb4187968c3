/**
 * Compiled definitions to flags that can be run: kills, the segments that rules name, and prerequisites in their
 * order. Cheap beside compiling, so that it is what a change elsewhere repeats.
 */
import type { CompiledFlag, LinkedFlag, Program, RunningRule, Standing } from './compiled.ts'
import type { Pool, Test } from './conditions.ts'
import { failed } from './decisions.ts'
import {
  type CompiledPrerequisite,
  type CompiledRule,
  compileBody,
  FALLTHROUGH,
  type FlagBody,
  killedAnswer,
  typeOf,
  visibilityOf,
} from './flags.ts'
import { dependencyOrder } from './graph.ts'
import type { AttributePath, Decision, Entry, FlagKey, SegmentKey, SkippedRule } from './ruleset.ts'
import { type CompiledSegment, consequencesOf } from './segments.ts'

/** Above this a flag's prerequisites are answered each once, without recursion. */
const SHALLOW = { depth: 16, evaluations: 64 } as const
const NEVER: Test = () => false
const LEAF = { depth: 0, evaluations: 1 } as const
const MANY = Number.MAX_SAFE_INTEGER / 2
const NONE: readonly never[] = []
/** Of flags without prerequisites. */
const ALONE: Standing = { cycle: undefined, dated: false, deep: false }
const ALONE_DATED: Standing = { cycle: undefined, dated: true, deep: false }

/**
 * Links one flag. A killed flag is not compiled, whatever is in it.
 *
 * @param previous where it is of the same entry, its compiled definition is used again
 */
export function linkFlag(
  key: FlagKey,
  entry: Entry,
  killed: boolean,
  segments: ReadonlyMap<SegmentKey, CompiledSegment>,
  previous: LinkedFlag | undefined,
  pool: Pool,
): LinkedFlag {
  const nothing = { key, entry, skipped: NONE, reads: NONE, instants: NONE }
  if (killed) return { kind: 'killed', answer: killedAnswer(entry.definition, entry.revision), ...nothing }
  const body = bodyOf(previous, entry) ?? compileBody(key, entry.revision, entry.definition, pool)
  if ('broken' in body) return { kind: 'broken', broken: body.broken, ...nothing }
  const { reasons, skipped, reads, instants } = linkRules(body, segments)
  return { kind: 'whole', body, rules: chained(body.rules, reasons), key, entry, skipped, reads, instants }
}

function bodyOf(linked: LinkedFlag | undefined, entry: Entry): FlagBody | undefined {
  return linked?.entry === entry && linked.kind === 'whole' ? linked.body : undefined
}

/** A flag's rules with the segments that they name: which are skipped, and what the others depend on. */
export function linkRules(
  body: FlagBody,
  segments: ReadonlyMap<SegmentKey, CompiledSegment>,
): Pick<LinkedFlag, 'skipped' | 'reads' | 'instants'> & {
  readonly reasons: readonly (string | undefined)[]
} {
  const reads = new Set<AttributePath>(body.reads)
  const instants = new Set<number>()
  const skipped: SkippedRule[] = []
  const reasons = body.rules.map(({ id, skipped: own, facts, split }): string | undefined => {
    const needs = consequencesOf(facts, segments, own)
    if (needs.fault !== undefined) {
      skipped.push({ rule: id, why: needs.fault })
      return needs.fault
    }
    for (const read of needs.reads) reads.add(read)
    for (const instant of needs.instants) instants.add(instant)
    if (split !== null) reads.add(split.about.by)
    return undefined
  })
  if (body.fallthrough.skipped !== undefined)
    skipped.push({ rule: FALLTHROUGH, why: body.fallthrough.skipped })
  if (!body.enabled) return { reasons, skipped: orNone(skipped), reads: NONE, instants: NONE }
  return { reasons, skipped: orNone(skipped), reads: orNone([...reads]), instants: orNone([...instants]) }
}

/** Empty lists are one, so that thousands of flags do not hold thousands of them. */
function orNone<T>(list: readonly T[]): readonly T[] {
  return list.length === 0 ? NONE : list
}

/** The rules as they are followed, each leading to the next. */
function chained(
  rules: readonly CompiledRule[],
  reasons: readonly (string | undefined)[],
): RunningRule | null {
  let first: RunningRule | null = null
  for (let i = rules.length - 1; i >= 0; i--) {
    const rule = rules[i] as CompiledRule
    const { test, decision, split, id } = rule
    const skipped = reasons[i]
    first =
      skipped === undefined
        ? { test, decision, split, next: first, about: rule }
        : { test: NEVER, decision: null, split: null, next: first, about: { id, skipped } }
  }
  return first
}

/**
 * Brings flags forward: takes in those that changed, and looks at everyone's prerequisites, those first that others
 * require. Flags about which nothing changed stay the same objects.
 *
 * @param changed flags by key, undefined for those that are gone
 */
export function finishFlags(
  previous: ReadonlyMap<FlagKey, CompiledFlag>,
  changed: ReadonlyMap<FlagKey, LinkedFlag | undefined>,
): Map<FlagKey, CompiledFlag> {
  const flags = new Map(previous)
  for (const [key, linked] of changed) {
    if (linked === undefined) flags.delete(key)
    else flags.set(key, finished(linked, linked.instants.length > 0 ? ALONE_DATED : ALONE))
  }
  const requiring = new Map<FlagKey, readonly CompiledPrerequisite[]>()
  for (const [key, { linked }] of flags) {
    const required = requiredBy(linked)
    if (required.length > 0) requiring.set(key, required)
  }
  const { order, cyclic } = dependencyOrder(requiring.keys(), (key) =>
    requiredOf(requiring, key).flatMap(({ flag }) => (requiring.has(flag) ? [flag] : [])),
  )
  const sizes = new Map<FlagKey, { readonly depth: number; readonly evaluations: number }>()
  for (const key of order) {
    const before = flags.get(key) as CompiledFlag
    let depth = 1
    let evaluations = 1
    let dated = before.linked.instants.length > 0
    for (const { flag } of requiredOf(requiring, key)) {
      const size = sizes.get(flag) ?? LEAF
      depth = Math.max(depth, size.depth + 1)
      evaluations = Math.min(evaluations + size.evaluations, MANY)
      dated ||= flags.get(flag)?.dated === true
    }
    sizes.set(key, { depth, evaluations })
    const deep = depth > SHALLOW.depth || evaluations > SHALLOW.evaluations
    const standing = { cycle: cyclic.get(key), dated, deep }
    if (!sameStanding(before.standing, standing)) flags.set(key, finished(before.linked, standing))
  }
  return flags
}

function requiredBy(linked: LinkedFlag): readonly CompiledPrerequisite[] {
  return linked.kind === 'whole' ? linked.body.prerequisites : NONE
}

function requiredOf<V>(requiring: ReadonlyMap<FlagKey, V>, key: FlagKey): V {
  return requiring.get(key) as V
}

function sameStanding(a: Standing, b: Standing): boolean {
  return a.dated === b.dated && a.deep === b.deep && a.cycle?.join() === b.cycle?.join()
}

/** A flag to be run. Written out, not spread: what is run stands first, and all flags get one shape. */
function finished(linked: LinkedFlag, standing: Standing): CompiledFlag {
  const { key, entry, skipped } = linked
  const { settled, prerequisites, targets, rules, fallthrough } = programOf(linked, standing)
  return {
    settled,
    prerequisites,
    targets,
    rules,
    fallthrough,
    deep: standing.deep,
    key,
    version: entry.revision,
    type: typeOf(entry.definition),
    visibility: visibilityOf(entry.definition),
    killed: linked.kind === 'killed',
    dated: settled === null && standing.dated,
    error: settled?.errorDetails,
    skipped,
    linked,
    standing,
  }
}

/** Why flags that require each other are refused, with the first few of them. */
export function cycleError(cycle: readonly FlagKey[]): string {
  const some = cycle.slice(0, 5).map((key) => JSON.stringify(key))
  return `its prerequisites lead in a circle: ${some.join(', ')}${cycle.length > 5 ? ', …' : ''}`
}

function programOf(linked: LinkedFlag, { cycle }: Standing): Omit<Program, 'deep'> {
  const version = linked.entry.revision
  if (linked.kind === 'killed') return settledProgram(linked.answer)
  if (linked.kind === 'broken') return settledProgram(failed('PARSE_ERROR', linked.broken, { version }))
  if (cycle !== undefined) return settledProgram(failed('PARSE_ERROR', cycleError(cycle), { version }))
  const { body, rules } = linked
  if (!body.enabled) return settledProgram(body.off)
  const { prerequisites, targets, fallthrough } = body
  return { settled: null, prerequisites, targets, rules, fallthrough }
}

function settledProgram(settled: Decision): Omit<Program, 'deep'> {
  const fallthrough = { decision: settled, split: null, missing: settled, skipped: undefined }
  return { settled, prerequisites: NONE, targets: NONE, rules: null, fallthrough }
}
