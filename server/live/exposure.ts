/**
 * Which changes can alter a flag that browsers see: those of the flag itself, of the flags it requires and of the
 * segments its rules name, at any remove. Hides the graph of who depends on whom.
 */
import type { Compiled, Delta, FlagKey, Json, State } from '@halyard/sdk/core'
import { segmentOfChunk } from '../domain/member-chunks.ts'
import { sees } from './view.ts'

/** `flag/<key>` or `segment/<key>`. */
type Node = string

/** Keeps up with an environment; tells of each step whether it can alter a client-visible flag. */
export class Exposure {
  #compiled: Compiled
  /** Everything that the client-visible flags of the state depend on; undefined until it is needed. */
  #nodes: ReadonlySet<Node> | undefined

  constructor(compiled: Compiled) {
    this.#compiled = compiled
  }

  /** @param delta undefined where the state was taken whole */
  moved(after: Compiled, delta: Delta | undefined): boolean {
    const before = this.#compiled
    const changed = changedNodes(before.state, after.state, delta)
    const exposed =
      changed === 'unknown' || changed.some((node) => this.#exposes(node) || isVisible(after, node))
    // Where nothing exposed changed, the graph below the visible flags is the one that it was.
    if (exposed) this.#nodes = undefined
    this.#compiled = after
    return exposed
  }

  #exposes(node: Node): boolean {
    this.#nodes ??= reachable(this.#compiled)
    return this.#nodes.has(node)
  }
}

/** The same of one step alone. */
export function exposes(before: Compiled, after: Compiled, delta: Delta | undefined): boolean {
  return new Exposure(before).moved(after, delta)
}

function changedNodes(before: State, after: State, delta: Delta | undefined): readonly Node[] | 'unknown' {
  const nodes: Node[] = []
  if (before.pending !== after.pending) {
    for (const flag of [...before.pending.keys(), ...after.pending.keys()]) nodes.push(`flag/${flag}`)
  }
  if (delta === undefined) return before.entries === after.entries ? nodes : 'unknown'
  for (const { kind, key } of delta.entries) {
    if (kind === 'flag' || kind === 'kill') nodes.push(`flag/${key}`)
    else if (kind === 'segment') nodes.push(`segment/${key}`)
    else if (kind === 'members') nodes.push(`segment/${segmentOfChunk(key)}`)
    else return 'unknown'
  }
  return nodes
}

function isVisible(compiled: Compiled, node: Node): boolean {
  return node.startsWith('flag/') && sees('client', compiled.flags.get(node.slice('flag/'.length)))
}

function reachable(compiled: Compiled): Set<Node> {
  const found = new Set<Node>()
  const open: Node[] = []
  for (const [key, flag] of compiled.flags) if (sees('client', flag)) open.push(`flag/${key}`)
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (found.has(node)) continue
    found.add(node)
    const slash = node.indexOf('/')
    const entry = compiled.state.entries.get(node.slice(0, slash))?.get(node.slice(slash + 1))
    if (entry !== undefined) open.push(...dependencies(entry.definition))
  }
  return found
}

const NO_NODES: readonly Node[] = []
/** By definition, which states share: an edit walks what it changed, not every flag again. */
const known = new WeakMap<object, readonly Node[]>()

function dependencies(definition: Json): readonly Node[] {
  if (definition === null || typeof definition !== 'object') return NO_NODES
  const walked = known.get(definition)
  if (walked !== undefined) return walked
  const nodes = new Set<Node>()
  const { prerequisites, rules, when } = definition as Readonly<Record<string, Json | undefined>>
  for (const prerequisite of listOf(prerequisites)) {
    const flag = memberOf(prerequisite, 'flag')
    if (typeof flag === 'string') nodes.add(`flag/${flag satisfies FlagKey}`)
  }
  for (const rule of listOf(rules)) addSegments(memberOf(rule, 'when'), nodes)
  addSegments(when, nodes)
  const list = nodes.size === 0 ? NO_NODES : [...nodes]
  known.set(definition, list)
  return list
}

/** The segments that a condition names, at any depth, whatever a newer version may have put around them. */
function addSegments(condition: Json | undefined, nodes: Set<Node>): void {
  const open: (Json | undefined)[] = [condition]
  while (open.length > 0) {
    const part = open.pop()
    if (part === null || typeof part !== 'object') continue
    const segment = memberOf(part, 'segment')
    if (typeof segment === 'string') nodes.add(`segment/${segment}`)
    for (const member of Object.values(part)) if (typeof member === 'object') open.push(member)
  }
}

function listOf(json: Json | undefined): readonly Json[] {
  return Array.isArray(json) ? json : []
}

function memberOf(json: Json | undefined, name: string): Json | undefined {
  return json !== null && typeof json === 'object' && Object.hasOwn(json, name)
    ? (json as Readonly<Record<string, Json>>)[name]
    : undefined
}
