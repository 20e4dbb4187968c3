import type { Json } from '@halyard/sdk/core'
import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  archiveFlag,
  createFlag,
  editMembers,
  kill,
  killFlags,
  killOf,
  putConfiguration,
  putSegment,
  setEnabled,
  unarchiveFlag,
  unkill,
} from '../../../server/domain/index.ts'
import { ANY, problemOf, World } from './world.ts'

let world: World
let env: string
const base = { variants: { on: true, off: false }, offVariant: 'off' } as const

beforeEach(() => {
  world = World.started()
  env = world.environment()
  world.commit(createFlag(world.project, { key: 'checkout', type: 'boolean' }))
})

describe('a kill', () => {
  it('is an entry of its own, and says what apps get', () => {
    const { result, action } = world.commit(kill(env, 'checkout', { comment: 'It burns' }))
    expect(action).toBe('flag.kill')
    expect(result).toEqual({
      kill: { id: expect.any(String), by: 'Anna', at: '2026-03-01T12:00:00.000Z', comment: 'It burns' },
      already: false,
      serves: { variant: 'off', value: false },
      alsoOff: [],
    })
    expect(killOf(world.state(env), 'checkout')).toEqual(result.kill)
  })

  it('is given only once: a second one answers the first', () => {
    const first = world.commit(kill(env, 'checkout')).result.kill
    world.now += 5_000
    const second = world.commit(kill(env, 'checkout', { comment: 'again' }))
    expect(second.result).toMatchObject({ kill: first, already: true })
    expect(second.edits.size).toBe(0)
  })

  it('takes the comment of the request, and mends what cannot be kept of it', () => {
    world.comment = `a\0b\ud800${'x'.repeat(3_000)}`
    const { comment } = world.commit(kill(env, 'checkout')).result.kill
    expect(comment).toBe(`a\ufffdb\ufffd${'x'.repeat(1_996)}`)
    expect(
      world.run(kill(world.environment('staging'), 'checkout', { comment: '' })).result.kill,
    ).not.toHaveProperty('comment')
  })

  it('serves the code default where there is no off variant', () => {
    world.commit(putConfiguration(env, 'checkout', { variants: base.variants }, ANY))
    expect(world.run(kill(env, 'checkout')).result.serves).toEqual({ codeDefault: true })
  })

  it('names the flags that are off with it, through others too', () => {
    const requires = (flag: string) => ({ ...base, prerequisites: [{ flag, variants: ['on'] }] })
    for (const key of ['z', 'b', 'other']) world.commit(createFlag(world.project, { key, type: 'boolean' }))
    world.commit(putConfiguration(env, 'z', requires('checkout'), ANY))
    world.commit(putConfiguration(env, 'b', requires('z'), ANY))
    expect(world.run(kill(env, 'checkout')).result.alsoOff).toEqual(['b', 'z'])
    const cyclic = { kind: 'flag', key: 'checkout', definition: requires('b') as never }
    world.apply(env, [cyclic])
    expect(world.run(kill(env, 'checkout')).result.alsoOff).toEqual(['b', 'z'])
  })

  it('works on a flag of any shape', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (anything, off) => {
        for (const definition of [
          anything,
          { ...base, rules: anything, prerequisites: off, variants: anything, offVariant: off },
        ]) {
          world.apply(env, [
            { kind: 'kill', key: 'checkout', definition: null },
            { kind: 'flag', key: 'checkout', definition: (definition ?? 0) as Json },
          ])
          const { result } = world.commit(kill(env, 'checkout'))
          expect(result.already).toBe(false)
          world.commit(unkill(env, 'checkout'))
        }
      }),
    )
  })

  it('still gives the off variant of a flag whose rules are broken', () => {
    world.apply(env, [
      { kind: 'flag', key: 'checkout', definition: { ...base, type: 'boolean', rules: 7 } as never },
    ])
    expect(world.run(kill(env, 'checkout')).result.serves).toEqual({ variant: 'off', value: false })
  })

  it('stays through every edit of the flag, and its archiving', () => {
    world.commit(kill(env, 'checkout'))
    world.commit(setEnabled(env, 'checkout', true))
    world.commit(archiveFlag(world.project, 'checkout'))
    world.commit(unarchiveFlag(world.project, 'checkout'))
    expect(killOf(world.state(env), 'checkout')).toBeDefined()
  })

  it('is refused for a flag that is unknown or archived', () => {
    const problem = problemOf(() => world.run(kill(env, 'chekout')))
    expect([problem.type, problem.details.didYouMean]).toEqual(['flag-not-found', 'checkout'])
    world.commit(archiveFlag(world.project, 'checkout'))
    expect(problemOf(() => world.run(kill(env, 'checkout'))).type).toBe('flag-archived')
  })
})

describe('a kill of several flags', () => {
  const killsOf = ({ kills }: { readonly kills: ReadonlyMap<string, { readonly already: boolean }> }) =>
    [...kills].map(([key, { already }]) => (already ? `${key}, before` : key))

  beforeEach(() => {
    const requires = (flag: string) => ({ ...base, prerequisites: [{ flag, variants: ['on'] }] })
    for (const key of ['refund', 'invoice', 'voucher'])
      world.commit(createFlag(world.project, { key, type: 'boolean' }))
    world.commit(putConfiguration(env, 'refund', requires('checkout'), ANY))
    world.commit(putConfiguration(env, 'voucher', requires('refund'), ANY))
  })

  it('is one change, and says of each what apps get, and which others are off with them', () => {
    world.now += 1_000
    const { revision } = world.state(env)
    const flags = ['refund', 'checkout', 'checkout', 'nope']
    const { result, action } = world.commit(
      killFlags(env, flags, { comment: 'It burns', ids: (flag) => `id of ${flag}` }),
    )
    expect(action).toBe('flag.kill')
    const one = { by: 'Anna', at: '2026-03-01T12:00:01.000Z', comment: 'It burns' }
    expect(result).toEqual({
      kills: new Map(
        ['checkout', 'refund'].map((key) => [
          key,
          { kill: { id: `id of ${key}`, ...one }, already: false, serves: { variant: 'off', value: false } },
        ]),
      ),
      alsoOff: ['voucher'],
    })
    expect(world.state(env).revision).toBe(revision + 1)
    expect(killOf(world.state(env), 'refund')?.id).toBe('id of refund')
    expect(killOf(world.state(env), 'voucher')).toBeUndefined()
  })

  it('leaves earlier kills as they are, and changes nothing where all are killed', () => {
    const first = world.commit(kill(env, 'checkout')).result.kill
    const { result } = world.commit(killFlags(env, ['checkout', 'invoice'], { expect: 2 }))
    expect(killsOf(result)).toEqual(['checkout, before', 'invoice'])
    expect(result.kills.get('checkout')?.kill).toEqual(first)
    expect(world.commit(killFlags(env, ['checkout', 'invoice'], { expect: 2 })).edits.size).toBe(0)
  })

  it('sent again, is told of the flags that it killed then, whichever are meant by now', () => {
    world.commit(kill(env, 'refund'))
    const killing = killFlags(env, ['checkout', 'refund', 'voucher'], { expect: 3 })
    const made = world.run(killing)
    const first = killsOf(made.result)
    expect(first).toEqual(['checkout', 'refund, before', 'voucher'])
    expect(killsOf(world.again(killing, made))).toEqual(first)
    // One lost the tag, another has it now; the number is the same, or it is not.
    expect(
      killsOf(world.again(killFlags(env, ['checkout', 'refund', 'invoice'], { expect: 3 }), made)),
    ).toEqual(first)
    expect(killsOf(world.again(killFlags(env, ['refund', 'invoice'], { expect: 3 }), made))).toEqual(first)
  })

  it('takes the whole environment, archived flags left out', () => {
    world.commit(archiveFlag(world.project, 'invoice'))
    expect(killsOf(world.commit(killFlags(env, 'all', { expect: 3 })).result)).toEqual([
      'checkout',
      'refund',
      'voucher',
    ])
  })

  it('kills none where other flags match than were thought of, and names those that do', () => {
    for (const expect of [1, 3]) killsNone(expect)
    function killsNone(count: number) {
      const problem = problemOf(() =>
        world.run(killFlags(env, ['refund', 'nope', 'checkout'], { expect: count })),
      )
      expect(problem.type).toBe('kill-count-differs')
      expect(problem.message).toContain(`2 flags match, and ${count} were expected: "checkout", "refund".`)
      expect(problem.details.matching).toEqual({ count: 2, flags: ['checkout', 'refund'] })
    }
    expect(problemOf(() => world.run(killFlags(env, ['nope']))).type).toBe('flag-not-found')
  })
})

describe('un-kill', () => {
  it('removes exactly that entry', () => {
    const { kill: first } = world.commit(kill(env, 'checkout')).result
    expect(world.commit(unkill(env, 'checkout')).result).toEqual({ ended: first, editedWhileKilled: [] })
    expect(killOf(world.state(env), 'checkout')).toBeUndefined()
    expect(world.flag('checkout')).toBeDefined()
  })

  it('ends the kill that is named, and no other', () => {
    const { id } = world.commit(kill(env, 'checkout')).result.kill
    for (const other of ['another', null]) {
      const problem = problemOf(() => world.run(unkill(env, 'checkout', { kill: other })))
      expect(problem.type).toBe('kill-changed')
      expect(problem.message).toContain(`"${id}", which is "Anna"’s of 2026-03-01T12:00:00.000Z`)
    }
    expect(world.run(unkill(env, 'checkout', { kill: id })).result.ended.id).toBe(id)
  })

  it('names the last of several kills in one, and waits for one that is not in the log', () => {
    const [first, late] = ['first', 'late'].map((id) => ({ id, by: id, at: '2026-03-01T12:00:00.000Z' }))
    world.apply(env, [{ kind: 'kill', key: 'checkout', definition: { ...first!, also: [late!] } }])
    const problem = problemOf(() => world.run(unkill(env, 'checkout', { kill: 'first' })))
    expect(problem.message).toContain('by "late"')
    expect(world.run(unkill(env, 'checkout', { kill: 'late' })).result.ended.id).toBe('first')

    const view = world.view(env)
    const pending = new Map([['checkout', [{ ...late!, id: 'later' }]]])
    world.logs.set(env, { ...view, state: { ...view.state, pending } })
    for (const definition of [{ ...first! }, null]) {
      world.apply(env, [{ kind: 'kill', key: 'checkout', definition }])
      expect(problemOf(() => world.run(unkill(env, 'checkout'))).type).toBe('unavailable')
    }
    expect(world.run(kill(env, 'checkout')).result).toMatchObject({ kill: { id: 'later' }, already: true })
  })

  it('is refused where the flag was edited since, until that is accepted', () => {
    world.commit(setEnabled(env, 'checkout', true))
    world.commit(kill(env, 'checkout'))
    expect(world.run(unkill(env, 'checkout')).result.editedWhileKilled).toEqual([])
    world.commit(setEnabled(env, 'checkout', false))
    const { revision } = world.state(env)
    const problem = problemOf(() => world.run(unkill(env, 'checkout')))
    expect(problem.type).toBe('edited-while-killed')
    expect(problem.message).toContain('these were edited: "flag checkout".')
    expect(problem.details.editedWhileKilled).toEqual([{ kind: 'flag', key: 'checkout', revision }])
    expect(
      world.commit(unkill(env, 'checkout', { acceptEdits: true })).result.editedWhileKilled,
    ).toHaveLength(1)
    expect(killOf(world.state(env), 'checkout')).toBeUndefined()
  })

  it('is refused where a segment was edited that the flag uses, be it through another', () => {
    const when = (segment: string) => ({ segment })
    for (const key of ['inner', 'outer', 'other']) world.commit(putSegment(env, key, {}, {}))
    world.commit(putSegment(env, 'outer', { when: when('inner') }, ANY))
    const rules = [{ id: 'r', when: when('outer'), serve: { variant: 'on' } }]
    world.commit(putConfiguration(env, 'checkout', { ...base, rules }, ANY))
    const add = (segment: string, unit: string) =>
      world.commit(editMembers(env, segment, { included: { add: [unit] } }))
    for (const segment of ['inner', 'other']) for (const unit of ['a', 'b', 'c']) add(segment, unit)
    world.commit(kill(env, 'checkout'))
    world.commit(putSegment(env, 'other', { ignoreCase: true }, ANY))
    add('other', 'd')
    expect(world.run(unkill(env, 'checkout')).result.editedWhileKilled).toEqual([])

    world.commit(putSegment(env, 'outer', { when: { not: when('inner') } }, ANY))
    const outer = world.state(env).revision
    for (const unit of ['d', 'e']) add('inner', unit)
    const inner = world.state(env).revision
    const { editedWhileKilled } = problemOf(() => world.run(unkill(env, 'checkout'))).details
    expect(editedWhileKilled).toEqual([
      { kind: 'segment', key: 'outer', revision: outer },
      { kind: 'members', key: 'inner', revision: inner },
    ])
  })

  it('says when and by whom it was edited, and knows by that a kill that came into the log later', () => {
    world.commit(setEnabled(env, 'checkout', true))
    const { revision } = world.state(env)
    world.commit(kill(env, 'checkout'))
    const written = (at: number) => (asked: number) => {
      expect(asked).toBe(revision)
      return { at, by: 'Bob' }
    }
    const ofKill = Date.parse('2026-03-01T12:00:00Z')
    expect(world.run(unkill(env, 'checkout', { writtenBy: written(ofKill) })).result.ended.by).toBe('Anna')
    const problem = problemOf(() => world.run(unkill(env, 'checkout', { writtenBy: written(ofKill + 5) })))
    expect(problem.details.editedWhileKilled).toEqual([
      { kind: 'flag', key: 'checkout', revision, at: '2026-03-01T12:00:00.005Z', by: 'Bob' },
    ])
  })

  it('of what is not killed is a conflict', () => {
    expect(problemOf(() => world.run(unkill(env, 'checkout'))).type).toBe('not-killed')
    expect(problemOf(() => world.run(unkill(env, 'nope'))).type).toBe('flag-not-found')
  })

  it('works for a flag that is archived by now', () => {
    world.commit(kill(env, 'checkout'))
    world.commit(archiveFlag(world.project, 'checkout'))
    expect(world.commit(unkill(env, 'checkout')).result.ended.by).toBe('Anna')
  })
})
