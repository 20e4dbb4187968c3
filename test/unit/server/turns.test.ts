import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, Socket } from 'node:net'
import { expect, it } from 'vitest'
import { createTurns, queuedMsOf } from '../../../server/http/turns.ts'

const READ = { method: 'GET', url: '/api/v1/projects' }
const MOST = 16
const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

/** A listener that notes who was taken up, and a clock that stands still until it is set. */
function listening() {
  const clock = { at: 0, now: () => clock.at }
  const turns = createTurns(clock)
  const taken: (string | undefined)[] = []
  const listener = turns.of(({ url }) => taken.push(url))
  const ask = (request: Pick<IncomingMessage, 'method' | 'url'> & { readonly socket?: Socket }) =>
    listener({ socket: new Socket(), ...request } as IncomingMessage, {} as Parameters<typeof listener>[1])
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
    turns.connected(new Socket())
    await nextTurn()
    steps.push(taken.length - before)
  }
  expect(steps).toEqual([...Array(24).fill(0), MOST])
})

it('lets fewer of them go first where thousands of requests wait', async () => {
  const { turns, taken, ask } = listening()
  for (let request = 0; request < MOST + 4_096; request++) ask(READ)
  const steps: number[] = []
  while (steps.length < 5) {
    const before = taken.length
    turns.connected(new Socket())
    await nextTurn()
    steps.push(taken.length - before)
  }
  expect(steps).toEqual([0, 0, 0, 0, MOST])
})

it('tells of a kill how long its connection may have waited behind others, and only of its first request', async () => {
  const { turns, clock } = listening()
  const told: number[] = []
  const listener = turns.of((request) => told.push(queuedMsOf(request)))
  const kill = { method: 'PUT', url: '/api/v1/projects/default/environments/production/flags/checkout/kill' }
  const ask = (socket: Socket, request: Pick<IncomingMessage, 'method' | 'url'> = kill) =>
    listener({ socket, ...request } as IncomingMessage, {} as Parameters<typeof listener>[1])
  for (let turn = 0; turn < 30; turn++) {
    turns.connected(new Socket())
    await nextTurn()
    clock.at += 10
  }
  const [killer, other, alone] = [new Socket(), new Socket(), new Socket()]
  turns.connected(killer)
  turns.connected(other)
  ask(killer)
  ask(killer)
  expect(told).toEqual([300, 0])
  await nextTurn()
  await nextTurn()
  // A turn has gone by in which nobody came: nobody is behind.
  turns.connected(alone)
  ask(alone)
  expect(told).toEqual([300, 0, 0])
})

it('takes up a request behind a connection a moment later, and none before one that came first', async () => {
  const { turns, taken, ask } = listening()
  turns.connected(new Socket())
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

/** A server, and a connection that sends it so many requests at once, on which it has answered as many as are told. */
async function piped(count: number) {
  const turns = createTurns()
  const taken: (string | undefined)[] = []
  const server = createServer(
    turns.of((request, response) => {
      taken.push(request.url)
      response.end()
    }),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.on('data', (bytes) => {
    text += bytes
  })
  socket.on('error', () => {})
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.write('GET /piped HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(count))
  return { server, port, socket, taken, ended, answers: () => text.split('HTTP/1.1 200').length - 1 }
}

it('answers all requests that a connection sends ahead, in reason', async () => {
  const { server, socket, answers } = await piped(60)
  await expect.poll(answers).toBe(60)
  socket.destroy()
  server.close()
})

it('ends a connection that sends thousands ahead, and others are answered', async () => {
  const { server, port, taken, ended } = await piped(20_000)
  await ended
  const fetched = await fetch(`http://127.0.0.1:${port}/other`)
  expect(fetched.status).toBe(200)
  expect(taken.length).toBeLessThan(1_000)
  expect(taken.at(-1)).toBe('/other')
  server.closeAllConnections()
  server.close()
})

it('takes up nothing of a connection that is gone', async () => {
  const { taken, ask } = listening()
  const socket = new Socket()
  for (let request = 0; request < MOST; request++) ask({ ...READ, url: '/first' })
  for (let request = 0; request < 3; request++) ask({ ...READ, url: '/gone', socket })
  ask({ ...READ, url: '/last' })
  socket.destroy()
  while (taken.length < MOST + 1) await nextTurn()
  expect(taken.slice(MOST)).toEqual(['/last'])
})
