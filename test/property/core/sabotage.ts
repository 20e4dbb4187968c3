/** An evaluator with a fault, for laws that hold though whatever runs of a flag's rules throws. */
import type { Compiled, CompiledFlag } from '@halyard/sdk/core'

/** The same compiled state in a process whose evaluator has a fault: whatever runs of a flag's rules throws. */
export function sabotaged(compiled: Compiled): Compiled {
  const broken = (): never => {
    throw new Error('a fault of the evaluator')
  }
  const trap = { get: broken, has: broken, ownKeys: broken, getOwnPropertyDescriptor: broken }
  const flags = [...compiled.flags].map(([key, flag]): [string, CompiledFlag] => {
    if (flag.killed) return [key, flag]
    const about = { id: 'r', skipped: undefined }
    const rules = { test: broken, split: null, decision: null, next: null, about }
    return [
      key,
      {
        ...flag,
        settled: null,
        prerequisites: [],
        targets: [],
        rules,
        fallthrough: new Proxy(flag.fallthrough, trap),
      },
    ]
  })
  return { ...compiled, flags: new Map(flags) }
}
