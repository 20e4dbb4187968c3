/** Small states to evaluate, made the way a server makes them: every entry counted in the digest. */
import {
  BUCKETING,
  type Compiled,
  compile,
  type Decision,
  digestOf,
  type Entry,
  evaluate,
  type Json,
  type Kill,
  memberChunk,
  type Ruleset,
  SCHEMA,
  type State,
  stateOf,
} from '@halyard/sdk/core'
import { plainFlag } from '../../support/plain-flag.ts'

export type Documents = { readonly [kind: string]: { readonly [key: string]: unknown } }

/** A wire ruleset of these documents, all written at revision 1. */
export function rulesetWith(
  documents: Documents,
  pending: { [flag: string]: readonly Kill[] } = {},
): Ruleset {
  const entries: { [kind: string]: { [key: string]: Entry } } = {}
  for (const [kind, ofKind] of Object.entries(documents)) {
    entries[kind] = Object.fromEntries(
      Object.entries(ofKind).map(([key, definition]) => [
        key,
        { revision: 1, definition: definition as Json },
      ]),
    )
  }
  const maps = new Map(
    Object.entries(entries).map(([kind, ofKind]) => [kind, new Map(Object.entries(ofKind))]),
  )
  return {
    schema: SCHEMA,
    bucketing: BUCKETING,
    project: 'shop',
    environment: 'production',
    epoch: 1_700_000_000,
    revision: 1,
    digest: digestOf(maps),
    entries,
    pending,
    endedKills: [],
  }
}

export function stateWith(documents: Documents, pending?: { [flag: string]: readonly Kill[] }): State {
  return stateOf(rulesetWith(documents, pending))
}

export function compiledWith(documents: Documents, pending?: { [flag: string]: readonly Kill[] }): Compiled {
  return compile(stateWith(documents, pending))
}

/** A boolean flag that is on, serves `off` where nothing else is said, with these fields on top. */
export function flag(fields: object = {}): Json {
  return plainFlag(fields) as unknown as Json
}

/** A flag that serves `on` to the contexts of a condition, by its rule `r`. */
export function flagWhen(when: unknown, fields: object = {}): Json {
  return flag({ rules: [{ id: 'r', when, serve: { variant: 'on' } }], ...fields })
}

/** Whether a context meets a condition. Fails where the condition is not understood. */
export function meets(when: unknown, context: unknown, now = 0, documents: Documents = {}): boolean {
  const compiled = compiledWith({ flag: { f: flagWhen(when) }, ...documents })
  const skipped = compiled.flags.get('f')?.skipped ?? []
  if (skipped.length > 0) throw new Error(`not understood: ${skipped[0]?.why}`)
  return evaluate(compiled, 'f', context as never, now).variant === 'on'
}

/** Why a rule with this condition is skipped. */
export function skippedFor(when: unknown, documents: Documents = {}): string | undefined {
  return compiledWith({ flag: { f: flagWhen(when) }, ...documents }).flags.get('f')?.skipped[0]?.why
}

/** What a flag of this definition, whatever it is, decides. */
export function decisionOf(definition: unknown, context: unknown = {}, documents: Documents = {}): Decision {
  return evaluate(
    compiledWith({ flag: { f: definition, ...documents.flag }, ...without(documents) }),
    'f',
    context as never,
    0,
  )
}

function without({ flag: _, ...others }: Documents): Documents {
  return others
}

/** The entries of kind `members` of a segment, each unit in its chunk. */
export function membersOf(
  segment: string,
  included: readonly string[],
  excluded: readonly string[] = [],
): { [key: string]: { included: string[]; excluded: string[] } } {
  const chunks: { [key: string]: { included: string[]; excluded: string[] } } = {}
  const chunk = (unit: string): { included: string[]; excluded: string[] } => {
    const key = `${segment}/${memberChunk(unit)}`
    chunks[key] ??= { included: [], excluded: [] }
    return chunks[key]
  }
  for (const unit of included) chunk(unit).included.push(unit)
  for (const unit of excluded) chunk(unit).excluded.push(unit)
  return chunks
}
