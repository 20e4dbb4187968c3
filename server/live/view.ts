/**
 * What is derived from a compiled environment for answering: which flags each scope sees, in what order, and the
 * parts of answers that all of them share. Made once per compiled state.
 */
import { type Compiled, type CompiledFlag, type FlagKey, tagOf } from '@halyard/sdk/core'
import { countLeading } from '../domain/sorted.ts'

export type Scope = 'server' | 'client'

export type View = {
  readonly tag: string
  /** `project/environment`. */
  readonly flagSetId: string
  /** Sorted by code unit, so that every instance writes the same bytes. */
  readonly keys: Readonly<Record<Scope, readonly FlagKey[]>>
  /** Whether the passing of time alone can change what the scope sees. */
  readonly dated: Readonly<Record<Scope, boolean>>
  readonly flagsInError: readonly FlagKey[]
}

const views = new WeakMap<Compiled, View>()

export function viewOf(compiled: Compiled): View {
  const known = views.get(compiled)
  if (known !== undefined) return known
  const view = make(compiled)
  views.set(compiled, view)
  return view
}

/** Whether the scope may know of the flag at all. */
export function sees(scope: Scope, flag: CompiledFlag | undefined): boolean {
  return flag !== undefined && (scope === 'server' || flag.visibility === 'client')
}

/** How many of the sorted instants have come: answers are the same between two of them. */
export function intervalAt(instants: readonly number[], now: number): number {
  return countLeading(instants, (instant) => instant <= now)
}

function make(compiled: Compiled): View {
  const server: FlagKey[] = []
  const client: FlagKey[] = []
  const flagsInError: FlagKey[] = []
  const dated = { server: false, client: false }
  for (const [key, flag] of compiled.flags) {
    server.push(key)
    dated.server ||= flag.dated
    if (flag.error !== undefined) flagsInError.push(key)
    if (!sees('client', flag)) continue
    client.push(key)
    dated.client ||= flag.dated
  }
  const { project, environment } = compiled.state
  return {
    tag: tagOf(compiled.state),
    flagSetId: `${project}/${environment}`,
    keys: { server: server.sort(), client: client.sort() },
    dated,
    flagsInError: flagsInError.sort(),
  }
}
