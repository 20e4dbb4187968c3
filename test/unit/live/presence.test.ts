import { expect, it } from 'vitest'
import { createPresence } from '../../../server/live/presence.ts'
import { Clock } from './support.ts'

const OTHER = { id: 'other', version: '1.0.0', since: 0, environments: {} }

/** An instance that looks at a board on which another one told of itself. */
function house() {
  const clock = new Clock()
  let read: () => readonly string[] = () => [JSON.stringify(OTHER)]
  const presence = createPresence({
    board: { put: async () => {}, all: async () => read(), remove: async () => {} },
    self: { id: 'self', version: '1.0.0' },
    environments: () => ({}),
    clock,
  })
  return {
    known: () => presence.known(1_000),
    after(ms: number, reads: typeof read) {
      clock.time += ms
      read = reads
    },
  }
}

const away = () => {
  throw new Error('Redis is away.')
}

it('forgets an instance that was not there for minutes', async () => {
  const { known, after } = house()
  expect(await known()).toEqual(['self', 'other'])
  after(200_000, () => [])
  expect(await known()).toEqual(['self', 'other'])
  after(200_000, () => [])
  expect(await known()).toEqual(['self'])
})

it('does not forget one because nobody could be seen for long', async () => {
  const { known, after } = house()
  await known()
  after(1_000, away)
  expect(await known()).toEqual(['self', 'other'])
  after(900_000, () => [])
  expect(await known()).toEqual(['self', 'other'])
  after(400_000, () => [])
  expect(await known()).toEqual(['self'])
})
