import { bucketOf, evaluate, explain } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { compiledWith, type Documents, flag, flagWhen, membersOf } from './rulesets.ts'

const pro = { attribute: 'plan', op: 'in', values: ['pro'] }

function stepsOf(
  definition: unknown,
  context: unknown,
  documents: Documents = {},
  now = 0,
): readonly unknown[] {
  const compiled = compiledWith({ ...documents, flag: { ...documents.flag, f: definition } })
  const { decision, steps } = explain(compiled, 'f', context as never, now)
  expect(decision).toEqual(evaluate(compiled, 'f', context as never, now))
  return steps
}

const START = [
  { step: 'kill', killed: false },
  { step: 'enabled', enabled: true },
]

describe('an explanation', () => {
  it('of an unknown flag has no steps', () => {
    expect(explain(compiledWith({ flag: {} }), 'f', {}, 0)).toMatchObject({
      decision: { errorCode: 'FLAG_NOT_FOUND' },
      steps: [],
    })
  })

  it('ends where the decision was made', () => {
    expect(stepsOf(flag(), {}, { kill: { f: { id: 'k1' } } })).toEqual([{ step: 'kill', killed: true }])
    expect(stepsOf('broken', {})).toEqual([
      { step: 'kill', killed: false },
      { step: 'compile', error: 'a flag is an object' },
    ])
    expect(stepsOf(flag({ enabled: false }), {})).toEqual([
      { step: 'kill', killed: false },
      { step: 'enabled', enabled: false },
    ])
    expect(stepsOf(flag(), {})).toEqual([...START, { step: 'fallthrough', variant: 'off' }])
    expect(stepsOf(flag({ fallthrough: null }), {})).toEqual([...START, { step: 'fallthrough' }])
  })

  it('tells of prerequisites with their own steps', () => {
    const required = { flag: 'g', variants: ['on'] }
    const g = flagWhen(pro)
    expect(stepsOf(flag({ prerequisites: [required] }), { plan: 'free' }, { flag: { g } })).toEqual([
      ...START,
      {
        step: 'prerequisite',
        ...required,
        satisfied: false,
        decision: { value: false, variant: 'off', reason: 'DEFAULT', metadata: { version: 1 } },
        steps: [
          ...START,
          {
            step: 'rule',
            rule: 'r',
            when: {
              condition: 'attribute',
              attribute: 'plan',
              op: 'in',
              values: ['pro'],
              found: 'free',
              result: false,
            },
            matched: false,
          },
          { step: 'fallthrough', variant: 'off' },
        ],
      },
    ])
    expect(stepsOf(flag({ prerequisites: [required] }), {})).toMatchObject([
      {},
      {},
      { step: 'prerequisite', satisfied: false, decision: { errorCode: 'FLAG_NOT_FOUND' }, steps: [] },
    ])
  })

  it('tells of targets, listed or not', () => {
    const config = flag({
      targets: [
        { variant: 'on', by: 'company', units: ['acme'] },
        { variant: 'on', by: 'targetingKey', units: ['ann'] },
      ],
    })
    expect(stepsOf(config, { targetingKey: 'ann' }).slice(2)).toEqual([
      { step: 'targets', by: 'company' },
      { step: 'targets', by: 'targetingKey', unit: 'ann', variant: 'on' },
    ])
  })

  it('tells of each condition that was looked at, what was found and what came of it', () => {
    const when = {
      all: [
        { any: [pro, { attribute: 'age', op: 'gte', values: [18] }] },
        { not: { attribute: 'country', op: 'in', values: ['de'], ignoreCase: true } },
        { attribute: '$now', op: 'after', values: [5] },
        { attribute: 'company.size', op: 'lt', values: [10] },
        { attribute: 'never', op: 'exists' },
      ],
    }
    expect(stepsOf(flagWhen(when), { age: 20, country: null, company: { size: 50 } }, {}, 7)[2]).toEqual({
      step: 'rule',
      rule: 'r',
      when: {
        condition: 'all',
        of: [
          {
            condition: 'any',
            of: [
              { condition: 'attribute', attribute: 'plan', op: 'in', values: ['pro'], result: false },
              { condition: 'attribute', attribute: 'age', op: 'gte', values: [18], found: 20, result: true },
            ],
            result: true,
          },
          {
            condition: 'not',
            of: [
              {
                condition: 'attribute',
                attribute: 'country',
                op: 'in',
                values: ['de'],
                ignoreCase: true,
                result: false,
              },
            ],
            result: true,
          },
          { condition: 'attribute', attribute: '$now', op: 'after', values: [5], found: 7, result: true },
          {
            condition: 'attribute',
            attribute: 'company.size',
            op: 'lt',
            values: [10],
            found: 50,
            result: false,
          },
        ],
        result: false,
      },
      matched: false,
    })
  })

  it('tells of segments: the unit, the list that it is in, or the segment’s condition', () => {
    const documents = {
      segment: { beta: { by: 'targetingKey', ignoreCase: true, when: pro } },
      members: membersOf('beta', ['ann'], ['eve']),
    }
    const step = (context: object): unknown =>
      (stepsOf(flagWhen({ segment: 'beta' }), context, documents)[2] as { when: unknown }).when
    const common = { condition: 'segment', segment: 'beta', by: 'targetingKey' }
    expect(step({ targetingKey: 'ANN' })).toEqual({
      ...common,
      unit: 'ann',
      member: 'included',
      of: [],
      result: true,
    })
    expect(step({ targetingKey: 'eve' })).toEqual({
      ...common,
      unit: 'eve',
      member: 'excluded',
      of: [],
      result: false,
    })
    expect(step({ plan: 'pro' })).toEqual({
      ...common,
      of: [
        { condition: 'attribute', attribute: 'plan', op: 'in', values: ['pro'], found: 'pro', result: true },
      ],
      result: true,
    })
  })

  it('tells of splits: unit, bucket and range', () => {
    const bucket = bucketOf('s', 'ann')
    const split = (from: number, to: number): object => ({
      split: { by: 'targetingKey', salt: 's', shares: [], ranges: [{ variant: 'on', from, to }] },
    })
    const rule = { id: 'r', serve: split(0, bucket) }
    const config = flag({ rules: [rule], fallthrough: split(bucket, 100_000) })
    const common = { by: 'targetingKey', salt: 's' }
    expect(stepsOf(config, { targetingKey: 'ann' }).slice(2)).toEqual([
      { step: 'rule', rule: 'r', matched: true, split: { ...common, unit: 'ann', bucket } },
      {
        step: 'fallthrough',
        split: { ...common, unit: 'ann', bucket, range: { variant: 'on', from: bucket, to: 100_000 } },
        variant: 'on',
      },
    ])
    expect(stepsOf(config, {}).slice(2)).toEqual([
      { step: 'rule', rule: 'r', matched: true, split: common },
      { step: 'fallthrough', split: common },
    ])
  })

  it('tells of what was skipped, and why', () => {
    const config = flag({
      rules: [{ id: 'r', when: { attribute: 'a', op: 'newer' }, serve: { variant: 'on' } }],
      fallthrough: { newer: 1 },
    })
    const { decision, steps } = explain(compiledWith({ flag: { f: config } }), 'f', {}, 0)
    expect(decision.errorCode).toBe('PARSE_ERROR')
    expect(steps.slice(2)).toEqual([
      { step: 'rule', rule: 'r', skipped: 'the operator "newer" is unknown', matched: false },
      { step: 'fallthrough', skipped: 'the field "newer" of what is served is unknown' },
    ])
  })

  it('tells what it got to before the context could not be read', () => {
    const context = {
      get plan() {
        throw new Error('boom')
      },
    }
    expect(stepsOf(flagWhen(pro), context)).toEqual(START)
  })
})
