/**
 * Compiled definitions to flags that can be run: kills, the segments that rules name, and prerequisites in their
 * order. Cheap beside compiling, so that it is what a change elsewhere repeats.
 */
import type { CompiledFlag, Content, LinkedFlag, Program, RunningRule, Standing } from './compiled.ts'
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
const NOTHING = { skipped: [], reads: [], instants: [] } as const

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
  if (killed) {
    const answer = killedAnswer(entry.definition, entry.revision)
    return { key, entry, content: { kind: 'killed', answer }, ...NOTHING }
  }
  const body = bodyOf(previous, entry) ?? compileBody(key, entry.revision, entry.definition, pool)
  if ('broken' in body) return { key, entry, content: { kind: 'broken', error: body.broken }, ...NOTHING }
  return { key, entry, ...linkRules(body, segments) }
}

function bodyOf(linked: LinkedFlag | undefined, entry: Entry): FlagBody | undefined {
  return linked?.entry === entry && linked.content.kind === 'whole' ? linked.content.body : undefined
}

/** A flag's rules with the segments that they name: which are skipped, and what the others depend on. */
export function linkRules(
  body: FlagBody,
  segments: ReadonlyMap<SegmentKey, CompiledSegment>,
): Pick<LinkedFlag, 'content' | 'skipped' | 'reads' | 'instants'> {
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
  const content: Content = { kind: 'whole', body, rules: chained(body.rules, reasons) }
  if (!body.enabled) return { ...NOTHING, content, skipped }
  return { content, skipped, reads: [...reads], instants: [...instants] }
}

/** The rules as they are followed, each leading to the next. */
function chained(
  rules: readonly CompiledRule[],
  reasons: readonly (string | undefined)[],
): RunningRule | null {
  let first: RunningRule | null = null
  for (let i = rules.length - 1; i >= 0; i--) {
    const { id, test, decision, split } = rules[i] as CompiledRule
    const skipped = reasons[i]
    first = {
      test: skipped === undefined ? test : NEVER,
      decision,
      split,
      next: first,
      about: { id, skipped },
    }
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
    else
      flags.set(key, finished(linked, { cycle: undefined, dated: linked.instants.length > 0, deep: false }))
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

function requiredBy({ content }: LinkedFlag): readonly CompiledPrerequisite[] {
  return content.kind === 'whole' ? content.body.prerequisites : []
}

function requiredOf<V>(requiring: ReadonlyMap<FlagKey, V>, key: FlagKey): V {
  return requiring.get(key) as V
}

function sameStanding(a: Standing, b: Standing): boolean {
  return a.dated === b.dated && a.deep === b.deep && a.cycle?.join() === b.cycle?.join()
}

/** A flag to be run. */
function finished(linked: LinkedFlag, standing: Standing): CompiledFlag {
  const { key, entry, content, skipped } = linked
  const version = entry.revision
  const program = programOf(content, version, standing)
  const error = program.settled?.errorDetails
  return {
    ...program,
    key,
    version,
    type: typeOf(entry.definition),
    visibility: visibilityOf(entry.definition),
    killed: content.kind === 'killed',
    dated: program.settled === null && standing.dated,
    ...(error !== undefined && { error }),
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

function programOf(content: Content, version: number, { cycle, deep }: Standing): Program {
  if (content.kind === 'killed') return settledProgram(content.answer)
  if (content.kind === 'broken') return settledProgram(failed('PARSE_ERROR', content.error, { version }))
  if (cycle !== undefined) return settledProgram(failed('PARSE_ERROR', cycleError(cycle), { version }))
  const { body, rules } = content
  if (!body.enabled) return settledProgram(body.off)
  const { prerequisites, targets, fallthrough } = body
  return { settled: null, prerequisites, targets, rules, fallthrough, deep }
}

function settledProgram(settled: Decision): Program {
  const fallthrough = { skipped: undefined, decision: settled, split: null, missing: settled }
  return { settled, prerequisites: [], targets: [], rules: null, fallthrough, deep: false }
}
