/** Instances that tell of themselves on a board, that they end, and that they are missed. */
import { expect, it } from 'vitest'
import type { Noticeboard } from '../../../server/live/noticeboard.ts'
import { createPresence } from '../../../server/live/presence.ts'
import { Clock, settled } from './support.ts'

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

/** A board that puts up what it was given when it is told to, in any order: as a database with several connections. */
function slowBoard() {
  const up = new Map<string, string>()
  const coming: (() => void)[] = []
  const board: Noticeboard = {
    put: (name, text) =>
      new Promise((resolve) => {
        coming.push(() => {
          up.set(name, text)
          resolve()
        })
      }),
    all: async () => [...up.values()],
    remove: async (name) => void up.delete(name),
  }
  return { board, up, coming }
}

it('says last of all that it ends, however long it takes to say what it was saying', async () => {
  const { board, up, coming } = slowBoard()
  const self = { id: 'one', version: '1.0.0' }
  const presence = createPresence({ board, self, environments: () => ({}), clock: new Clock() })
  presence.start()
  await settled()
  const stopped = presence.stop()
  await settled()
  // The newest first.
  while (coming.length > 0) {
    coming.pop()?.()
    await settled()
  }
  await stopped
  expect(JSON.parse(up.get('one') ?? '')).toEqual({ ended: 'one' })
})
