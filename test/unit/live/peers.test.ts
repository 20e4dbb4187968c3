/** Notices that go from instance to instance directly, over real HTTP. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import type { Notice } from '../../../server/domain/notice.ts'
import { createPeers, type Peer } from '../../../server/live/peers.ts'
import { until } from '../../support/until.ts'

const KEY = Buffer.alloc(32, 7)

function instance(id: string, peers: readonly Peer[], key = KEY) {
  const heard: Notice[] = []
  const self = { id, version: '1.0.0', since: 0, environments: {} }
  const it = createPeers({
    ...{ peers: () => peers, self: () => self, onPeer: () => {}, key },
    ...{ needed: () => false, account: () => '{}', answer: async () => '' },
    onNotice: (notice) => heard.push(notice),
    ...{ onKills: async () => true, clock: { now: () => Date.now() } },
  })
  return { it, heard }
}

/** An address at which an instance takes messages; those that it does not believe are refused. */
async function listening(of: ReturnType<typeof instance>) {
  const messages: string[] = []
  let held: Promise<unknown> = Promise.resolve()
  const server = createServer(async (request, response) => {
    const message = String((await request.toArray()).join(''))
    await held
    messages.push(message)
    const answer = await of.it.receive(message)
    response.writeHead(answer === undefined ? 401 : 200).end(answer)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return {
    messages,
    peer: { id: 'other', address: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
    holds(until: Promise<unknown>) {
      held = until
    },
  }
}

const at = (revision: number, log = 'env_1'): Notice => ({ log, epoch: 1, revision })

it('tells where there is something newer, to whoever can be reached', async () => {
  const other = instance('other', [])
  const { peer } = await listening(other)
  const dead = { id: 'dead', address: 'http://127.0.0.1:1' }
  const nowhere = { id: 'nowhere', address: 'no address' }
  instance('one', [nowhere, dead, peer]).it.notify(at(7))
  await until('it is heard', () => other.heard.length > 0)
  expect(other.heard).toEqual([at(7)])
})

it('tells of many edits at once, and of each log the newest, while it waits for an answer', async () => {
  const other = instance('other', [])
  const { peer, messages, holds } = await listening(other)
  let release = () => {}
  holds(new Promise<void>((resolve) => (release = resolve)))
  const one = instance('one', [peer])
  for (let revision = 1; revision <= 100; revision++) one.it.notify(at(revision))
  one.it.notify(at(3, 'project_1'))
  release()
  await until('all is heard', () => other.heard.length >= 3)
  expect(other.heard).toEqual([at(1), at(100), at(3, 'project_1')])
  expect(messages).toHaveLength(2)
})

it('hears nothing of another installation', async () => {
  const other = instance('other', [])
  const { peer, messages } = await listening(other)
  instance('one', [peer], Buffer.alloc(32, 8)).it.notify(at(7))
  await until('it has come', () => messages.length > 0)
  expect(other.heard).toEqual([])
})
