import { beforeEach, describe, expect, it } from 'vitest'
import {
  addRule,
  archiveFlag,
  canonical,
  commitAll,
  createFlag,
  deleteFlag,
  deleteSegment,
  editMembers,
  kill,
  patchConfiguration,
  putConfiguration,
  putFallthrough,
  putSegment,
  type RevertInput,
  revert,
  setEnabled,
  unarchiveFlag,
  unkill,
} from '../../../server/domain/index.ts'
import { ANY, faultsOf, pointersOf, problemOf, World } from './world.ts'

let world: World
let env: string
const base = { variants: { on: true, off: false }, offVariant: 'off' } as const

beforeEach(() => {
  world = World.started()
  env = world.environment()
  for (const key of ['a', 'b']) world.commit(createFlag(world.project, { key, type: 'boolean' }))
  world.commit(putSegment(env, 'beta', { when: { attribute: 'plan', op: 'in', values: ['pro'] } }, {}))
  world.commit(editMembers(env, 'beta', { included: { add: ['anna', 'ben'] }, excluded: { add: ['carl'] } }))
})

const now = () => world.state(env)
const ramp = (on: number) =>
  world.commit(
    putFallthrough(
      env,
      'a',
      {
        split: {
          shares: [
            { variant: 'on', percent: on },
            { variant: 'off', percent: 100 - on },
          ],
        },
      },
      ANY,
    ),
  )
const named = (key: string, segment: string) =>
  world.commit(addRule(env, key, { id: 'r', when: { segment }, serve: { variant: 'on' } }))
/** Flags, segments and members as canonical text. */
const textOf = (state = now()) =>
  canonical(
    ['flag', 'segment', 'members'].map((kind) =>
      [...(state.entries.get(kind) ?? [])].map(([key, { definition }]) => [key, definition]).sort(),
    ),
  )
const told = (change: {
  result: readonly { kind: string; key: string; before: unknown; after: unknown }[]
}) =>
  change.result.map(({ kind, key, before, after }) => {
    const same = canonical(before) === canonical(after)
    return `${kind}/${key} ${same ? 'same' : before === null ? 'came' : after === null ? 'went' : 'changed'}`
  })

describe('reverting an environment', () => {
  it('makes flags, segments and members what they were, to the byte, ranges too', () => {
    ramp(20)
    ramp(60)
    ramp(40)
    const past = now()
    ramp(80)
    ramp(40)
    world.commit(createFlag(world.project, { key: 'later', type: 'boolean' }))
    world.commit(deleteSegment(env, 'beta', ANY))
    world.commit(putSegment(env, 'new', {}, {}))
    world.commit(editMembers(env, 'new', { included: { add: ['dora'] } }))
    expect(canonical(world.flag('a').fallthrough)).not.toBe(
      canonical(past.entries.get('flag')?.get('a')?.definition),
    )

    const change = world.commit(revert(env, past))
    expect(textOf()).toBe(textOf(past))
    expect(change.action).toBe('environment.revert')
    expect(told(change).map((one) => one.replace(/\/[0-9a-f]{2} /, '/* '))).toEqual([
      'flag/a changed',
      'flag/later went',
      'segment/new went',
      'segment/beta came',
      'members/new/* went',
      ...Array.from({ length: 3 }, () => 'members/beta/* came'),
    ])
  })

  it('neither adds nor lifts a kill', () => {
    world.commit(kill(env, 'a'))
    const past = now()
    world.commit(setEnabled(env, 'a', true))
    world.commit(unkill(env, 'a', { acceptEdits: true }))
    world.commit(kill(env, 'b'))
    const kills = canonical([...now().entries.get('kill')!])
    world.commit(revert(env, past))
    expect(canonical([...now().entries.get('kill')!])).toBe(kills)
    expect(world.flag('a').enabled).toBe(false)
  })

  it('changes nothing where all is as it was, however it came to be so', () => {
    const past = now()
    world.commit(setEnabled(env, 'a', true))
    world.commit(setEnabled(env, 'a', false))
    const change = world.commit(revert(env, past))
    expect(change.edits.size).toBe(0)
    expect(change.result).toEqual([])
    expect(change.warnings).toEqual([])
  })

  it('leaves flags away that are archived or deleted by now, and says which', () => {
    for (const key of ['c', 'later']) world.commit(createFlag(world.project, { key, type: 'boolean' }))
    const past = now()
    world.commit(setEnabled(env, 'a', true))
    for (const key of ['later', 'c', 'b']) world.commit(archiveFlag(world.project, key))
    world.commit(deleteFlag(world.project, 'c', ANY))
    const change = world.commit(revert(env, past))
    expect(change.warnings).toEqual([
      {
        code: 'not-reverted',
        message:
          'Left out, since they are archived or deleted: "b", "c", "later". Unarchive a flag, then put it back by its name.',
      },
    ])
    expect([...now().entries.get('flag')!.keys()]).toEqual(['a'])
    expect(world.flag('a').enabled).toBe(false)
  })

  it('says which flags to name where one that goes back requires one that stays away', () => {
    world.commit(patchConfiguration(env, 'a', { prerequisites: [{ flag: 'b', variants: ['on'] }] }, ANY))
    const past = now()
    world.commit(patchConfiguration(env, 'a', { prerequisites: [] }, ANY))
    world.commit(archiveFlag(world.project, 'b'))
    expect(faultsOf(() => world.run(revert(env, past)))).toEqual([
      ': The flag "a" as it was at /prerequisites/0/flag: There is no flag "b" in this environment. Name the flags that go back, without this one.',
    ])
  })

  it('warns of what a person would want to know of the documents that come back', () => {
    world.commit(setEnabled(env, 'a', true))
    world.commit(putSegment(env, 'odd', { when: { not: { attribute: 'x', op: 'in', values: [1] } } }, {}))
    world.commit(putSegment(env, 'plain', {}, {}))
    const past = now()
    world.commit(setEnabled(env, 'a', false))
    world.commit(putSegment(env, 'odd', {}, ANY))
    world.commit(deleteSegment(env, 'plain', ANY))
    const { warnings } = world.commit(revert(env, past))
    expect(warnings.map(({ code, pointer, message }) => [code, pointer, message.slice(0, 40)])).toEqual([
      ['serves-only-off', undefined, 'The flag "a": The flag is enabled, but e'],
      ['not-matches-missing', undefined, 'The segment "odd" at /when/not: A contex'],
    ])
  })

  it('refuses documents that SQL has broken then, and takes those that it has broken since', () => {
    const sound = now()
    world.apply(env, [
      { kind: 'flag', key: 'a', definition: { type: 'boolean' } },
      { kind: 'segment', key: 'beta', definition: 7 },
    ])
    const broken = now()
    world.commit(revert(env, sound))
    expect(textOf()).toBe(textOf(sound))
    expect(faultsOf(() => world.run(revert(env, broken)))).toEqual([
      ': The flag "a" as it was at /variants: Variants are an object: each variant’s key, and its value. Name the flags that go back, without this one.',
      ': The segment "beta" as it was: A segment is an object. Name the flags that go back, without this one.',
    ])
  })

  it('puts a document back as it was, even where it is written otherwise today', () => {
    const short = { type: 'boolean', variants: { on: true, off: false }, offVariant: 'off', enabled: false }
    world.apply(env, [{ kind: 'flag', key: 'a', definition: short }])
    const past = now()
    world.commit(putConfiguration(env, 'a', { ...base, enabled: true }, ANY))
    world.commit(revert(env, past))
    expect(world.flag('a')).toEqual(short)
  })
})

describe('reverting what is named', () => {
  const back = (input: RevertInput, past = now()) => revert(env, past, input)

  it('touches that alone, and tells of it changed or not', () => {
    const past = now()
    world.commit(setEnabled(env, 'a', true))
    world.commit(setEnabled(env, 'b', true))
    world.commit(editMembers(env, 'beta', { included: { remove: ['anna'] } }))
    expect(told(world.commit(back({ flags: ['a'] }, past)))).toEqual(['flag/a changed'])
    expect([world.flag('a').enabled, world.flag('b').enabled]).toEqual([false, true])
    expect(world.members('beta').included).toEqual(['ben'])
    const second = told(world.commit(back({ flags: ['a'], segments: ['beta'] }, past)))
    expect(second.map((one) => one.replace(/\/[0-9a-f]{2} /, '/* '))).toEqual([
      'flag/a same',
      'segment/beta same',
      'members/beta/* came',
    ])
    expect(world.members('beta')).toEqual({ included: ['anna', 'ben'], excluded: ['carl'] })
    expect(world.flag('b').enabled).toBe(true)
  })

  it('changes nothing where an empty list was named', () => {
    const past = now()
    world.commit(setEnabled(env, 'a', true))
    const change = world.commit(back({ flags: [] }, past))
    expect([change.edits.size, change.result]).toEqual([0, []])
  })

  it('removes what was not there', () => {
    const past = now()
    world.commit(createFlag(world.project, { key: 'later', type: 'boolean' }))
    world.commit(putSegment(env, 'new', {}, {}))
    world.commit(back({ flags: ['later'], segments: ['new'] }, past))
    expect(textOf()).toBe(textOf(past))
    world.commit(commitAll(env, [{ op: 'put', kind: 'flag', key: 'later', definition: base as never }]))
    expect(world.flag('later').enabled).toBe(false)
  })

  it('is refused where a segment is gone that the flag named then, until it is named too', () => {
    named('a', 'beta')
    const past = now()
    world.commit(patchConfiguration(env, 'a', { rules: [] }, ANY))
    world.commit(deleteSegment(env, 'beta', ANY))
    expect(faultsOf(() => world.run(back({ flags: ['b', 'a'] }, past)))).toEqual([
      '/flags/1: The flag "a" as it was at /rules/0/when: There is no segment "beta" in this environment. Name the segment too, so that it goes back as well.',
    ])
    world.commit(back({ flags: ['b', 'a'], segments: ['beta'] }, past))
    expect(textOf()).toBe(textOf(past))
  })

  it('is refused where a prerequisite is gone, or a variant of it, until it is named too', () => {
    world.commit(patchConfiguration(env, 'b', { variants: { extra: true } }, ANY))
    world.commit(patchConfiguration(env, 'a', { prerequisites: [{ flag: 'b', variants: ['extra'] }] }, ANY))
    const past = now()
    world.commit(patchConfiguration(env, 'a', { prerequisites: [] }, ANY))
    world.commit(patchConfiguration(env, 'b', { variants: { extra: null } }, ANY))
    const advice = 'Name that flag too, so that it goes back as well.'
    expect(faultsOf(() => world.run(back({ flags: ['a'] }, past)))).toEqual([
      `/flags/0: The flag "a" as it was at /prerequisites/0/variants/0: The flag "b" has no variant "extra". ${advice}`,
    ])
    world.commit(commitAll(env, [{ op: 'delete', kind: 'flag', key: 'b' }]))
    expect(faultsOf(() => world.run(back({ flags: ['a'] }, past)))).toEqual([
      `/flags/0: The flag "a" as it was at /prerequisites/0/flag: There is no flag "b" in this environment. ${advice}`,
    ])
    world.commit(back({ flags: ['a', 'b'] }, past))
    expect(textOf()).toBe(textOf(past))
  })

  it('is refused where a flag requires a variant that goes', () => {
    const past = now()
    world.commit(patchConfiguration(env, 'b', { variants: { extra: true } }, ANY))
    world.commit(patchConfiguration(env, 'a', { prerequisites: [{ flag: 'b', variants: ['extra'] }] }, ANY))
    expect(faultsOf(() => world.run(back({ flags: ['b'] }, past)))).toEqual([
      '/flags/0: The flag "b" as it was at /variants: The flag "a" requires the variant "extra"; keep it, or change that flag first.',
    ])
  })

  it('is refused where what goes away is still named', () => {
    const past = now()
    world.commit(createFlag(world.project, { key: 'later', type: 'boolean' }))
    world.commit(putSegment(env, 'new', {}, {}))
    named('a', 'new')
    world.commit(patchConfiguration(env, 'a', { prerequisites: [{ flag: 'later', variants: ['on'] }] }, ANY))
    expect(pointersOf(() => world.run(back({ flags: ['b', 'later'] }, past)), 'flag-required')).toEqual([
      '/flags/1',
    ])
    expect(pointersOf(() => world.run(back({ segments: ['new'] }, past)), 'segment-referenced')).toEqual([
      '/segments/0',
    ])
  })

  it('is refused where it makes a cycle of prerequisites or of segments', () => {
    world.commit(patchConfiguration(env, 'a', { prerequisites: [{ flag: 'b', variants: ['on'] }] }, ANY))
    world.commit(putSegment(env, 'x', { when: { segment: 'beta' } }, {}))
    const past = now()
    world.commit(patchConfiguration(env, 'a', { prerequisites: [] }, ANY))
    world.commit(patchConfiguration(env, 'b', { prerequisites: [{ flag: 'a', variants: ['on'] }] }, ANY))
    world.commit(putSegment(env, 'x', {}, ANY))
    world.commit(putSegment(env, 'beta', { when: { segment: 'x' } }, ANY))
    expect(faultsOf(() => world.run(back({ flags: ['a'], segments: ['x'] }, past)))).toEqual([
      '/flags/0: The flag "a" as it was at /prerequisites/0/flag: This makes a cycle: a → b → a. Name that flag too, so that it goes back as well.',
      '/segments/0: The segment "x" as it was at /when: This makes a cycle: x → beta → x. Name the segment too, so that it goes back as well.',
    ])
  })

  it('is refused for a flag that is archived or deleted by now', () => {
    const past = now()
    world.commit(archiveFlag(world.project, 'a'))
    expect(pointersOf(() => world.run(back({ flags: ['b', 'a'] }, past)), 'flag-archived')).toEqual([
      '/flags/1',
    ])
    world.commit(unarchiveFlag(world.project, 'a'))
    world.commit(back({ flags: ['a'] }, past))
    world.commit(archiveFlag(world.project, 'a'))
    world.commit(deleteFlag(world.project, 'a', ANY))
    expect(faultsOf(() => world.run(back({ flags: ['a'] }, past)), 'flag-not-found')).toEqual([
      '/flags/0: The flag "a" was deleted; its key stays reserved.',
    ])
  })

  it('is refused for what neither is nor was, with the nearest key', () => {
    const past = now()
    const unknown = problemOf(() => world.run(back({ flags: ['b', 'bb'] }, past)))
    expect([unknown.type, unknown.details]).toEqual([
      'flag-not-found',
      {
        didYouMean: 'b',
        errors: [{ pointer: '/flags/1', message: 'There is no flag "bb". Did you mean "b"?' }],
      },
    ])
    const segment = problemOf(() => world.run(back({ segments: ['betta'] }, past)))
    expect([segment.type, segment.details.didYouMean]).toEqual(['segment-not-found', 'beta'])
    world.commit(commitAll(env, [{ op: 'delete', kind: 'flag', key: 'b' }]))
    expect(faultsOf(() => world.run(back({ flags: ['b'] })), 'flag-not-found')).toEqual([
      '/flags/0: The flag "b" has no configuration here, and had none.',
    ])
  })

  it.each<[string, unknown, string[]]>([
    ['what is no object', 7, ['']],
    ['a field that there is not', { flag: ['a'] }, ['/flag']],
    ['a list that is none', { flags: 'a' }, ['/flags']],
    ['a key that is none', { flags: ['a', 7], segments: [''] }, ['/flags/1', '/segments/0']],
    ['a key twice', { flags: ['a', 'b', 'a'] }, ['/flags/2']],
    ['what cannot be kept', { flags: ['a\0'] }, ['/flags/0', '/flags/0']],
  ])('is refused with a pointer to %s', (_what, input, pointers) => {
    expect(pointersOf(() => world.run(back(input as never)))).toEqual(pointers)
  })

  it('is refused where the environment would outgrow its size', () => {
    const past = now()
    world.commit(deleteSegment(env, 'beta', ANY))
    world.fill(env, 32 * 1024 * 1024)
    expect(pointersOf(() => world.run(back({ segments: ['beta'] }, past)))).toEqual([''])
  })
})
