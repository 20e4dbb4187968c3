import type { IncomingMessage } from 'node:http'
import { expect, it } from 'vitest'
import { createTurns } from '../../../server/http/turns.ts'

const READ = { method: 'GET', url: '/api/v1/projects' }
const MOST = 16
const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

/** A listener that notes who was taken up, and a clock that stands still until it is set. */
function listening() {
  const clock = { at: 0, now: () => clock.at }
  const turns = createTurns(clock)
  const taken: (string | undefined)[] = []
  const listener = turns.of(({ url }) => taken.push(url))
  const ask = (request: Pick<IncomingMessage, 'method' | 'url'>) =>
    listener(request as IncomingMessage, {} as Parameters<typeof listener>[1])
  return { turns, clock, taken, ask }
}

it('takes up so many at once; the rest wait for the next turn of the loop, in their order', async () => {
  const { taken, ask } = listening()
  const all = Array.from({ length: 2 * MOST + 3 }, (_, index) => `/api/v1/projects?${index}`)
  for (const url of all) ask({ ...READ, url })
  expect(taken).toEqual(all.slice(0, MOST))
  while (taken.length < all.length) await nextTurn()
  expect(taken).toEqual(all)
})

it.each([
  ['PUT', '/api/v1/projects/default/environments/production/flags/checkout/kill'],
  ['POST', '/api/v1/projects/default/environments/production/flags/checkout/kill?wait=none'],
  ['POST', '/kill/default/production/checkout'],
  ['POST', '/api/v1/projects/default/environments/production/kills'],
  ['GET', '/api/v1/projects/default/environments/production/kills/abc'],
  ['GET', '/health/ready'],
])('lets %s %s wait for nobody', (method, url) => {
  const { taken, ask } = listening()
  for (let request = 0; request < MOST + 1; request++) ask(READ)
  ask({ method, url })
  ask(READ)
  expect(taken).toHaveLength(MOST + 1)
  expect(taken.at(-1)).toBe(url)
})

it('takes up fewer where turns are long', async () => {
  const { taken, ask, clock } = listening()
  for (let request = 0; request < 5 * MOST; request++) ask(READ)
  const steps: number[] = []
  while (taken.length < 5 * MOST) {
    const before = taken.length
    await nextTurn()
    clock.at += 5
    steps.push(taken.length - before)
  }
  expect(steps.slice(0, 6)).toEqual([MOST, 8, 4, 2, 1, 1])
})

it('lets connections that come one after the other go before requests that wait, for some turns', async () => {
  const { turns, taken, ask } = listening()
  for (let request = 0; request < 2 * MOST; request++) ask(READ)
  const steps: number[] = []
  while (taken.length < 2 * MOST) {
    const before = taken.length
    turns.connected()
    await nextTurn()
    steps.push(taken.length - before)
  }
  expect(steps).toEqual([0, 0, 0, 0, MOST])
})

it('takes up a request behind a connection a moment later, and none before one that came first', async () => {
  const { turns, taken, ask } = listening()
  turns.connected()
  for (const url of ['/1', '/2', '/3']) ask({ ...READ, url })
  expect(taken).toEqual([])
  await nextTurn()
  ask({ ...READ, url: '/4' })
  while (taken.length < 4) await nextTurn()
  expect(taken).toEqual(['/1', '/2', '/3', '/4'])
})

it('says how long requests had to wait, those among them that wait yet', async () => {
  const { turns, ask, clock } = listening()
  for (let request = 0; request < 2 * MOST; request++) ask(READ)
  clock.at = 100
  expect(turns.lateMs()).toBe(50)
  await nextTurn()
  expect(turns.lateMs()).toBe(100)
  expect(turns.lateMs()).toBe(0)
})
