/**
 * Runs the portable cases over the evaluator. `cases/` knows nothing of this language: README.md says what an SDK
 * in any other has to do with it.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { compile, type Decision, evaluate, type Ruleset } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'

type Case = {
  readonly name: string
  readonly key: string
  readonly context: never
  readonly now: number
  readonly decision: Omit<Decision, 'errorDetails'>
}
type Cases = { readonly about: string; readonly ruleset: Ruleset; readonly cases: readonly Case[] }

const folder = new URL('./cases/', import.meta.url)

for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
  const { about, ruleset, cases } = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Cases
  const compiled = compile(ruleset)
  describe(`${file}: ${about}`, () => {
    it.each(cases)('$name: $key for $context', ({ key, context, now, decision }) => {
      const { errorDetails: _, ...decided } = evaluate(compiled, key, context, now)
      expect(decided).toEqual(decision)
    })
  })
}
