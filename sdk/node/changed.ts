/**
 * Which flags may answer otherwise after a step from one state to another: those that changed, and those that lean on
 * what changed through prerequisites and segments, at any remove. Hides the graph of who leans on whom.
 */
import type { Compiled, Entry, FlagKey, Json } from '../core/index.ts'

/** `flag/<key>` or `segment/<key>`. */
type Node = string

/**
 * @param before undefined: every flag is new
 * @returns keys, sorted by code unit
 */
export function changedFlags(before: Compiled | undefined, after: Compiled): readonly FlagKey[] {
  if (before === undefined) return [...after.flags.keys()].sort()
  const reached = new Set<Node>()
  const open = [...flagsThatDiffer(before, after), ...segmentsThatDiffer(before, after)]
  const dependants = open.length === 0 ? undefined : dependantsIn(after)
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (reached.has(node)) continue
    reached.add(node)
    open.push(...(dependants?.get(node) ?? []))
  }
  return [...reached]
    .filter((node) => node.startsWith(FLAG))
    .map((node) => node.slice(FLAG.length))
    .sort()
}

const FLAG = 'flag/'
const SEGMENT = 'segment/'

/** Advancing keeps the compiled form of what a change does not touch, so identity tells. */
function flagsThatDiffer({ flags: before }: Compiled, { flags: after }: Compiled): Node[] {
  const nodes: Node[] = []
  for (const [key, flag] of after) if (before.get(key) !== flag) nodes.push(FLAG + key)
  for (const key of before.keys()) if (!after.has(key)) nodes.push(FLAG + key)
  return nodes
}

function segmentsThatDiffer(before: Compiled, after: Compiled): Node[] {
  const nodes = keysThatDiffer('segment', before, after).map((key) => SEGMENT + key)
  for (const key of keysThatDiffer('members', before, after)) {
    nodes.push(SEGMENT + key.slice(0, key.lastIndexOf('/')))
  }
  return nodes
}

function keysThatDiffer(kind: string, { state: before }: Compiled, { state: after }: Compiled): string[] {
  const old = before.entries.get(kind)
  const now = after.entries.get(kind)
  if (old === now) return []
  const keys: string[] = []
  for (const [key, entry] of now ?? []) if (old?.get(key) !== entry) keys.push(key)
  for (const key of old?.keys() ?? []) if (!now?.has(key)) keys.push(key)
  return keys
}

function dependantsIn({ state }: Compiled): ReadonlyMap<Node, readonly Node[]> {
  const dependants = new Map<Node, Node[]>()
  for (const kind of [FLAG, SEGMENT]) {
    for (const [key, entry] of state.entries.get(kind.slice(0, -1)) ?? []) {
      for (const node of leanedOn(entry)) {
        const others = dependants.get(node)
        if (others === undefined) dependants.set(node, [kind + key])
        else others.push(kind + key)
      }
    }
  }
  return dependants
}

/** By entry, which states share: a step walks the definitions that it brings, not every one again. */
const known = new WeakMap<Entry, readonly Node[]>()
const NOTHING: readonly Node[] = []

function leanedOn(entry: Entry): readonly Node[] {
  const walked = known.get(entry)
  if (walked !== undefined) return walked
  const nodes = new Set<Node>()
  const definition = isObject(entry.definition) ? entry.definition : {}
  const { prerequisites, rules, when } = definition
  for (const prerequisite of Array.isArray(prerequisites) ? prerequisites : []) {
    if (isObject(prerequisite) && typeof prerequisite.flag === 'string') nodes.add(FLAG + prerequisite.flag)
  }
  addSegments(rules, nodes)
  addSegments(when, nodes)
  const found = nodes.size === 0 ? NOTHING : [...nodes]
  known.set(entry, found)
  return found
}

/** The segments named at any depth, whatever a newer version may have put around them; iterative, as depth is foreign. */
function addSegments(condition: Json | undefined, nodes: Set<Node>): void {
  const open: (Json | undefined)[] = [condition]
  while (open.length > 0) {
    const part = open.pop()
    if (typeof part !== 'object' || part === null) continue
    if (isObject(part) && typeof part.segment === 'string') nodes.add(SEGMENT + part.segment)
    for (const member of Object.values(part)) if (typeof member === 'object') open.push(member)
  }
}

function isObject(value: Json | undefined): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
