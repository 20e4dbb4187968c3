/**
 * A definition from a file, made ready to be sent: rules that people wrote without an id take that of the rule that
 * they are in the environment, or every apply would make new rules and move their users.
 */
import type { Configuration, Json } from '../shapes.ts'
import { alike, compactConfiguration, rangesAreStale } from './compact.ts'
import type { Fields } from './file.ts'

export type Ready = {
  readonly definition: Fields
  /** Where ranges were left out because the shares were edited. */
  readonly reweighted: boolean
}

export function readyToSend(flag: string, definition: Fields, now: Configuration | undefined): Ready {
  let reweighted = false
  const serveOf = (serve: Json | undefined): Json | undefined => {
    const split = (serve as { split?: Fields } | null | undefined)?.split
    if (split === null || typeof split !== 'object' || !rangesAreStale(split)) return serve
    reweighted = true
    const { ranges: _stale, ...rest } = split
    return { ...(serve as Fields), split: rest }
  }
  const { rules, fallthrough } = definition
  const known = Array.isArray(rules) ? adopted(flag, rules as readonly Fields[], now) : rules
  return {
    definition: {
      ...definition,
      ...(Array.isArray(known) && {
        rules: known.map((rule) =>
          typeof rule === 'object' && rule !== null && 'serve' in rule
            ? { ...rule, serve: serveOf((rule as Fields).serve) ?? null }
            : rule,
        ),
      }),
      ...(fallthrough !== undefined && { fallthrough: serveOf(fallthrough) ?? null }),
    },
    reweighted,
  }
}

/** The same rule first; then one of the same condition; each of the environment's once. */
function adopted(flag: string, rules: readonly Fields[], now: Configuration | undefined): readonly Fields[] {
  const theirs = (compactConfiguration(flag, { rules: now?.rules ?? [] }).rules ?? []) as readonly Fields[]
  const ours = (compactConfiguration(flag, { rules }).rules ?? []) as readonly Fields[]
  const free = new Map(theirs.map((rule) => [rule.id, rule]))
  for (const rule of ours) if (rule.id !== undefined) free.delete(rule.id)
  const ids = new Map<number, Json>()
  const sameRule = (one: Fields, other: Fields) => alike({ ...one, id: '' }, { ...other, id: '' })
  const sameWhen = (one: Fields, other: Fields) => alike(one.when, other.when)
  for (const same of [sameRule, sameWhen]) {
    ours.forEach((rule, at) => {
      if (rule.id !== undefined || ids.has(at)) return
      for (const [id, other] of free) {
        if (id === undefined || !same(rule, other)) continue
        ids.set(at, id)
        free.delete(id)
        return
      }
    })
  }
  return rules.map((rule, at) => {
    const id = ids.get(at)
    return id === undefined ? rule : { ...rule, id }
  })
}
