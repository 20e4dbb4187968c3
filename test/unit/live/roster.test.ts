import { expect, it } from 'vitest'
import { createRoster } from '../../../server/live/delivery/roster.ts'
import { Clock } from './support.ts'

it('remembers no more that closed than it may, however many names are told', () => {
  const clock = new Clock()
  const roster = createRoster(clock)
  for (let at = 0; at < 100_010; at++) roster.gone({ keyId: 'a key', instance: `process ${at}`, stream: 0 })
  const departed = roster.departed(clock.now())
  expect([departed.length, departed.at(-1)]).toEqual([100_000, 'process 100009'])
})
