import type { FlagConfig, Split } from '@halyard/sdk/core'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  archiveFlag,
  type Change,
  canonical,
  commitAll,
  createFlag,
  deleteSegment,
  editMembers,
  type FlagConfigInput,
  flagOf,
  kill,
  type Part,
  type Promoted,
  type PromotionInput,
  patchConfiguration,
  patchRule,
  promote,
  putConfiguration,
  putFallthrough,
  putSegment,
  segmentOf,
  setEnabled,
} from '../../../server/domain/index.ts'
import { ANY, faultsOf, pointersOf, problemOf, World } from './world.ts'

let world: World
let staging: string
let production: string
const base = { variants: { on: true, off: false }, offVariant: 'off' } as const

beforeEach(() => {
  world = World.started()
  staging = world.environment('staging')
  production = world.environment('production')
  for (const key of ['a', 'b']) world.commit(createFlag(world.project, { key, type: 'boolean' }))
})

const put = (environment: string, input: Partial<FlagConfigInput>, key = 'a') =>
  world.commit(putConfiguration(environment, key, { ...base, ...input }, ANY))
const bring = (input: Partial<PromotionInput> = {}): Change<Promoted> =>
  world.commit(promote(staging, production, { flags: ['a'], ...input }))
const refusal = (input: Partial<PromotionInput> = {}) =>
  faultsOf(() => world.run(promote(staging, production, { flags: ['a'], ...input })))
const here = (key = 'a'): FlagConfig => world.flag(key, 'production')
const there = (key = 'a'): FlagConfig => world.flag(key, 'staging')

const split = (on: number, more = {}) => ({
  split: {
    shares: [
      { variant: 'on', percent: on },
      { variant: 'off', percent: 100 - on },
    ],
    ...more,
  },
})
const ramp = (on: number, more = {}) => ({ split: { shares: [{ variant: 'on', percent: on }], ...more } })
const splitOf = (serve: unknown): Split => (serve as { split: Split }).split
const codes = (change: { warnings: readonly { code: string; pointer?: string }[] }) =>
  change.warnings.map(({ code, pointer }) => [code, pointer])

describe('promoting a flag', () => {
  const whole: Partial<FlagConfigInput> = {
    enabled: true,
    visibility: 'client',
    variants: { on: true, off: false, extra: true },
    offVariant: 'extra',
    prerequisites: [{ flag: 'b', variants: ['on'] }],
    targets: [{ variant: 'on', units: ['anna'] }],
    rules: [{ id: 'r', description: 'Why', when: { attribute: 'x', op: 'exists' }, serve: ramp(10) }],
    fallthrough: split(30),
  }

  it('brings variants, prerequisites, rules and the fallthrough; the rest stays the target’s', () => {
    put(staging, whole)
    put(production, {
      enabled: false,
      targets: [{ variant: 'off', units: ['ben'] }],
      rules: [{ serve: { variant: 'on' } }],
    })
    const before = here()
    const change = bring()
    expect(change.action).toBe('environment.promote')
    expect(here()).toEqual({ ...there(), enabled: false, targets: before.targets })
    expect(change.result.documents).toEqual([{ kind: 'flag', key: 'a', before, after: here() }])
  })

  const all: readonly Part[] = ['variants', 'prerequisites', 'rules', 'targets', 'fallthrough', 'enabled']
  it.each<[Part, (keyof FlagConfig)[]]>([
    ['prerequisites', ['prerequisites']],
    ['rules', ['rules']],
    ['targets', ['targets']],
    ['fallthrough', ['fallthrough']],
    ['enabled', ['enabled']],
  ])('brings %s alone where that alone is asked for', (part, fields) => {
    put(staging, whole)
    const before = here()
    bring({ parts: [part] })
    const expected: Record<string, unknown> = { ...before }
    for (const field of fields) expected[field] = there()[field]
    expect(here()).toEqual(expected)
  })

  it('brings with the variants the off variant, the visibility and the schema of values', () => {
    world.commit(
      createFlag(world.project, { key: 'o', type: 'object', variants: { x: {} }, offVariant: 'x' }),
    )
    const input = {
      visibility: 'client',
      variants: { x: {}, y: { z: 1 } },
      offVariant: 'y',
      valueSchema: { type: 'object' },
    } as const
    world.commit(putConfiguration(staging, 'o', { ...input, enabled: true }, ANY))
    bring({ flags: ['o'], parts: ['variants'] })
    expect(here('o')).toEqual({ ...there('o'), enabled: false })
    world.commit(patchConfiguration(staging, 'o', { valueSchema: null }, ANY))
    bring({ flags: ['o'], parts: ['variants'] })
    expect(here('o').valueSchema).toBeUndefined()
  })

  it('brings everything where everything is asked for, and then has nothing to bring', () => {
    put(staging, whole)
    bring({ parts: all })
    expect(canonical(here())).toBe(canonical(there()))
    const again = bring({ parts: all })
    expect([again.edits.size, again.warnings]).toEqual([0, []])
    expect(again.result.documents).toEqual([{ kind: 'flag', key: 'a', before: here(), after: here() }])
  })

  it('never brings a kill, and never lifts one', () => {
    world.commit(kill(staging, 'a'))
    world.commit(kill(production, 'b'))
    put(staging, whole)
    bring({ parts: all, flags: ['a', 'b'] })
    expect([...world.state(production).entries.get('kill')!.keys()]).toEqual(['b'])
  })

  it('makes a configuration where there is none: disabled, without targets', () => {
    put(staging, whole)
    world.commit(commitAll(production, [{ op: 'delete', kind: 'flag', key: 'a' }]))
    expect(refusal({ parts: ['rules', 'enabled'] })).toEqual([
      '/flags/0: The flag "a" has no configuration in "production" yet: promote its variants too.',
    ])
    bring()
    expect(here()).toEqual({ ...there(), enabled: false, targets: [] })
    world.commit(commitAll(production, [{ op: 'delete', kind: 'flag', key: 'a' }]))
    bring({ parts: ['variants'] })
    const { variants, offVariant, visibility } = there()
    const bare = { prerequisites: [], targets: [], rules: [], fallthrough: null }
    expect(here()).toEqual({ type: 'boolean', enabled: false, visibility, variants, offVariant, ...bare })
  })

  it('brings many flags as one change, that require each other too', () => {
    put(staging, { variants: { on: true, off: false, extra: true } }, 'b')
    put(staging, { prerequisites: [{ flag: 'b', variants: ['extra'] }] })
    expect(refusal()).toEqual([
      '/flags/0: The flag "a" at /prerequisites/0/variants/0: The flag "b" has no variant "extra". Promote that flag too, or first.',
    ])
    bring({ flags: ['a', 'b'] })
    expect(here().prerequisites).toEqual([{ flag: 'b', variants: ['extra'] }])
    world.commit(patchConfiguration(production, 'a', { prerequisites: [] }, ANY))
    world.commit(commitAll(production, [{ op: 'delete', kind: 'flag', key: 'b' }]))
    expect(refusal()).toEqual([
      '/flags/0: The flag "a" at /prerequisites/0/flag: There is no flag "b" in this environment. Promote that flag too, or first.',
    ])
  })

  it('says what stays in the target, where that does not go with what travels', () => {
    put(production, {
      variants: { on: true, off: false, old: true },
      targets: [{ variant: 'old', units: ['u'] }],
      rules: [{ id: 'r', serve: { split: { shares: [{ variant: 'old', percent: 5 }] } } }],
    })
    put(staging, { rules: [{ id: 'r', serve: ramp(10) }] })
    const stays = 'Parts that do not travel stay as they are in "production".'
    expect(refusal()).toEqual([
      `/flags/0: The flag "a" at /targets/0/variant: The flag has no variant "old". ${stays}`,
      `/flags/0: The flag "a" at /rules/0/serve/split/shares/0/variant: The flag has no variant "old". ${stays}`,
    ])
    world.commit(
      putConfiguration(production, 'b', { ...base, prerequisites: [{ flag: 'a', variants: ['old'] }] }, ANY),
    )
    expect(refusal({ parts: ['variants', 'rules', 'targets', 'shares'] })).toEqual([
      '/flags/0: The flag "a" at /variants: The flag "b" requires the variant "old"; keep it, or change that flag first.',
    ])
  })

  it('mends what SQL has broken in the target, and refuses what it has broken in the source', () => {
    put(staging, whole)
    world.apply(production, [
      { kind: 'flag', key: 'a', definition: { rules: [7], fallthrough: 7, targets: 7 } },
    ])
    bring({ parts: all })
    expect(here()).toEqual(there())
    world.apply(staging, [
      {
        kind: 'flag',
        key: 'a',
        definition: { ...base, type: 'boolean', rules: [7, { id: 'r' }], fallthrough: { split: 1 } },
      },
    ])
    expect(pointersOf(() => bring())).toEqual(['/flags/0', '/flags/0', '/flags/0'])
    expect(refusal()[0]).toContain('The flag "a" at /rules/0: A rule is an object.')
  })

  it('warns of what a person would want to know of what results', () => {
    put(staging, { ...whole, fallthrough: { split: { by: 'account', ...split(30).split } } })
    bring()
    put(staging, { fallthrough: { variant: 'off' } })
    const change = bring({ flags: ['b', 'a'], parts: [...all] })
    expect(codes(change)).toEqual([])
    world.commit(setEnabled(staging, 'a', true))
    expect(bring({ flags: ['b', 'a'], parts: ['enabled'] }).warnings).toEqual([
      {
        code: 'serves-only-off',
        pointer: '/flags/1',
        message:
          'The flag "a": The flag is enabled, but everybody gets the off variant "off": add a target, a rule or a fallthrough that serves another variant.',
      },
    ])
  })
})

describe('promoted rules', () => {
  it('come in the source’s order with their ids; those that only the target has go away', () => {
    put(staging, {
      rules: [
        { id: 'x', serve: { variant: 'on' } },
        { id: 'y', serve: { variant: 'off' } },
      ],
    })
    put(production, {
      rules: [
        { id: 'y', serve: { variant: 'on' } },
        { id: 'z', serve: { variant: 'on' } },
      ],
    })
    bring()
    expect(here().rules).toEqual(there().rules)
  })

  it('keep the shares of rules that the target has already, whatever else of them is new', () => {
    put(production, { rules: [{ id: 'r', serve: ramp(5) }] })
    world.commit(patchRule(production, 'a', 'r', { serve: ramp(10) } as never, ANY))
    const kept = here().rules[0]!.serve
    put(staging, {
      rules: [
        { id: 'new', serve: { variant: 'off' } },
        {
          id: 'r',
          description: 'Why',
          when: { attribute: 'x', op: 'exists' },
          serve: ramp(50, { salt: 'other' }),
        },
      ],
    })
    expect(codes(bring())).toEqual([])
    expect(here().rules).toEqual([there().rules[0], { ...there().rules[1], serve: kept }])
  })

  it('take the source’s ranges, to the byte, where the target has no split', () => {
    put(staging, {
      rules: [
        { id: 'r', serve: ramp(5) },
        { id: 'new', serve: ramp(60) },
      ],
    })
    for (const percent of [40, 80]) {
      world.commit(patchRule(staging, 'a', 'r', { serve: ramp(percent) } as never, ANY))
      world.commit(patchRule(staging, 'a', 'new', { serve: split(percent) } as never, ANY))
    }
    put(production, { rules: [{ id: 'r', serve: { variant: 'on' } }] })
    bring()
    expect(here().rules).toEqual(there().rules)
    expect(splitOf(here().rules[1]!.serve).ranges.length).toBeGreaterThan(2)
  })

  it('lay the source’s shares on the target’s ranges where shares are asked for', () => {
    put(production, { rules: [{ id: 'r', serve: split(30) }] })
    world.commit(patchRule(production, 'a', 'r', { serve: split(20) } as never, ANY))
    put(staging, { rules: [{ id: 'r', serve: split(50) }] })
    bring({ parts: ['rules', 'shares'] })
    expect(splitOf(here().rules[0]!.serve)).toEqual({
      ...splitOf(there().rules[0]!.serve),
      ranges: [
        { variant: 'on', from: 0, to: 20_000 },
        { variant: 'off', from: 20_000, to: 70_000 },
        { variant: 'on', from: 70_000, to: 100_000 },
      ],
    })
    world.commit(patchRule(staging, 'a', 'r', { serve: split(10) } as never, ANY))
    world.commit(patchRule(staging, 'a', 'r', { serve: split(40) } as never, ANY))
    bring({ parts: ['rules', 'shares'] })
    expect(splitOf(here().rules[0]!.serve).ranges).toEqual([
      { variant: 'on', from: 0, to: 20_000 },
      { variant: 'off', from: 20_000, to: 70_000 },
      { variant: 'on', from: 70_000, to: 90_000 },
      { variant: 'off', from: 90_000, to: 100_000 },
    ])
    expect(splitOf(there().rules[0]!.serve).ranges).toHaveLength(3)
  })

  it('start afresh, with a warning, where shares are asked for and another salt or attribute draws them', () => {
    put(production, {
      rules: [
        { id: 'r', serve: split(50) },
        { id: 's', serve: split(50) },
      ],
    })
    put(staging, {
      rules: [
        { id: 'r', serve: split(50, { salt: 'new' }) },
        { id: 's', serve: split(50, { by: 'x' }) },
      ],
    })
    const change = bring({ parts: ['rules', 'shares'] })
    expect(here().rules).toEqual(there().rules)
    expect(change.warnings.map(({ code, share }) => [code, share])).toEqual([
      ['users-may-move', 0.5],
      ['users-may-move', 0.5],
    ])
    expect(change.warnings[1]?.message).toMatch(/^The flag "a" at \/rules\/1\/serve\/split: About 50 percent/)
  })

  it('have the source’s variant where shares are asked for and it splits no more', () => {
    put(production, { rules: [{ id: 'r', serve: ramp(50) }] })
    put(staging, { rules: [{ id: 'r', serve: { variant: 'on' } }] })
    bring()
    expect(here().rules[0]!.serve).toHaveProperty('split')
    bring({ parts: ['rules', 'shares'] })
    expect(here().rules[0]!.serve).toEqual({ variant: 'on' })
  })

  it('stay the target’s where shares alone are asked for', () => {
    put(production, {
      rules: [
        { id: 'own', serve: ramp(5) },
        { id: 'r', description: 'Ours', serve: ramp(10) },
        { id: 'v', serve: { variant: 'on' } },
      ],
    })
    put(staging, {
      rules: [
        { id: 'r', serve: ramp(70) },
        { id: 'v', serve: ramp(20) },
        { id: 'q', serve: ramp(20) },
      ],
    })
    const before = here()
    bring({ parts: ['shares'] })
    expect(here()).toEqual({
      ...before,
      rules: [before.rules[0], { ...before.rules[1]!, serve: there().rules[0]!.serve }, before.rules[2]],
    })
  })
})

describe('a promoted fallthrough', () => {
  it('is laid on the target’s ranges, so that its users keep their variants', () => {
    world.commit(putFallthrough(staging, 'a', split(10), ANY))
    world.commit(putFallthrough(staging, 'a', split(30, { missing: 'off' }), ANY))
    for (const percent of [50, 20]) world.commit(putFallthrough(production, 'a', split(percent), ANY))
    expect(codes(bring())).toEqual([])
    expect(here().fallthrough).toEqual({
      split: {
        by: 'targetingKey',
        salt: 'a',
        shares: split(30).split.shares,
        missing: 'off',
        ranges: [
          { variant: 'on', from: 0, to: 20_000 },
          { variant: 'off', from: 20_000, to: 90_000 },
          { variant: 'on', from: 90_000, to: 100_000 },
        ],
      },
    })
    expect(splitOf(there().fallthrough).ranges[1]).toEqual({ variant: 'off', from: 10_000, to: 80_000 })
  })

  it('says what share of users may move, where a variant is gone that some of them have', () => {
    const three = { variants: { on: true, off: false, old: true } }
    put(production, {
      ...three,
      fallthrough: {
        split: {
          shares: [
            { variant: 'old', percent: 25 },
            { variant: 'off', percent: 75 },
          ],
        },
      },
    })
    put(staging, { fallthrough: split(25) })
    const { warnings } = bring()
    expect(warnings).toMatchObject([{ code: 'users-may-move', pointer: '/flags/0', share: 0.25 }])
    expect(warnings[0]?.message).toMatch(/^The flag "a" at \/fallthrough\/split: /)
  })

  it('comes to the byte where the target splits by another salt, and warns', () => {
    for (const percent of [10, 80, 60])
      world.commit(putFallthrough(staging, 'a', split(percent, { salt: 's' }), ANY))
    world.commit(putFallthrough(production, 'a', split(60), ANY))
    const change = bring()
    expect(here().fallthrough).toEqual(there().fallthrough)
    expect(change.warnings).toMatchObject([{ code: 'users-may-move', share: 0.48 }])
    put(staging, { fallthrough: split(100, { salt: 't' }) })
    world.commit(putFallthrough(production, 'a', split(100), ANY))
    expect(codes(bring())).toEqual([])
  })

  it.each([
    ['a split', split(40), { variant: 'on' }],
    ['a variant', { variant: 'on' }, split(40)],
    ['nothing', null, split(40)],
    ['a split, where there was nothing', split(40), null],
  ])('is %s as the source has it', (_what, source, target) => {
    put(staging, { fallthrough: source })
    put(production, { fallthrough: target })
    bring()
    expect(here().fallthrough).toEqual(there().fallthrough)
  })
})

describe('segments that promoted rules name', () => {
  beforeEach(() => {
    world.commit(putSegment(staging, 'inner', { by: 'email', ignoreCase: true }, {}))
    world.commit(putSegment(staging, 'outer', { when: { not: { segment: 'inner' } } }, {}))
    world.commit(putSegment(staging, 'unused', {}, {}))
    world.commit(
      editMembers(staging, 'inner', { included: { add: ['Anna', 'Ben'] }, excluded: { add: ['Carl'] } }),
    )
    put(staging, { rules: [{ id: 'r', when: { segment: 'outer' }, serve: { variant: 'on' } }] })
  })
  const segment = (key: string) => segmentOf(world.state(production), key)

  it('come along without their members, and a new one says that it has none', () => {
    const change = bring({ flags: ['b', 'a'] })
    expect(segment('outer')).toEqual(segmentOf(world.state(staging), 'outer'))
    expect(segment('inner')).toEqual({ by: 'email', ignoreCase: true, when: null })
    expect(segment('unused')).toBeUndefined()
    expect(world.members('inner')).toEqual({ included: [], excluded: [] })
    expect(change.warnings).toEqual([
      {
        code: 'members-not-promoted',
        pointer: '/flags/1',
        message:
          'The segment "inner" is new in "production", and came without its 3 members: add those who belong there, or promote with segments "members".',
      },
    ])
    expect(change.result.documents.map(({ kind, key, before }) => [kind, key, before === null])).toEqual([
      ['flag', 'b', false],
      ['flag', 'a', false],
      ['segment', 'outer', true],
      ['segment', 'inner', true],
    ])
    expect(bring().edits.size).toBe(0)
  })

  it('keep the target’s members, folded where they compare without regard to case from now on', () => {
    world.commit(putSegment(production, 'inner', { when: { attribute: 'x', op: 'exists' } }, {}))
    world.commit(editMembers(production, 'inner', { included: { add: ['DORA'] } }))
    const change = bring()
    expect(segment('inner')).toEqual({ by: 'email', ignoreCase: true, when: null })
    expect(world.members('inner').included).toEqual(['dora'])
    expect(codes(change)).toEqual([])
    world.commit(putSegment(production, 'inner', {}, ANY))
    world.commit(editMembers(production, 'inner', { included: { add: ['X'] }, excluded: { add: ['x'] } }))
    expect(refusal()).toEqual([
      '/flags/0: The segment "inner" at /ignoreCase: Without regard to case "x" is both included and excluded; remove it from one of the lists first.',
    ])
  })

  it('bring their members where that is asked for', () => {
    world.commit(putSegment(production, 'inner', {}, {}))
    world.commit(
      editMembers(production, 'inner', { included: { add: ['X', 'anna'] }, excluded: { add: ['x'] } }),
    )
    const change = bring({ segments: 'members' })
    expect(world.members('inner')).toEqual({ included: ['anna', 'ben'], excluded: ['carl'] })
    expect(codes(change)).toEqual([])
    const again = bring({ segments: 'members' })
    expect([again.edits.size, again.result.documents.length]).toEqual([0, 3])
    world.commit(editMembers(production, 'inner', { included: { add: ['dora'] } }))
    expect(bring({ segments: 'members' }).result.documents).toMatchObject([
      { kind: 'flag', key: 'a' },
      { kind: 'segment', key: 'outer' },
      { kind: 'segment', key: 'inner' },
      { kind: 'members', key: expect.stringMatching(/^inner\/[0-9a-f]{2}$/), after: null },
    ])
  })

  it('stay where they are if none is to travel, and one that is missing is a refusal', () => {
    expect(refusal({ segments: 'none' })).toEqual([
      '/flags/0: The flag "a" at /rules/0/when: There is no segment "outer" in this environment. Promote with segments "when", or make it there first.',
    ])
    world.commit(putSegment(production, 'outer', {}, {}))
    bring({ segments: 'none' })
    expect(segment('outer')).toEqual({ by: 'targetingKey', when: null })
    expect(segment('inner')).toBeUndefined()
  })

  it('stay where they are if the rules do not travel', () => {
    bring({ parts: ['enabled', 'variants'] })
    expect(segment('outer')).toBeUndefined()
  })

  it('say which flags that do not travel they decide about, too', () => {
    bring()
    put(production, { rules: [{ id: 'q', when: { segment: 'inner' }, serve: { variant: 'on' } }] }, 'b')
    expect(bring().warnings).toEqual([])
    world.commit(putSegment(staging, 'inner', { by: 'email' }, ANY))
    expect(codes(world.run(promote(staging, production, { flags: ['a', 'b'], parts: ['rules'] })))).toEqual(
      [],
    )
    expect(bring().warnings).toEqual([
      {
        code: 'other-flags-affected',
        message: 'Segments that change here decide about flags that do not travel, too: "b".',
      },
    ])
    expect(codes(bring({ segments: 'members' }))).toEqual([['other-flags-affected', undefined]])
  })

  it('are refused where SQL has broken them, or has taken them away', () => {
    world.apply(staging, [{ kind: 'segment', key: 'inner', definition: { by: 7 } }])
    expect(refusal()).toEqual([
      '/flags/0: The segment "inner" at /by: An attribute is a string of 1 to 256 characters.',
    ])
    world.apply(staging, [{ kind: 'segment', key: 'inner', definition: null }])
    expect(refusal()).toEqual([
      '/flags/0: The segment "outer" at /when: There is no segment "inner" in this environment.',
    ])
  })

  it('warn of conditions that hold for whom nobody thought of', () => {
    world.commit(
      putSegment(staging, 'outer', { when: { not: { attribute: 'x', op: 'in', values: [1] } } }, ANY),
    )
    expect(bring().warnings).toMatchObject([{ code: 'not-matches-missing', pointer: '/flags/0' }])
  })
})

describe('a plan', () => {
  const planOf = (input: Partial<PromotionInput> = {}) =>
    world.run(promote(staging, production, { flags: ['a'], ...input })).result.plan
  const stale = (plan: string, input: Partial<PromotionInput> = {}) => {
    const problem = problemOf(() => world.run(promote(staging, production, { flags: ['a'], plan, ...input })))
    expect(problem.type).toBe('plan-stale')
    return problem.message
  }
  const AGAIN = 'Make a dry run again, look at what it answers, and apply its plan.'

  it('is the same for the same change, and is carried out as long as neither side moves', () => {
    put(staging, { fallthrough: split(20) })
    const plan = planOf()
    expect(plan).toMatch(/^\d+-\d+\.\d+-\d+\.[0-9a-f]{64}$/)
    expect(planOf()).toBe(plan)
    expect(bring({ plan }).result.plan).toBe(plan)
    expect(here().fallthrough).toEqual(there().fallthrough)
  })

  it('is stale once either side has moved, and says which', () => {
    const plan = planOf()
    world.commit(kill(staging, 'b'))
    const { revision } = world.state(staging)
    expect(stale(plan)).toBe(`Since the plan was made, "staging" has moved to revision ${revision}. ${AGAIN}`)
    const next = planOf()
    world.commit(setEnabled(production, 'b', true))
    const moved = `"production" has moved to revision ${world.state(production).revision}`
    expect(stale(next)).toBe(`Since the plan was made, ${moved}. ${AGAIN}`)
    expect(stale(plan)).toBe(
      `Since the plan was made, "staging" has moved to revision ${revision}, and ${moved}. ${AGAIN}`,
    )
  })

  it('is stale when it has been carried out', () => {
    put(staging, { fallthrough: split(20) })
    const plan = planOf()
    bring({ plan })
    expect(stale(plan)).toContain('"production" has moved')
  })

  it('is stale before anything else is looked at, since what it was made of is gone', () => {
    put(staging, { fallthrough: split(20) })
    const plan = planOf()
    world.commit(commitAll(staging, [{ op: 'delete', kind: 'flag', key: 'a' }]))
    expect(stale(plan)).toContain('"staging" has moved')
  })

  it('is of one request alone', () => {
    put(staging, { fallthrough: split(20), enabled: true })
    world.commit(putSegment(staging, 's', {}, {}))
    put(staging, { rules: [{ id: 'r', when: { segment: 's' }, serve: { variant: 'on' } }] }, 'b')
    const plan = planOf()
    const message = `Neither environment has moved, but the plan was made for another request: for other flags, parts or segments. ${AGAIN}`
    expect(stale(plan, { flags: ['a', 'b'] })).toBe(message)
    expect(stale(plan, { parts: ['enabled'] })).toBe(message)
    expect(stale(planOf({ flags: ['b', 'a'] }), { flags: ['b'] })).toBe(message)
    expect(planOf({ flags: ['b', 'a'] })).toBe(planOf({ flags: ['a', 'b'] }))
  })
})

describe('a promotion', () => {
  it('is refused for flags that the source does not have, with the nearest key', () => {
    const problem = problemOf(() => world.run(promote(staging, production, { flags: ['a', 'aa', 'zzzzzz'] })))
    expect([problem.type, problem.details]).toEqual([
      'flag-not-found',
      {
        didYouMean: 'a',
        errors: [
          { pointer: '/flags/1', message: 'There is no flag "aa" in "staging". Did you mean "a"?' },
          { pointer: '/flags/2', message: 'There is no flag "zzzzzz" in "staging".' },
        ],
      },
    ])
  })

  it('is refused for a flag that is archived, and says what to do', () => {
    world.commit(archiveFlag(world.project, 'a'))
    expect(problemOf(() => world.run(promote(staging, production, { flags: ['a'] })))).toMatchObject({
      type: 'flag-archived',
      details: {
        errors: [{ pointer: '/flags/0', message: 'The flag "a" is archived; unarchive it first.' }],
      },
    })
  })

  it('is refused for a flag without a configuration in the source', () => {
    world.commit(commitAll(staging, [{ op: 'delete', kind: 'flag', key: 'a' }]))
    expect(
      faultsOf(() => world.run(promote(staging, production, { flags: ['a'] })), 'flag-not-found'),
    ).toEqual(['/flags/0: There is no flag "a" in "staging". Did you mean "b"?'])
  })

  it('is refused within one environment', () => {
    expect(pointersOf(() => world.run(promote(staging, staging, { flags: ['a'] })))).toEqual(['/to'])
  })

  it('is refused where the target would outgrow its size', () => {
    put(staging, { fallthrough: split(20) })
    world.fill(production, 32 * 1024 * 1024)
    expect(refusal()[0]).toMatch(/^: An environment holds at most/)
  })

  it.each<[string, unknown, string[]]>([
    ['what is no object', 7, ['']],
    ['no flags', {}, ['/flags']],
    ['an empty list of flags', { flags: [] }, ['/flags']],
    ['flags that are no list', { flags: 'a' }, ['/flags']],
    ['a flag twice', { flags: ['a', 'a'] }, ['/flags/1']],
    ['a field that there is not', { flags: ['a'], kills: true }, ['/kills']],
    ['an empty list of parts', { flags: ['a'], parts: [] }, ['/parts']],
    ['a part that there is not', { flags: ['a'], parts: ['rules', 'kills'] }, ['/parts/1']],
    ['segments that are none of the three', { flags: ['a'], segments: 'all' }, ['/segments']],
    ['a plan that is none', { flags: ['a'], plan: 'do it' }, ['/plan']],
    ['a plan that is no text', { flags: ['a'], plan: 7 }, ['/plan']],
    ['what cannot be kept', { flags: ['a'], plan: '\0' }, ['/plan', '/plan']],
  ])('is refused with a pointer to %s', (_what, input, pointers) => {
    expect(pointersOf(() => world.run(promote(staging, production, input as never)))).toEqual(pointers)
  })

  it('leaves the source as it is', () => {
    put(staging, { fallthrough: split(20), enabled: true })
    const before = world.state(staging)
    bring()
    expect(world.state(staging)).toBe(before)
    expect(flagOf(before, 'a')?.enabled).toBe(true)
  })

  it('brings a segment once it is deleted in the target, again', () => {
    world.commit(putSegment(staging, 's', {}, {}))
    put(staging, { rules: [{ id: 'r', when: { segment: 's' }, serve: { variant: 'on' } }] })
    bring()
    world.commit(patchConfiguration(production, 'a', { rules: [] }, ANY))
    world.commit(deleteSegment(production, 's', ANY))
    bring()
    expect(segmentOf(world.state(production), 's')).toBeDefined()
  })
})
