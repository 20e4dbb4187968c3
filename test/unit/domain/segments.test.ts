import { beforeEach, describe, expect, it } from 'vitest'
import {
  createFlag,
  deleteSegment,
  editMembers,
  patchSegment,
  putConfiguration,
  putSegment,
  references,
  type SegmentInput,
  segmentOf,
} from '../../../server/domain/index.ts'
import { ANY, faultsOf, pointersOf, problemOf, World } from './world.ts'

let world: World
let env: string
const pro = { attribute: 'plan', op: 'in', values: ['pro'] } as const

beforeEach(() => {
  world = World.started()
  env = world.environment()
})
const put = (key: string, input: SegmentInput) =>
  world.commit(putSegment(env, key, input, segmentOf(world.state(env), key) ? ANY : {}))

describe('PUT of a segment', () => {
  it('creates it without If-Match, and fills in what is left out', () => {
    const change = put('beta', {})
    expect(change.action).toBe('segment.create')
    expect(change.result).toEqual({ by: 'targetingKey', when: null })
  })

  it('replaces it with If-Match, and writes nothing when it is the same', () => {
    put('beta', { by: 'account', ignoreCase: false, when: pro })
    expect(problemOf(() => world.run(putSegment(env, 'beta', {}, {}))).type).toBe('precondition-required')
    const shown = {
      by: 'account',
      when: pro,
      key: 'beta',
      revision: 3,
      members: { included: 0, excluded: 0 },
    }
    const again = put('beta', shown as SegmentInput)
    expect([again.action, again.edits.size]).toEqual(['segment.update', 0])
  })

  it.each<[string, string, unknown, string[]]>([
    ['a key that is none', 'a b', {}, ['']],
    ['what is no object', 'beta', [], ['']],
    ['a field that is unknown', 'beta', { wen: null }, ['/wen']],
    ['an attribute of the evaluator', 'beta', { by: '$now' }, ['/by']],
    ['ignoreCase that is no boolean', 'beta', { ignoreCase: 'yes' }, ['/ignoreCase']],
    ['a condition that is none', 'beta', { when: { op: 'in' } }, ['/when']],
    ['an unknown segment', 'beta', { when: { any: [pro, { segment: 'alpha' }] } }, ['/when']],
    ['itself', 'beta', { when: { not: { segment: 'beta' } } }, ['/when']],
  ])('is refused with a pointer to %s', (_what, key, input, pointers) => {
    expect(pointersOf(() => world.run(putSegment(env, key, input as SegmentInput, {})))).toEqual(pointers)
  })

  it('is refused where it closes a cycle, with its path', () => {
    put('c', {})
    put('b', { when: { segment: 'c' } })
    put('a', { when: { all: [{ segment: 'b' }, { segment: 'c' }] } })
    expect(faultsOf(() => put('c', { when: { segment: 'a' } })).sort()).toEqual([
      '/when: This makes a cycle: c → a → b → c.',
      '/when: This makes a cycle: c → a → c.',
    ])
  })

  it('warns of a negation that a missing attribute satisfies', () => {
    const { warnings } = put('a', { when: { not: pro } })
    expect(warnings).toMatchObject([{ code: 'not-matches-missing', pointer: '/when/not' }])
  })
})

describe('PATCH of a segment', () => {
  it('merges', () => {
    put('beta', { by: 'account', when: pro })
    expect(world.commit(patchSegment(env, 'beta', { by: null, when: null }, ANY)).result).toEqual({
      by: 'targetingKey',
      when: null,
    })
  })

  it('asks for If-Match, and for a segment that is there', () => {
    put('beta', {})
    expect(problemOf(() => world.run(patchSegment(env, 'beta', {}, {}))).type).toBe('precondition-required')
    const problem = problemOf(() => world.run(patchSegment(env, 'bet', {}, ANY)))
    expect([problem.type, problem.details.didYouMean]).toEqual(['segment-not-found', 'beta'])
  })
})

describe('switching ignoreCase on', () => {
  it('folds the members that are there', () => {
    put('beta', {})
    world.commit(
      editMembers(env, 'beta', {
        included: { add: ['Anna', 'anna', 'BEN', 'carl'] },
        excluded: { add: ['Dora'] },
      }),
    )
    world.commit(patchSegment(env, 'beta', { ignoreCase: true }, ANY))
    expect(world.members('beta')).toEqual({ included: ['anna', 'ben', 'carl'], excluded: ['dora'] })
    world.commit(patchSegment(env, 'beta', { ignoreCase: null }, ANY))
    expect(world.members('beta').included).toEqual(['anna', 'ben', 'carl'])
  })

  it('is refused where a member would be in both lists', () => {
    put('beta', {})
    world.commit(editMembers(env, 'beta', { included: { add: ['Anna'] }, excluded: { add: ['ANNA'] } }))
    expect(faultsOf(() => put('beta', { ignoreCase: true }))).toEqual([
      '/ignoreCase: Without regard to case "anna" is both included and excluded; remove it from one of the lists first.',
    ])
  })
})

describe('DELETE of a segment', () => {
  it('takes its members along', () => {
    put('beta', {})
    put('betamax', {})
    world.commit(editMembers(env, 'beta', { included: { add: ['anna', 'ben'] } }))
    world.commit(editMembers(env, 'betamax', { included: { add: ['carl'] } }))
    expect(world.commit(deleteSegment(env, 'beta', ANY)).action).toBe('segment.delete')
    expect(segmentOf(world.state(env), 'beta')).toBeUndefined()
    expect(world.members('beta').included).toEqual([])
    expect(world.members('betamax').included).toEqual(['carl'])
  })

  it('is a conflict while flags or segments name it', () => {
    put('beta', {})
    put('wide', { when: { segment: 'beta' } })
    expect(faultsOf(() => world.run(deleteSegment(env, 'beta', ANY)), 'segment-referenced')).toEqual([
      ': The segment "beta" is named by segments "wide". Change those first.',
    ])
    for (let index = 0; index < 12; index += 1) {
      world.commit(createFlag(world.project, { key: `f${10 + index}`, type: 'boolean' }))
      const rules = [{ id: 'r', when: { not: { any: [{ segment: 'beta' }] } }, serve: { variant: 'on' } }]
      world.commit(putConfiguration(env, `f${10 + index}`, { variants: { on: true }, rules }, ANY))
    }
    expect(references(world.state(env), 'beta').flags).toHaveLength(12)
    expect(problemOf(() => world.run(deleteSegment(env, 'beta', ANY))).message).toMatch(
      /flags "f10", .*"f19" and 2 more and segments "wide"/,
    )
  })

  it('asks for If-Match, and for a segment that is there', () => {
    put('beta', {})
    expect(problemOf(() => world.run(deleteSegment(env, 'beta', {}))).type).toBe('precondition-required')
    expect(problemOf(() => world.run(deleteSegment(env, 'none', {}))).type).toBe('segment-not-found')
  })
})

describe('references', () => {
  it('are read from documents of any shape', () => {
    world.apply(env, [
      {
        kind: 'flag',
        key: 'a',
        definition: { rules: [5, { when: { all: 'x', segment: 7 } }, { when: { segment: 's' } }] },
      },
      { kind: 'flag', key: 'b', definition: null },
      { kind: 'segment', key: 'c', definition: 'x' },
    ])
    expect(references(world.state(env), 's')).toEqual({ flags: ['a'], segments: [] })
  })
})
