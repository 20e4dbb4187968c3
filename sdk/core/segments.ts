/**
 * Segments to closures, in parts that change at their own pace: the definition, the chunks of members (an edit of
 * one member prepares one chunk anew), and what follows from the segments that a segment names.
 */
import { chunkIndex, unitOf } from './bucket.ts'
import {
  compileCondition,
  type Facts,
  NO_FACTS,
  NotUnderstood,
  type Pool,
  readerIn,
  reasonOf,
  type Test,
} from './conditions.ts'
import { foldCase } from './folding.ts'
import { dependencyOrder } from './graph.ts'
import { isObject } from './json.ts'
import { LIMITS } from './limits.ts'
import type { AttributePath, Json, SegmentKey } from './ruleset.ts'

/** Members of one chunk. true: included, false: excluded. */
type Chunk = ReadonlyMap<string, boolean>

/** Members by the index that `chunkIndex` gives; `byIndex` is empty where there are none at all. */
export type Chunks = {
  readonly byIndex: readonly (Chunk | undefined)[]
  /** Why a chunk cannot be evaluated here, by index. */
  readonly faults: ReadonlyMap<number, string>
}
export const NO_MEMBERS: Chunks = { byIndex: [], faults: new Map() }
export const EVERY_CHUNK: readonly number[] = Array.from({ length: 256 }, (_, index) => index)

/** A segment's definition, compiled. */
export type Outline = {
  readonly facts: Facts
  readonly fault: string | undefined
  readonly testOf: (key: SegmentKey, chunks: Chunks) => Test
}

/** A segment before the segments that it names are looked at. */
export type LooseSegment = {
  readonly test: Test
  readonly outline: Outline
  readonly chunks: Chunks
}

export type CompiledSegment = LooseSegment & { readonly consequences: Consequences }

/** What a condition comes to with the segments that it names. */
export type Consequences = {
  /** Why it cannot be evaluated here. */
  readonly fault: string | undefined
  readonly reads: readonly AttributePath[]
  readonly instants: readonly number[]
  readonly nodes: number
  readonly depth: number
}

const NEVER: Test = () => false

/** Compiles the definition of an entry of kind `segment`, of any shape. */
export function outlineOf(definition: Json, pool: Pool): Outline {
  try {
    if (!isObject(definition)) throw new NotUnderstood('a segment is an object')
    const { by = 'targetingKey', ignoreCase = false, when = null } = definition
    if (typeof ignoreCase !== 'boolean') throw new NotUnderstood('ignoreCase is true or absent')
    const read = readerIn(pool, by)
    const condition = when === null ? undefined : compileCondition(when, pool)
    const facts = condition?.facts ?? NO_FACTS
    const otherwise = condition?.test ?? NEVER
    return {
      facts: {
        ...facts,
        reads: [by as AttributePath, ...facts.reads],
        nodes: facts.nodes + 1,
        depth: facts.depth + 1,
      },
      fault: undefined,
      testOf: (key, chunks) => (context, now, segments, trace) => {
        const found = unitOf(read(context))
        const unit = found !== undefined && ignoreCase ? foldCase(found) : found
        const listed = unit === undefined ? undefined : lookUp(chunks, unit)
        const of = trace && []
        const result = listed ?? otherwise(context, now, segments, of)
        trace?.push({
          condition: 'segment',
          segment: key,
          by: by as AttributePath,
          ...(unit !== undefined && { unit }),
          ...(listed !== undefined && { member: listed ? 'included' : 'excluded' }),
          of: of as [],
          result,
        })
        return result
      },
    }
  } catch (cause) {
    return { facts: NO_FACTS, fault: reasonOf(cause), testOf: () => NEVER }
  }
}

function lookUp({ byIndex }: Chunks, unit: string): boolean | undefined {
  return byIndex.length === 0 ? undefined : byIndex[chunkIndex(unit)]?.get(unit)
}

/**
 * The chunks with some of them prepared anew.
 *
 * @param indices undefined for all of them
 * @param definitionAt the definition of an entry of kind `members`, of any shape; undefined where there is none
 */
export function withChunks(
  before: Chunks,
  indices: Iterable<number> | undefined,
  definitionAt: (index: number) => Json | undefined,
): Chunks {
  const byIndex = EVERY_CHUNK.map((index) => before.byIndex[index])
  const faults = new Map(before.faults)
  for (const index of indices ?? EVERY_CHUNK) {
    const definition = definitionAt(index)
    const chunk = definition === undefined ? undefined : chunkOf(definition)
    faults.delete(index)
    if (typeof chunk === 'string') faults.set(index, chunk)
    byIndex[index] = typeof chunk === 'string' ? undefined : chunk
  }
  return byIndex.some((chunk) => chunk !== undefined) || faults.size > 0 ? { byIndex, faults } : NO_MEMBERS
}

/** The members, or why they are none. Who is in both lists is excluded. */
function chunkOf(definition: Json): Chunk | string {
  if (!isObject(definition)) return 'members are an object'
  const chunk = new Map<string, boolean>()
  for (const list of ['included', 'excluded']) {
    const units = definition[list] ?? []
    if (!Array.isArray(units)) return `${list} members are a list`
    for (const unit of units) {
      if (typeof unit !== 'string') return `${list} members are strings`
      chunk.set(unit, list === 'included')
    }
  }
  return chunk
}

/** The segment and the chunk that a key of kind `members` names; undefined where it is none. */
export function membersKey(
  key: string,
): { readonly segment: SegmentKey; readonly index: number } | undefined {
  const slash = key.lastIndexOf('/')
  const name = key.slice(slash + 1)
  if (slash < 0 || !/^[0-9a-f]{2}$/.test(name)) return undefined
  return { segment: key.slice(0, slash), index: Number.parseInt(name, 16) }
}

export function looseSegment(key: SegmentKey, outline: Outline, chunks: Chunks): LooseSegment {
  return { test: outline.testOf(key, chunks), outline, chunks }
}

/** Looks at the segments that each segment names, those first that others name. */
export function linkSegments(loose: ReadonlyMap<SegmentKey, LooseSegment>): Map<SegmentKey, CompiledSegment> {
  const linked = new Map<SegmentKey, CompiledSegment>()
  const named = (key: SegmentKey): SegmentKey[] =>
    (loose.get(key) as LooseSegment).outline.facts.segments.filter((name) => loose.has(name))
  const { order, cyclic } = dependencyOrder(loose.keys(), named)
  for (const key of order) {
    const segment = loose.get(key) as LooseSegment
    const { facts, fault } = segment.outline
    const ownFault = cyclic.has(key) ? 'it names itself, perhaps through others' : fault
    const chunkFault = firstFault(segment.chunks)
    linked.set(key, { ...segment, consequences: consequencesOf(facts, linked, ownFault ?? chunkFault) })
  }
  return linked
}

/** The fault of the lowest index, whichever came first. */
function firstFault({ faults }: Chunks): string | undefined {
  return faults.get(Math.min(...faults.keys()))
}

/** What a condition comes to, given the segments. */
export function consequencesOf(
  facts: Facts,
  segments: ReadonlyMap<SegmentKey, CompiledSegment>,
  ownFault: string | undefined,
): Consequences {
  const { reads, instants, nodes, depth } = facts
  const all = { fault: ownFault, reads: new Set(reads), instants: new Set(instants), nodes, depth }
  for (const key of facts.segments) {
    const named = segments.get(key)?.consequences
    if (named?.fault !== undefined || named === undefined) {
      all.fault ??= `the segment ${JSON.stringify(key)}: ${named?.fault ?? 'there is none'}`
      continue
    }
    for (const read of named.reads) all.reads.add(read)
    for (const instant of named.instants) all.instants.add(instant)
    all.nodes = Math.min(all.nodes + named.nodes, LIMITS.evaluatedNodes + 1)
    all.depth = Math.max(all.depth, depth + named.depth)
  }
  if (all.nodes > LIMITS.evaluatedNodes || all.depth > LIMITS.evaluatedDepth) {
    all.fault ??= 'with the segments that it names it is too large'
  }
  return { ...all, reads: [...all.reads], instants: [...all.instants] }
}
