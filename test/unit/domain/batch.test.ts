import { beforeEach, describe, expect, it } from 'vitest'
import {
  archiveFlag,
  type ChangeInput,
  commitAll,
  createFlag,
  editMembers,
  flagOf,
  putSegment,
  segmentOf,
} from '../../../server/domain/index.ts'
import { faultsOf, pointersOf, World } from './world.ts'

let world: World
let env: string
const base = { variants: { on: true, off: false }, offVariant: 'off' } as const

beforeEach(() => {
  world = World.started()
  env = world.environment()
  for (const key of ['a', 'b']) world.commit(createFlag(world.project, { key, type: 'boolean' }))
  world.commit(putSegment(env, 'beta', {}, {}))
})
const commit = (...changes: ChangeInput[]) => world.commit(commitAll(env, changes))
const flag = (key: string, definition: object): ChangeInput => ({
  op: 'put',
  kind: 'flag',
  key,
  definition: definition as never,
})
const segment = (key: string, definition: object): ChangeInput => ({
  op: 'put',
  kind: 'segment',
  key,
  definition: definition as never,
})

describe('a batch', () => {
  it('writes flags and segments that name each other, as one change', () => {
    const rules = [{ id: 'r', when: { segment: 'new' }, serve: { variant: 'on' } }]
    const change = commit(
      flag('a', { ...base, rules, prerequisites: [{ flag: 'b', variants: ['extra'] }] }),
      segment('wide', { when: { segment: 'new' } }),
      segment('new', {}),
      flag('b', { ...base, variants: { ...base.variants, extra: true } }),
    )
    expect(change.action).toBe('environment.commit')
    expect(change.result.map(({ kind, key }) => `${kind}/${key}`)).toEqual([
      'flag/a',
      'segment/wide',
      'segment/new',
      'flag/b',
    ])
    expect(flagOf(world.state(env), 'a')?.prerequisites).toEqual([{ flag: 'b', variants: ['extra'] }])
  })

  it('takes a variant away when who required it requires another at the same time', () => {
    commit(flag('a', { ...base, prerequisites: [{ flag: 'b', variants: ['on'] }] }))
    const { result } = commit(
      flag('b', { variants: { yes: true, off: false } }),
      flag('a', { ...base, prerequisites: [{ flag: 'b', variants: ['yes'] }] }),
    )
    expect(result).toHaveLength(2)
  })

  it('is refused where its documents make a cycle', () => {
    const requires = (key: string) => ({ ...base, prerequisites: [{ flag: key, variants: ['on'] }] })
    world.commit(createFlag(world.project, { key: 'c', type: 'boolean' }))
    const attempt = () =>
      commit(flag('c', { ...base, enabled: true }), flag('a', requires('b')), flag('b', requires('a')))
    expect(faultsOf(attempt)).toEqual([
      '/changes/1/definition/prerequisites/0/flag: This makes a cycle: a → b → a.',
    ])
  })

  it('is all or nothing', () => {
    const attempt = () =>
      commit(
        segment('fine', {}),
        flag('a', { ...base, offVariant: 'no' }),
        flag('b', { ...base, enabled: 7 }),
      )
    expect(pointersOf(attempt)).toEqual(['/changes/1/definition/offVariant', '/changes/2/definition/enabled'])
    expect(segmentOf(world.state(env), 'fine')).toBeUndefined()
  })

  it('writes and answers only what changes', () => {
    const change = commit(segment('beta', {}), segment('other', {}))
    expect(change.result).toEqual([
      { kind: 'segment', key: 'other', definition: { by: 'targetingKey', when: null } },
    ])
    expect(commit(segment('beta', {})).edits.size).toBe(0)
    expect(commit().edits.size).toBe(0)
  })

  it('holds the revisions that are expected', () => {
    const revision = world.state(env).entries.get('segment')!.get('beta')!.revision
    const attempt = () =>
      commit(
        { ...segment('beta', { by: 'x' }), ifRevision: revision },
        { ...segment('beta2', {}), ifRevision: 4 },
        { ...flag('a', base), ifRevision: 0 },
      )
    expect(pointersOf(attempt, 'revision-conflict')).toEqual([
      '/changes/1/ifRevision',
      '/changes/2/ifRevision',
    ])
    commit(
      { ...segment('beta', { by: 'x' }), ifRevision: revision },
      { ...segment('new', {}), ifRevision: 0 },
    )
    expect(segmentOf(world.state(env), 'beta')?.by).toBe('x')
  })

  it('deletes segments with their members, once nothing names them any more', () => {
    world.commit(editMembers(env, 'beta', { included: { add: ['anna'] } }))
    const rules = [{ id: 'r', when: { segment: 'beta' }, serve: { variant: 'on' } }]
    commit(flag('a', { ...base, rules }))
    const remove: ChangeInput = { op: 'delete', kind: 'segment', key: 'beta' }
    expect(faultsOf(() => commit(remove), 'segment-referenced')).toEqual([
      '/changes/0/key: The segment "beta" is named by flags "a". Change those first.',
    ])
    commit(remove, flag('a', base))
    expect(segmentOf(world.state(env), 'beta')).toBeUndefined()
    expect(world.members('beta').included).toEqual([])
  })

  it('deletes a flag’s configuration, unless another requires it, and can put it again', () => {
    const remove: ChangeInput = { op: 'delete', kind: 'flag', key: 'b' }
    commit(flag('a', { ...base, prerequisites: [{ flag: 'b', variants: ['on'] }] }))
    expect(faultsOf(() => commit(remove), 'flag-required')).toEqual([
      '/changes/0/key: "b" is required by "a". Remove the prerequisite there first.',
    ])
    const change = commit(remove, flag('a', base))
    expect(change.result.find(({ key }) => key === 'b')?.definition).toBeNull()
    commit(flag('b', base))
    expect(world.flag('b').type).toBe('boolean')
  })

  it('folds the members of a segment that ignores case from now on', () => {
    world.commit(editMembers(env, 'beta', { included: { add: ['Anna'] } }))
    commit(segment('beta', { ignoreCase: true }))
    expect(world.members('beta').included).toEqual(['anna'])
    commit(segment('beta', {}))
    world.commit(editMembers(env, 'beta', { included: { add: ['X'] }, excluded: { add: ['x'] } }))
    expect(pointersOf(() => commit(segment('beta', { ignoreCase: true })))).toEqual([
      '/changes/0/definition/ignoreCase',
    ])
  })

  it('warns with pointers into the request', () => {
    const splitBy = (salt: string) => ({
      ...base,
      fallthrough: {
        split: {
          salt,
          shares: [
            { variant: 'on', percent: 50 },
            { variant: 'off', percent: 50 },
          ],
        },
      },
    })
    commit(flag('a', splitBy('x')))
    const { warnings } = commit(
      segment('s', { when: { not: { attribute: 'a', op: 'in', values: [1] } } }),
      flag('a', splitBy('y')),
      flag('b', { ...base, enabled: true }),
    )
    expect(warnings.map(({ code, pointer }) => [code, pointer])).toEqual([
      ['not-matches-missing', '/changes/0/definition/when/not'],
      ['users-may-move', '/changes/1/definition/fallthrough/split'],
      ['serves-only-off', '/changes/2/definition'],
    ])
  })

  it('keeps given ranges where it is asked to', () => {
    const ranges = [
      { variant: 'on', from: 50, to: 100_000 },
      { variant: 'off', from: 0, to: 50 },
    ]
    const definition = {
      ...base,
      fallthrough: {
        split: {
          shares: [
            { variant: 'on', percent: 99.95 },
            { variant: 'off', percent: 0.05 },
          ],
          ranges,
        },
      },
    }
    world.commit(commitAll(env, [flag('a', definition)], { keepRanges: true }))
    expect(world.flag('a').fallthrough).toMatchObject({ split: { ranges: [ranges[1], ranges[0]] } })
  })

  it.each<[string, unknown[], string[]]>([
    ['a change that is none', [5], ['/changes/0', '/changes/0/op', '/changes/0/kind', '/changes/0/key']],
    [
      'an operation that is none',
      [{ op: 'patch', kind: 'flag', key: 'a', definition: base }],
      ['/changes/0/op'],
    ],
    ['a kind that is none', [{ op: 'put', kind: 'kill', key: 'a', definition: base }], ['/changes/0/kind']],
    [
      'a revision that is none',
      [{ op: 'put', kind: 'segment', key: 'x', ifRevision: 'x', definition: {} }],
      ['/changes/0/ifRevision'],
    ],
    ['a key twice', [segment('x', {}), segment('x', {})], ['/changes/1/key']],
    ['a put without a definition', [{ op: 'put', kind: 'segment', key: 'x' }], ['/changes/0/definition']],
    [
      'a definition that is no object',
      [{ op: 'put', kind: 'flag', key: 'a', definition: 7 }],
      ['/changes/0/definition'],
    ],
    ['a delete of nothing', [{ op: 'delete', kind: 'segment', key: 'bta' }], ['/changes/0/key']],
    ['a flag that nobody created', [flag('c', base)], ['/changes/0/key']],
    ['a segment key that is none', [segment('a b', {})], ['/changes/0/key']],
  ])('is refused with a pointer to %s', (_what, changes, pointers) => {
    expect(pointersOf(() => commit(...(changes as ChangeInput[])))).toEqual(pointers)
  })

  it('is refused for an archived flag, and for more than 10,000 changes', () => {
    world.commit(archiveFlag(world.project, 'a'))
    expect(faultsOf(() => commit(flag('a', base)))[0]).toMatch(/^\/changes\/0\/key: .*archived/)
    const many = Array.from({ length: 10_001 }, (_, index) => segment(`s${index}`, {}))
    expect(pointersOf(() => commit(...many))).toContain('/changes')
    expect(pointersOf(() => world.run(commitAll(env, 'all' as never)))).toEqual(['/changes'])
  })
})
