/**
 * Segments to closures, in parts that change at their own pace: the definition, the chunks of members (an edit of
 * one member prepares one chunk anew), and what follows from the segments that a segment names.
 */
import { chunkIndex, unitOf } from './bucket.ts'
import {
  compileCondition,
  type Facts,
  NotUnderstood,
  noFacts,
  readUnderstood,
  type Test,
} from './conditions.ts'
import { foldCase } from './folding.ts'
import { dependencyOrder } from './graph.ts'
import { isObject } from './json.ts'
import { LIMITS } from './limits.ts'
import type { AttributePath, Json, SegmentKey } from './ruleset.ts'

/** true: included, false: excluded. */
type Chunk = ReadonlyMap<string, boolean> | { readonly fault: string }
/** By the index that `chunkIndex` gives; without a chunk nobody there is a member. */
export type Chunks = readonly (Chunk | undefined)[]

export const NO_MEMBERS: Chunks = []

const NEVER: Test = () => false

/** A segment's definition, compiled. */
export type Outline = {
  readonly facts: Facts
  readonly fault: string | undefined
  readonly test: (key: SegmentKey, chunks: Chunks) => Test
}

/** What a condition comes to with the segments that it names. */
export type Consequences = {
  /** Why it cannot be evaluated here. */
  readonly fault: string | undefined
  readonly reads: ReadonlySet<AttributePath>
  readonly instants: ReadonlySet<number>
  readonly nodes: number
  readonly depth: number
}

/** A segment before the segments that it names are looked at. */
export type LooseSegment = {
  readonly outline: Outline
  readonly chunks: Chunks
  /** Why the definition or a chunk cannot be evaluated here. */
  readonly fault: string | undefined
  readonly test: Test
}

export type CompiledSegment = LooseSegment & { readonly consequences: Consequences }

/** Compiles the definition of an entry of kind `segment`, of any shape. */
export function outlineOf(definition: Json): Outline {
  const facts = noFacts()
  try {
    if (!isObject(definition)) throw new NotUnderstood('a segment is an object')
    const { by = 'targetingKey', ignoreCase = false, when = null } = definition
    if (typeof ignoreCase !== 'boolean') throw new NotUnderstood('ignoreCase is true or absent')
    const read = readUnderstood(by, facts)
    const condition = when === null ? NEVER : compileCondition(when, facts)
    const normalise = (found: unknown): string | undefined => {
      const unit = unitOf(found)
      return unit !== undefined && ignoreCase ? foldCase(unit) : unit
    }
    return {
      facts,
      fault: undefined,
      test: (key, chunks) => (context, now, segments, trace) => {
        const unit = normalise(read(context))
        const listed = unit === undefined ? undefined : lookUp(chunks, unit)
        const of = trace && []
        const result = listed ?? condition(context, now, segments, of)
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
    return { facts, fault: reasonOf(cause), test: () => NEVER }
  }
}

/** The reason of a NotUnderstood; anything else is a defect, and goes on. */
export function reasonOf(cause: unknown): string {
  if (cause instanceof NotUnderstood) return cause.message
  throw cause
}

function lookUp(chunks: Chunks, unit: string): boolean | undefined {
  if (chunks.length === 0) return undefined
  const chunk = chunks[chunkIndex(unit)]
  return chunk instanceof Map ? chunk.get(unit) : undefined
}

/** Prepares one chunk of members, from the definition of an entry of kind `members`, of any shape. */
export function chunkOf(definition: Json): Chunk {
  if (!isObject(definition)) return { fault: 'members are an object' }
  const chunk = new Map<string, boolean>()
  for (const [list, included] of [
    ['included', true],
    ['excluded', false],
  ] as const) {
    const units = definition[list] ?? []
    if (!Array.isArray(units)) return { fault: `${list} members are a list` }
    for (const unit of units) {
      if (typeof unit !== 'string') return { fault: `${list} members are strings` }
      chunk.set(unit, included)
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
  return { outline, chunks, fault: outline.fault ?? faultOf(chunks), test: outline.test(key, chunks) }
}

function faultOf(chunks: Chunks): string | undefined {
  for (const chunk of chunks) {
    if (chunk !== undefined && !(chunk instanceof Map)) return (chunk as { fault: string }).fault
  }
  return undefined
}

/** Looks at the segments that each segment names, those first that others name. */
export function linkSegments(loose: ReadonlyMap<SegmentKey, LooseSegment>): Map<SegmentKey, CompiledSegment> {
  const linked = new Map<SegmentKey, CompiledSegment>()
  const named = (key: SegmentKey): SegmentKey[] =>
    [...(loose.get(key) as LooseSegment).outline.facts.segments.keys()].filter((name) => loose.has(name))
  const { order, cyclic } = dependencyOrder(loose.keys(), named)
  for (const key of order) {
    const segment = loose.get(key) as LooseSegment
    const fault = cyclic.has(key)
      ? `the segment "${key}" names itself, perhaps through others`
      : segment.fault
    linked.set(key, { ...segment, consequences: consequencesOf(segment.outline.facts, linked, fault) })
  }
  return linked
}

/** What a condition comes to, given the segments. */
export function consequencesOf(
  facts: Facts,
  segments: ReadonlyMap<SegmentKey, CompiledSegment>,
  ownFault: string | undefined,
): Consequences {
  if (ownFault !== undefined || facts.segments.size === 0) return { ...facts, fault: ownFault }
  const reads = new Set(facts.reads)
  const instants = new Set(facts.instants)
  let { nodes, depth } = facts
  let fault: string | undefined
  for (const [key, times] of facts.segments) {
    const named = segments.get(key)?.consequences
    if (named === undefined) {
      fault ??= `the segment "${key}" is unknown`
      continue
    }
    fault ??= named.fault && `the segment "${key}": ${named.fault}`
    for (const read of named.reads) reads.add(read)
    for (const instant of named.instants) instants.add(instant)
    nodes += times * named.nodes
    depth = Math.max(depth, facts.depth + named.depth)
  }
  if (nodes > LIMITS.evaluatedNodes || depth > LIMITS.evaluatedDepth)
    fault ??= 'with its segments it is too large'
  return { fault, reads, instants, nodes: Math.min(nodes, LIMITS.evaluatedNodes + 1), depth }
}
