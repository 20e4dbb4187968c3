import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { type LogId, SYSTEM } from '../../../server/domain/change.ts'
import type { Live } from '../../../server/live/live.ts'
import { openPostgres } from '../../../server/store/postgres.ts'
import type { Store } from '../../../server/store/store.ts'
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts'
import { until } from '../../support/until.ts'
import { boolean, Peer } from '../../unit/live/support.ts'
import { closeEnvironment, keyFor, openLive, openProject, put } from './support.ts'

/** So long that nothing in these tests is found by a poll. */
const SELDOM = 60 * 60 * 1000

let database: FreshDatabase
const opened: { close(): Promise<void> }[] = []

beforeAll(async () => {
  database = await freshDatabase()
})
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close()
})
afterAll(() => database.drop())

/** An instance with a store of its own, as a process has. */
async function instance(over: { pollMs?: number; wrap?: (store: Store) => Store } = {}): Promise<Live> {
  const store = await openPostgres({ url: database.url, connections: 4 })
  opened.push(store)
  const live = openLive(over.wrap?.(store) ?? store, { pollMs: over.pollMs ?? 20 })
  opened.push(live)
  await live.start()
  return live
}

const deaf = (store: Store): Store => ({ ...store, listen: async () => async () => {} })
const revisionOf = (live: Live, environment: LogId) => live.held(environment)?.state.revision

it('a commit is held by the instance that made it before it resolves, and by the others soon', async () => {
  const [one, other] = [await instance(), await instance()]
  const { environment, key } = await openProject(one)
  expect(one.environment(key, 'production')?.id).toBe(environment)
  await put(one, environment, { 'flag/a': boolean() })
  expect(one.evaluate(environment, 'a', {})).toMatchObject({ value: true })
  await until('the other instance holds it', () => revisionOf(other, environment) === 2)
  expect(other.evaluate(environment, 'a', {})).toMatchObject({ value: true })
  expect(other.held(environment)?.provenance.get(2)?.by.id).toBe('test')
})

it('notices make changes known without a poll', async () => {
  const { environment } = await openProject(await instance())
  const [one, other] = [await instance({ pollMs: SELDOM }), await instance({ pollMs: SELDOM })]
  // The listening begins beside the load: edits until the first notice has come.
  await until('a notice has come', async () => {
    await put(one, environment, { 'flag/a': boolean({ enabled: Math.random() > 0.5 }) })
    return revisionOf(other, environment) === revisionOf(one, environment)
  })
  const { environment: fresh } = await openProject(one)
  await until('an opened log is held elsewhere', () => other.live(fresh))
  await put(one, fresh, { 'flag/a': boolean() })
  await until('its change too', () => revisionOf(other, fresh) === 2)
})

it('the poll finds every change when all notices are lost', async () => {
  const [one, other] = [await instance({ wrap: deaf }), await instance({ wrap: deaf })]
  const { project, environment } = await openProject(one)
  await put(one, environment, { 'flag/a': boolean() })
  await until('the change is held', () => revisionOf(other, environment) === 2)
  await closeEnvironment(one, project, environment)
  await until('the closed log is dropped', () => other.live(environment) === undefined)
  expect(other.environments(other.projects().find(({ id }) => id === project)!)).toEqual([])
})

it('writes nothing, and holds nothing new, in a dry run', async () => {
  const one = await instance()
  const { environment } = await openProject(one)
  const { deltas } = await put(one, environment, { 'flag/a': boolean() }, true)
  expect(deltas.get(environment)?.revision).toBe(2)
  expect(revisionOf(one, environment)).toBe(1)
})

it('a key made on one instance opens the other at once; revoked, it ends its streams everywhere', async () => {
  const [one, other] = [
    await instance({ pollMs: SELDOM, wrap: deaf }),
    await instance({ pollMs: SELDOM, wrap: deaf }),
  ]
  const { project, environment } = await openProject(one)
  const { text, document } = keyFor(environment, `k${Date.now().toString(36)}`)
  await put(one, project, { [`sdk-key/${document.id}`]: document })
  expect(await other.authenticate(text)).toMatchObject({ kind: 'server', environment: { id: environment } })

  const streams = [one, other].map((live) => {
    const peer = new Peer()
    live.openStream(environment, document.id, undefined, peer)
    return { live, peer }
  })
  const token = other.streamToken(environment, document.id, 'server')
  expect(other.verifyStreamToken(token)).toMatchObject({ keyId: document.id })
  expect(other.verifyStreamToken(other.streamToken(environment, document.id, 'client'))).toBeUndefined()
  await put(one, project, { [`sdk-key/${document.id}`]: null })
  await other.catchUp(project)
  for (const { live, peer } of streams) {
    await until('the stream ends', () => peer.ended)
    expect(live.streams()).toEqual({ server: 0, refetch: 0 })
    expect(await live.authenticate(text)).toBe('unknown')
  }
  expect(other.verifyStreamToken(token)).toBeUndefined()
})

it('a stream of one instance carries the changes of another', async () => {
  const [one, other] = [await instance(), await instance()]
  const { project, environment } = await openProject(one)
  // A stream without a key in force would be cut within a second.
  const { document } = keyFor(environment, `s${Date.now().toString(36)}`)
  await put(one, project, { [`sdk-key/${document.id}`]: document })
  await until('the log is held', () => other.live(environment))
  await other.catchUp(project)
  const peer = new Peer()
  const { epoch } = other.held(environment)!.state
  other.openStream(environment, document.id, `${epoch}-1`, peer)
  await put(one, environment, { 'flag/a': boolean() })
  await until('the delta has come', () => peer.names.includes('delta'))
  expect(JSON.parse(peer.events.find(({ event }) => event === 'delta')!.data)).toMatchObject({
    base: 1,
    revision: 2,
  })
})

it('a client that is ahead makes the instance read at once', async () => {
  const [one, other] = [await instance({ wrap: deaf }), await instance({ pollMs: SELDOM, wrap: deaf })]
  const { environment } = await openProject(one)
  await other.catchUp(environment)
  await put(one, environment, { 'flag/a': boolean() })
  const { epoch } = one.held(environment)!.state
  other.openStream(environment, 'k1', `${epoch}-2`, new Peer())
  await until('it has caught up', () => revisionOf(other, environment) === 2)
})

it('holds the system’s log, and knows its own projects, after a start on what is there', async () => {
  const one = await instance()
  const { key } = await openProject(one)
  const later = await instance()
  expect(later.held(SYSTEM)).toBeDefined()
  expect(later.environment(key, 'production')).toEqual(one.environment(key, 'production'))
  expect(later.status()).toMatchObject({ ready: true, draining: false, store: { ok: true } })
})
