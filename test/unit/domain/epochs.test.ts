import { compareStates, type State } from '@halyard/sdk/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { type EpochDocument, knowsOfMoreKills, reopen, WentBack } from '../../../server/domain/epochs.ts'
import { createFlag, entriesOf, kill, killOf, setEnabled, unkill } from '../../../server/domain/index.ts'
import { NOW, World } from './world.ts'

let world: World
let env: string
/** The log as the backup has it. */
let backup: ReturnType<World['view']>
const SECOND = Math.floor(NOW / 1000)

beforeEach(() => {
  world = World.started()
  env = world.environment()
  for (const key of ['a', 'b', 'c']) world.commit(createFlag(world.project, { key, type: 'boolean' }))
  world.commit(kill(env, 'a'))
  backup = world.view(env)
})

const restore = () => world.logs.set(env, backup)
const opened = () =>
  world.state(env).entries.get('epoch')?.get('opened')?.definition as EpochDocument | undefined
const at = ({ epoch, revision }: State) => ({ epoch, revision })
/** The log after some kills that the backup does not have. */
const withKills = (...flags: string[]): State => {
  for (const flag of flags) world.commit(kill(env, flag))
  return world.state(env)
}

describe('a log that is behind what was seen', () => {
  it('goes on in an epoch of this second, with its own revision, and says what was seen and found', () => {
    world.commit(setEnabled(env, 'b', true))
    const seen = world.state(env)
    restore()
    const change = world.commit(reopen(env, seen))
    expect(change).toMatchObject({ action: 'log.epoch', result: { opened: true, killedAgain: [] } })
    expect(at(world.state(env))).toEqual({ epoch: SECOND, revision: backup.state.revision + 1 })
    expect(opened()).toEqual({ seen: at(seen), found: at(backup.state) })
    expect(compareStates(world.state(env), seen)).toBeGreaterThan(0)
  })

  it('goes beyond every epoch that was, however the clock stands', () => {
    const ahead = { ...world.state(env), epoch: SECOND + 90, revision: 3 }
    restore()
    world.commit(reopen(env, ahead))
    expect(world.state(env).epoch).toBe(SECOND + 91)

    const view = world.view(env)
    const late = { ...view, state: { ...view.state, epoch: SECOND + 200 } }
    world.logs.set(env, late)
    world.now -= 1_000_000
    world.commit(reopen(env, { ...late.state, revision: late.state.revision + 1 }))
    expect(world.state(env).epoch).toBe(SECOND + 201)
  })

  it('is killed again where it was, by the very same kills, and keeps those that it has', () => {
    const first = killOf(world.state(env), 'a')
    const seen = withKills('c', 'b')
    restore()
    const { result } = world.commit(reopen(env, seen))
    expect(result.killedAgain).toEqual(['b', 'c'])
    for (const flag of ['b', 'c']) expect(killOf(world.state(env), flag)).toEqual(killOf(seen, flag))
    expect(killOf(world.state(env), 'a')).toEqual(first)
  })

  it('has the later kill of two that one flag had', () => {
    world.commit(unkill(env, 'a'))
    const seen = withKills('a')
    restore()
    world.commit(reopen(env, seen))
    expect(killOf(world.state(env), 'a')).toEqual(killOf(seen, 'a'))
  })

  it('stays killed where only the end of a kill was lost', () => {
    world.commit(unkill(env, 'a'))
    const seen = world.state(env)
    restore()
    world.commit(reopen(env, seen))
    expect(killOf(world.state(env), 'a')).toEqual(killOf(backup.state, 'a'))
  })

  it('may be any log', () => {
    const seen = { ...world.state(world.project), revision: world.state(world.project).revision + 5 }
    expect(world.commit(reopen(world.project, seen)).result.opened).toBe(true)
    expect(entriesOf(world.state(world.project), 'identity').size).toBe(3)
  })

  it('may go back once more', () => {
    const seen = withKills('b')
    restore()
    world.commit(reopen(env, seen))
    const second = world.state(env)
    restore()
    world.now += 1_000
    world.commit(reopen(env, second))
    expect(world.state(env).epoch).toBe(second.epoch + 1)
    expect(opened()).toEqual({ seen: at(second), found: at(backup.state) })
    expect(killOf(world.state(env), 'b')).toEqual(killOf(seen, 'b'))
  })
})

describe('a log that somebody else has brought forward', () => {
  it('is left as it is by who has seen no more, or as much', () => {
    const earlier = withKills('b')
    const seen = withKills('c')
    restore()
    world.commit(reopen(env, seen))
    for (const same of [seen, earlier]) {
      expect(knowsOfMoreKills(world.state(env), same)).toBe(false)
      expect(world.commit(reopen(env, same)).edits.size).toBe(0)
    }
  })

  it('gets the kills that only another has seen, in the same epoch, once', () => {
    const less = withKills('b')
    const more = withKills('c')
    restore()
    world.commit(reopen(env, less))
    const { epoch } = world.state(env)
    expect(knowsOfMoreKills(world.state(env), more)).toBe(true)
    const { result } = world.commit(reopen(env, more))
    expect(result).toEqual({ opened: false, killedAgain: ['c'] })
    expect(killOf(world.state(env), 'c')).toEqual(killOf(more, 'c'))
    expect(world.state(env).epoch).toBe(epoch)
    expect(opened()).toEqual({ seen: at(more), found: at(backup.state) })
    expect(knowsOfMoreKills(world.state(env), more)).toBe(false)
    expect(world.commit(reopen(env, more)).edits.size).toBe(0)
  })

  it('gets back no kill that was ended since, and loses none that was given since', () => {
    const less = withKills('b')
    const more = withKills('c')
    restore()
    world.commit(reopen(env, less))
    world.commit(unkill(env, 'b'))
    const later = world.commit(kill(env, 'c')).result.kill
    expect(knowsOfMoreKills(world.state(env), more)).toBe(false)
    world.commit(reopen(env, more))
    expect(killOf(world.state(env), 'b')).toBeUndefined()
    expect(killOf(world.state(env), 'c')).toEqual(later)
  })

  it('gets every kill of an epoch that who brought it forward did not know of', () => {
    const less = withKills('b')
    const unknown = { ...withKills('c'), epoch: 2 }
    restore()
    world.commit(reopen(env, less))
    expect(knowsOfMoreKills(world.state(env), unknown)).toBe(true)
    expect(world.commit(reopen(env, unknown)).result.killedAgain).toEqual(['c'])
  })
})

describe('a log that is not behind', () => {
  it('is left as it is', () => {
    const seen = world.state(env)
    expect(world.commit(reopen(env, seen)).result).toEqual({ opened: false, killedAgain: [] })
    world.commit(setEnabled(env, 'b', true))
    expect(world.commit(reopen(env, seen)).edits.size).toBe(0)
    expect(opened()).toBeUndefined()
  })

  it('gets back no kill that was ended within its epoch, whatever was before that', () => {
    const first = withKills('b')
    restore()
    world.commit(reopen(env, first))
    const seen = withKills('c')
    world.commit(unkill(env, 'c'))
    expect(knowsOfMoreKills(world.state(env), seen)).toBe(false)
    expect(world.commit(reopen(env, seen)).edits.size).toBe(0)
  })
})

it('a commit that finds logs behind says which', () => {
  const error = new WentBack(['env_1', 'prj_1'])
  expect(error).toMatchObject({ name: 'WentBack', logs: ['env_1', 'prj_1'] })
  expect(error.message).toContain('env_1, prj_1')
})
