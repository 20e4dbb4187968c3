import { type Context, compile, explain, type Json } from '@halyard/sdk/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  canonical,
  conditionInWords,
  type DocumentChange,
  decisionInWords,
  summaryOf,
  wordsOf,
} from '../../../server/domain/index.ts'
import { almostDefinition, context, flagDefinition, now, state } from '../core/arbitraries.ts'
import { anything, condition, configuration, damaged, stored } from './documents.ts'

const DIGEST = 'd1635'.repeat(12)

const units = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 3 }), { maxLength: 5 })
const text = fc.string({ unit: 'binary', maxLength: 400 })
/** Documents of every kind, with parts of them that are anything. */
const some = (documents: { readonly [field: string]: fc.Arbitrary<unknown> }): fc.Arbitrary<Json> =>
  fc.record(documents, { requiredKeys: [] }) as fc.Arbitrary<Json>
const or = <T>(part: fc.Arbitrary<T>): fc.Arbitrary<T | Json> =>
  fc.oneof({ weight: 5, arbitrary: part }, { weight: 1, arbitrary: anything })
const key = {
  name: or(text),
  kind: or(fc.constantFrom('server', 'client')),
  digest: or(fc.constantFrom(DIGEST, `${DIGEST}e`)),
  replacedBy: or(text),
  expiresAt: or(fc.constant('2027-01-01T00:00:00.000Z')),
  grants: or(
    fc.array(some({ role: or(fc.constant('editor')), projects: or(units), environments: or(units) }), {
      maxLength: 3,
    }),
  ),
}
const DOCUMENTS: { readonly [kind: string]: fc.Arbitrary<Json> } = {
  flag: fc.oneof(configuration as fc.Arbitrary<Json>, damaged, flagDefinition),
  segment: some({
    by: or(fc.constantFrom('targetingKey', 'account')),
    when: or(condition),
    ignoreCase: or(fc.boolean()),
  }),
  members: some({ included: or(units), excluded: or(units) }),
  kill: some({ id: or(text), by: or(text), comment: or(text) }),
  identity: some({
    description: or(text),
    tags: or(units),
    owner: or(text),
    temporary: or(fc.boolean()),
    expiresAt: or(text),
    deleted: or(fc.boolean()),
    initial: or(configuration),
    archived: or(some({ by: or(text) })),
  }),
  environment: some({
    name: or(text),
    settings: or(some({ corsOrigins: or(units), requireComment: or(fc.boolean()), confirmBulk: anything })),
  }),
  project: some({ name: or(text) }),
  'sdk-key': some(key),
  'api-key': some(key),
  later: some({ a: anything, b: anything }),
}
const documentOf = (kind: string): fc.Arbitrary<Json> =>
  stored(
    fc.oneof(
      { weight: 8, arbitrary: DOCUMENTS[kind]! },
      { weight: 1, arbitrary: almostDefinition },
      { weight: 1, arbitrary: anything },
    ),
  )
const change: fc.Arbitrary<DocumentChange> = fc.constantFrom(...Object.keys(DOCUMENTS)).chain((kind) =>
  fc.record({
    kind: fc.constant(kind),
    key: fc.oneof(fc.constantFrom('a', 's/00', 's/7f'), fc.string()),
    before: fc.option(documentOf(kind)),
    after: fc.option(documentOf(kind)),
  }),
)

const expectSentence = (sentence: string): void => {
  expect(sentence).not.toBe('')
  expect(sentence.length).toBeLessThanOrEqual(1_500)
  expect(sentence).not.toMatch(/[\p{Cc}\p{Cs}\u202e]/u)
}

describe('the words of any change', () => {
  it('are there exactly where something changed, each a line of bounded length', () => {
    fc.assert(
      fc.property(change, ({ kind, before, after }) => {
        const words = wordsOf(kind, before, after)
        expect(words.length === 0).toBe(canonical(before) === canonical(after))
        expect(words.length).toBeLessThanOrEqual(30)
        words.forEach(expectSentence)
      }),
      { numRuns: 3_000 },
    )
  })

  it('never tell what is kept of a key’s secret', () => {
    const digests = fc.constantFrom(DIGEST, `${DIGEST}e`)
    const document = fc.record(
      { ...key, digest: digests },
      { requiredKeys: ['digest'] },
    ) as fc.Arbitrary<Json>
    fc.assert(
      fc.property(
        fc.constantFrom('sdk-key', 'api-key'),
        fc.option(document),
        fc.option(document),
        (kind, before, after) => {
          expect(summaryOf([{ kind, key: 'k1', before, after }]).join('\n')).not.toContain(DIGEST)
        },
      ),
    )
  })

  it('are summed up in as many lines as are asked for', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 8 }), fc.integer({ min: 1, max: 12 }), (changes, most) => {
        const lines = summaryOf(changes, most)
        expect(lines.length).toBeLessThanOrEqual(most)
        expect(lines.length === 0).toBe(
          changes.every(({ before, after }) => canonical(before) === canonical(after)),
        )
        lines.forEach(expectSentence)
      }),
    )
  })
})

describe('a condition in words', () => {
  it('is a line of bounded length, of any JSON', () => {
    fc.assert(
      fc.property(fc.oneof(anything, almostDefinition, condition), (json) => {
        const words = conditionInWords(json)
        expectSentence(words)
        expect(words.length).toBeLessThanOrEqual(300)
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('why a flag gave what it gave', () => {
  it('is a line of bounded length that begins with what it gave, for any ruleset and context', () => {
    const contexts = stored(context) as fc.Arbitrary<Context>
    fc.assert(
      fc.property(state, fc.array(contexts, { minLength: 1, maxLength: 3 }), now, (rulesets, each, at) => {
        const compiled = compile(rulesets)
        for (const key of [...compiled.flags.keys(), 'gone']) {
          for (const context of each) {
            const explanation = explain(compiled, key, context, at)
            const { variant, errorCode } = explanation.decision
            const told = decisionInWords(explanation, () => 'a description')
            expectSentence(told)
            const given = errorCode === undefined ? 'code default' : `error ${errorCode}`
            expect(told.startsWith(`${variant ?? given}: `), told).toBe(true)
          }
        }
      }),
      { numRuns: 500 },
    )
  })
})
