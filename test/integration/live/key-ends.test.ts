/** When a key ends: at the instant, for requests, tokens and open streams, and on every instance within two seconds. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { createApiKey } from '../../../server/domain/api-keys.ts'
import { SYSTEM } from '../../../server/domain/change.ts'
import { createSdkKey, revokeSdkKey, rotateSdkKey } from '../../../server/domain/sdk-keys.ts'
import type { LiveDeps } from '../../../server/live/create.ts'
import type { Live } from '../../../server/live/live.ts'
import { openPostgres } from '../../../server/store/postgres.ts'
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts'
import { secondsSince, until } from '../../support/until.ts'
import { Clock, Peer } from '../../unit/live/support.ts'
import { ACTOR, openLive, openProject } from './support.ts'

/** Of the event loop: an instance looks at its streams, and at what others wrote, once in each. */
const TWO_SECONDS = 2
const random = () => crypto.getRandomValues(new Uint8Array(32))

let database: FreshDatabase
const opened: { close(): Promise<void> }[] = []
beforeAll(async () => {
  database = await freshDatabase()
})
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close()
})
afterAll(() => database.drop())

/** An instance that hears of others by its poll of a second alone. */
async function instance(over: Partial<LiveDeps> = {}): Promise<Live> {
  const clock = over.clock ?? { now: () => Date.now() }
  const store = await openPostgres({ url: database.url, connections: 4, clock })
  const live = openLive({ ...store, listen: async () => async () => {} }, { pollMs: 1_000, ...over })
  opened.push(store, live)
  await live.start()
  return live
}

const commit = <R>(live: Live, log: string, edit: Parameters<typeof live.commit<R>>[0]['edit']) =>
  live.commit<R>({ scope: { path: [log] }, actor: ACTOR, edit })

/** A stream of each sort. */
function streamsOf(live: Live, environment: string, keyId: string): readonly Peer[] {
  const [server, refetch] = [new Peer(), new Peer()]
  live.openStream(environment, keyId, undefined, server)
  live.openRefetchStream(environment, keyId, 'server', refetch)
  return [server, refetch]
}

it('a key ends at the instant of its expiry, and its open streams within two seconds of it', async () => {
  const clock = new Clock(Date.now())
  const live = await instance({ clock })
  const { project, environment } = await openProject(live)
  const end = clock.time + 60_000
  const expiresAt = new Date(end).toISOString()
  const input = { kind: 'server', name: 'app', expiresAt } as const
  const sdk = (await commit(live, project, createSdkKey(project, environment, input, random()))).result
  const grants = [{ role: 'admin' }] as const
  const api = (await commit(live, SYSTEM, createApiKey({ name: 'ci', grants, expiresAt }, random()))).result
  const keys = [sdk, api]
  const token = live.streamToken(environment, sdk.document.id, 'server')

  clock.time = end - 1
  for (const { secret, document } of keys) {
    expect(await live.authenticate(secret)).toMatchObject({ keyId: document.id })
    expect(live.recognise(secret)).toMatchObject({ keyId: document.id })
  }
  expect(live.verifyStreamToken(token)).toMatchObject({ keyId: sdk.document.id })
  const peers = streamsOf(live, environment, sdk.document.id)
  // Long enough for a look at all streams: they stay until the end.
  await sleep(1_100)
  expect(peers.map(({ ended }) => ended)).toEqual([false, false])

  clock.time = end
  for (const { secret } of keys) {
    expect(live.recognise(secret)).toBeUndefined()
    expect(await live.authenticate(secret)).toBe('unknown')
  }
  expect(live.verifyStreamToken(token)).toBeUndefined()
  const seconds = secondsSince(Date.now())
  await until('the streams are cut', () => peers.every(({ ended }) => ended))
  expect(seconds()).toBeLessThanOrEqual(TWO_SECONDS)
  expect(live.metrics.streamsRevoked).toBe(2)
})

it.each<
  [string, (project: string, environment: string, id: string) => Parameters<Live['commit']>[0]['edit']]
>([
  ['revoked', revokeSdkKey],
  [
    'rotated without a grace',
    (project, environment, id) => rotateSdkKey(project, environment, id, { graceSeconds: 0 }, random()),
  ],
])(
  'a key that is %s on one instance ends on another within two seconds, though nobody tells it',
  async (_, ending) => {
    const [one, other] = [await instance(), await instance()]
    const { project, environment } = await openProject(one)
    const input = { kind: 'server', name: 'app' } as const
    const { document, secret } = (
      await commit(one, project, createSdkKey(project, environment, input, random()))
    ).result
    await until('the other instance holds the environment', () => other.live(environment))
    expect(await other.authenticate(secret)).toMatchObject({ keyId: document.id })
    const peers = [one, other].flatMap((live) => streamsOf(live, environment, document.id))

    await commit(one, project, ending(project, environment, document.id))
    const seconds = secondsSince(Date.now())
    expect(one.recognise(secret)).toBeUndefined()
    expect(peers.slice(0, 2).every(({ ended }) => ended)).toBe(true)
    const gone = () => other.recognise(secret) === undefined && peers.every(({ ended }) => ended)
    await until('the key has ended elsewhere', gone)
    expect(seconds()).toBeLessThanOrEqual(TWO_SECONDS)
    expect(await other.authenticate(secret)).toBe('unknown')
  },
)
