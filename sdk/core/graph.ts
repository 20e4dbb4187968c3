/**
 * Ordering what depends on each other: one pass finds the order and the cycles, without recursion, so that no
 * length of a chain matters.
 */

type Frame<K> = { readonly node: K; readonly edges: Iterator<K> }

/**
 * Strongly connected components after R. Tarjan, "Depth-first search and linear graph algorithms" (1972), which
 * come out dependencies first.
 *
 * @param nodes every node; `edges` may name only these
 * @returns `order`: every node after those that it depends on; `cyclic`: the nodes on a cycle, each with its company, sorted
 */
export function dependencyOrder<K>(
  nodes: Iterable<K>,
  edges: (node: K) => Iterable<K>,
): { readonly order: readonly K[]; readonly cyclic: ReadonlyMap<K, readonly K[]> } {
  const order: K[] = []
  const cyclic = new Map<K, readonly K[]>()
  const index = new Map<K, number>()
  const low = new Map<K, number>()
  const loops = new Set<K>()
  const stack: K[] = []
  const onStack = new Set<K>()
  const frames: Frame<K>[] = []

  const lowOf = (node: K): number => low.get(node) as number
  const enter = (node: K): void => {
    index.set(node, index.size)
    low.set(node, index.size - 1)
    stack.push(node)
    onStack.add(node)
    frames.push({ node, edges: edges(node)[Symbol.iterator]() })
  }
  const leave = (node: K): void => {
    frames.pop()
    const parent = frames.at(-1)
    if (parent !== undefined) low.set(parent.node, Math.min(lowOf(parent.node), lowOf(node)))
    if (lowOf(node) !== index.get(node)) return
    const component = stack.splice(stack.lastIndexOf(node))
    for (const member of component) {
      onStack.delete(member)
      order.push(member)
    }
    if (component.length === 1 && !loops.has(node)) return
    const company = component.sort()
    for (const member of company) cyclic.set(member, company)
  }

  for (const root of nodes) {
    if (index.has(root)) continue
    enter(root)
    for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
      const edge = frame.edges.next()
      if (edge.done) {
        leave(frame.node)
        continue
      }
      const target = edge.value
      if (target === frame.node) loops.add(target)
      if (!index.has(target)) enter(target)
      else if (onStack.has(target))
        low.set(frame.node, Math.min(lowOf(frame.node), index.get(target) as number))
    }
  }
  return { order, cyclic }
}
