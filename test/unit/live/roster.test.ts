import { expect, it } from 'vitest'
import { createRoster } from '../../../server/live/delivery/roster.ts'
import { haveOneShape } from '../../support/shapes.ts'
import { Clock } from './support.ts'

it('remembers no more that closed than it may, however many names are told', () => {
  const clock = new Clock()
  const roster = createRoster(clock)
  for (let at = 0; at < 100_010; at++) roster.gone({ keyId: 'a key', instance: `process ${at}`, stream: 0 })
  const departed = roster.departed(clock.now())
  expect([departed.length, departed.at(-1)]).toEqual([100_000, 'process 100009'])
})

it('knows followers of one shape, so that ten thousand are looked through in a moment', () => {
  const clock = new Clock()
  const roster = createRoster(clock)
  const names = { keyId: 'a key', app: 'shop', version: '1.0.0', sdk: 'node/1.0.0', page: false }
  const followers = Array.from({ length: 300 }, (_, at) => {
    const caller = { ...names, instance: `process ${at}`, stream: 1 }
    return roster.opened(caller, { epoch: 1, revision: 5 }, clock.now()).follower
  })
  // The first ones show V8 which fields there are, and of what kind.
  expect(haveOneShape(followers.slice(100))).toBe(true)
})
