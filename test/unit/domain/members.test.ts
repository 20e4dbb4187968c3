import { type Members, memberChunk } from '@halyard/sdk/core'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  countMembers,
  editMembers,
  type MembersEdit,
  putSegment,
  replaceMembers,
  SYSTEM,
} from '../../../server/domain/index.ts'
import { faultsOf, pointersOf, problemOf, World } from './world.ts'

let world: World
let env: string

beforeEach(() => {
  world = World.started()
  env = world.environment()
  world.commit(putSegment(env, 'beta', {}, {}))
  world.commit(putSegment(env, 'folded', { ignoreCase: true }, {}))
})
const edit = (input: MembersEdit, segment = 'beta') => world.commit(editMembers(env, segment, input))
const units = (count: number, prefix = 'user-') => Array.from({ length: count }, (_, index) => prefix + index)
const nothing = { added: 0, present: 0, removed: 0, absent: 0 }

describe('editing members', () => {
  it('adds and removes, and tells what was so already', () => {
    edit({ included: { add: ['anna', 'ben', 'anna', 7] }, excluded: { add: ['dora'] } })
    const { result, action } = edit({
      included: { add: ['anna', 'carl'], remove: ['ben', 'zoe', 'ben'] },
      excluded: { remove: ['dora'] },
    })
    expect(action).toBe('segment.members')
    expect(result).toEqual({
      included: { added: 1, present: 1, removed: 1, absent: 2 },
      excluded: { ...nothing, removed: 1 },
      counts: { included: 3, excluded: 0 },
    })
    expect(world.members('beta')).toEqual({ included: ['7', 'anna', 'carl'], excluded: [] })
  })

  it('writes nothing where nothing changes', () => {
    edit({ included: { add: ['anna'] } })
    expect(edit({ included: { add: ['anna'] }, excluded: { remove: ['ben'] } }).edits.size).toBe(0)
    expect(edit({}).edits.size).toBe(0)
  })

  it('writes one chunk of a hundred thousand members for one of them, sorted', () => {
    world.commit(replaceMembers(env, 'beta', { included: units(100_000) }))
    const { edits, result } = edit({ included: { add: ['newcomer'] } })
    const written = edits.get(env)!
    expect(written.map(({ key }) => key)).toEqual([`beta/${memberChunk('newcomer')}`])
    const { included } = written[0]!.definition as unknown as Members
    expect(included).toEqual([...included].sort())
    expect(included.length).toBeLessThan(1_000)
    expect(result.counts).toEqual({ included: 100_001, excluded: 0 })
  })

  it('removes the entry of a chunk that gets empty', () => {
    edit({ included: { add: ['anna'] } })
    edit({ included: { remove: ['anna'] } })
    expect(world.state(env).entries.get('members')?.size).toBe(0)
    expect(countMembers(world.state(env), 'beta')).toEqual({ included: 0, excluded: 0 })
  })

  it('keeps them folded where the segment ignores case', () => {
    edit({ included: { add: ['Anna', 'ÄGIR'] } }, 'folded')
    expect(world.members('folded').included).toEqual(['anna', 'ägir'])
    expect(edit({ included: { remove: ['ANNA'] } }, 'folded').result.included.removed).toBe(1)
  })

  it('moves a member from one list to the other in one request', () => {
    edit({ included: { add: ['anna'] } })
    edit({ included: { remove: ['anna'] }, excluded: { add: ['anna'] } })
    expect(world.members('beta')).toEqual({ included: [], excluded: ['anna'] })
  })

  it.each<[string, unknown, string[]]>([
    [
      'a unit that is none',
      { included: { add: ['', null, true] } },
      ['/included/add/0', '/included/add/1', '/included/add/2'],
    ],
    ['NUL', { included: { add: ['a\0'] } }, ['/included/add/0']],
    [
      'a member in both lists',
      { included: { add: ['anna'] }, excluded: { add: ['anna'] } },
      ['/included/add/0', '/excluded/add/0'],
    ],
    ['a member that is excluded', { included: { add: ['ok', 'dora'] } }, ['/included/add/1']],
    ['a member added and removed', { included: { add: ['x'], remove: ['x'] } }, ['/included/remove/0']],
    ['what is no change', 5, ['']],
    ['a list that is unknown', { includes: {} }, ['/includes']],
    ['an operation that is unknown', { included: { set: [] } }, ['/included/set']],
    ['units that are no list', { included: { add: 'anna' } }, ['/included/add']],
    ['too many changes', { included: { add: units(5_001) }, excluded: { remove: units(5_000, 'x') } }, ['']],
    ['too many in one list', { included: { add: units(10_001) } }, ['/included/add']],
  ])('is refused with a pointer to %s', (_what, input, pointers) => {
    edit({ excluded: { add: ['dora'] } })
    expect(pointersOf(() => edit(input as MembersEdit))).toEqual(pointers)
  })

  it('asks for a segment that is there', () => {
    expect(problemOf(() => edit({}, 'bta')).details.didYouMean).toBe('beta')
    expect(problemOf(() => world.run(editMembers('env_gone', 'beta', {}))).type).toBe('environment-not-found')
    expect(problemOf(() => world.run(editMembers(env, 'beta', {}), [SYSTEM])).type).toBe(
      'environment-not-found',
    )
  })

  it('is bounded by the size of the environment', () => {
    world.fill(env, 32 * 1024 * 1024)
    expect(faultsOf(() => edit({ included: { add: ['anna'] } }))[0]).toContain('at most 33554432 bytes')
  })
})

describe('replacing members', () => {
  it('replaces the lists that are given, and writes the chunks that differ', () => {
    edit({ included: { add: units(2_000) }, excluded: { add: ['dora'] } })
    const next = [...units(1_999), 'anna', 'anna']
    const { result, edits } = world.commit(replaceMembers(env, 'beta', { included: next }))
    expect(result).toEqual({
      included: { added: 1, present: 1_999, removed: 1, absent: 0 },
      excluded: { ...nothing, present: 1 },
      counts: { included: 2_000, excluded: 1 },
    })
    expect(edits.get(env)!.length).toBeLessThanOrEqual(2)
    expect(world.members('beta').excluded).toEqual(['dora'])
    expect(world.commit(replaceMembers(env, 'beta', { included: [] })).result.counts).toEqual({
      included: 0,
      excluded: 1,
    })
  })

  it('is refused with a pointer to what is wrong', () => {
    const replace = (input: unknown) => () => world.run(replaceMembers(env, 'beta', input as never))
    expect(pointersOf(replace({ included: ['a', ''] }))).toEqual(['/included/1'])
    expect(faultsOf(replace({ included: ['a'], excluded: ['a'] }))).toEqual([
      '/excluded: "a" would be both included and excluded; remove it from one of the lists.',
    ])
    expect(pointersOf(replace(7))).toEqual([''])
  })

  it('stops at a million members', () => {
    const chunk = (key: string, included: string[]) => ({
      kind: 'members',
      key,
      definition: { included, excluded: [] },
    })
    const half = new Array<string>(500_000).fill('u')
    world.apply(env, [chunk('beta/00', half), chunk('beta/ff', half)])
    const edits = (input: MembersEdit) => () => world.run(editMembers(env, 'beta', input))
    expect(memberChunk('anna') === '00' || memberChunk('anna') === 'ff').toBe(false)
    expect(faultsOf(edits({ excluded: { add: ['anna'] } }))).toEqual([
      ': A segment has at most 1000000 members; with these it would have 1000001.',
    ])
    expect(
      problemOf(() => world.run(replaceMembers(env, 'beta', { included: new Array(1_000_001).fill('u') })))
        .type,
    ).toBe('invalid-document')
  })
})
