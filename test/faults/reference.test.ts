/** The oracle is held to the model before it holds anything else: by the portable cases, and the pinned buckets. */
import { readdirSync, readFileSync } from 'node:fs'
import type { Context, Json, Ruleset } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { type Answer, bucketOf, type Find, reference, Unsupported } from './rig/reference.ts'

type Case = {
  readonly name: string
  readonly key: string
  readonly context: Context
  readonly decision: Answer
}
type Cases = { readonly ruleset: Ruleset; readonly cases: readonly Case[] }

const folder = new URL('../conformance/cases/', import.meta.url)
const files = readdirSync(folder).map((name) => ({
  name,
  ...(JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Cases),
}))
const finding =
  ({ entries, pending, endedKills }: Ruleset): Find =>
  (kind, key) => {
    const waiting = kind === 'kill' ? pending[key]?.find(({ id }) => !endedKills.includes(id)) : undefined
    return (entries[kind]?.[key]?.definition ?? waiting) as Json | undefined
  }

/** Answers of the reference; undefined where it has no opinion. */
function answered({ ruleset }: Cases, { key, context }: Case): Answer | undefined {
  try {
    return reference(finding(ruleset), key, context)
  } catch (error) {
    if (error instanceof Unsupported) return undefined
    throw error
  }
}

// Rulesets that only a newer server sends are not the base load's.
const known = files.filter(({ name }) => name !== 'not-understood.json')

describe('the reference', () => {
  it.each(known)('agrees with $name wherever it has an opinion', (file) => {
    for (const one of file.cases) {
      const answer = answered(file, one)
      if (answer === undefined) continue
      const { value, variant, reason, errorCode } = one.decision
      expect([one.name, answer]).toEqual([
        one.name,
        {
          ...(value !== undefined && { value }),
          ...(variant !== undefined && { variant }),
          reason,
          ...(errorCode !== undefined && { errorCode }),
        },
      ])
    }
  })

  it('has an opinion on most of them', () => {
    const all = known.flatMap((file) => file.cases.map((one) => answered(file, one)))
    expect(all.filter((answer) => answer !== undefined).length / all.length).toBeGreaterThan(0.5)
  })

  it('puts every pinned unit into its bucket', () => {
    const { vectors } = JSON.parse(
      readFileSync(new URL('../golden/bucketing.json', import.meta.url), 'utf8'),
    ) as { vectors: readonly { salt: string; unit: string; bucket: number }[] }
    expect(vectors.length).toBeGreaterThan(20)
    for (const { salt, unit, bucket } of vectors) expect(bucketOf(salt, unit)).toBe(bucket)
  })
})
