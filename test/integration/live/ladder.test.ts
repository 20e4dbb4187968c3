import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { LiveDeps } from '../../../server/live/create.ts'
import type { Live } from '../../../server/live/live.ts'
import { nameOf } from '../../../server/live/snapshots/shelf.ts'
import type { Store } from '../../../server/store/store.ts'
import { type MemoryShelf, memoryShelf } from '../../support/memory-shelf.ts'
import { until } from '../../support/until.ts'
import { boolean } from '../../unit/live/support.ts'
import { closeEnvironment, keyFor, openLive, openProject, put, storeWithFlag, switched } from './support.ts'

const KEY = Buffer.alloc(32, 2)
const PACE = { soon: 1, apart: 1, look: 20, end: 2_000 }

let store: Store
let close: () => Promise<void>
let environment: string
let project: string
let key: { readonly text: string }
beforeAll(async () => {
  ;({ store, close, environment, project, key } = await storeWithFlag())
})
afterAll(() => close())

const opened: Live[] = []
afterEach(async () => {
  for (const live of opened.splice(0)) await live.close()
})

function open(over: Store, shelves: readonly MemoryShelf[], more: Partial<LiveDeps> = {}): Live {
  const live = openLive(over, { snapshots: { shelves, key: KEY, pace: PACE }, random: () => 0.1, ...more })
  opened.push(live)
  return live
}

/** Shelves as an instance leaves them behind. */
async function left(count = 1): Promise<MemoryShelf[]> {
  const shelves = Array.from({ length: count }, (_, index) => memoryShelf(index === 0 ? 'redis' : 'disk'))
  const live = open(store, shelves)
  await live.start()
  const names = [environment, project, 'system'].map(nameOf)
  await until('all is kept', () => shelves.every(({ kept }) => names.every((name) => kept.has(name))))
  await live.close()
  return shelves
}

const serving = (live: Live) => until('it serves', () => live.status().ready)
const sourceOf = (live: Live) =>
  live
    .status()
    .environments.find(
      ({ environment: name }) => name === `${live.live(environment)?.state.project}/production`,
    )

describe('a start while the store is away', () => {
  it('serves the newest snapshots, says so, and moves on with the store when that is back', async () => {
    const shelves = await left()
    const { faults, store: guarded } = switched(store)
    faults.all = true
    const live = open(guarded, shelves)
    const starting = live.start()
    await serving(live)
    expect(live.status()).toMatchObject({ ready: true, store: { ok: false } })
    expect(sourceOf(live)).toMatchObject({ ok: true, source: 'redis' })
    expect(live.evaluate(environment, 'a', {})).toMatchObject({ value: true })
    expect(await live.authenticate(key.text)).toMatchObject({ keyId: 'k1', environment: { id: environment } })
    expect(await live.authenticate(keyFor(environment, 'nobody').text)).toBe('unloaded')
    await put(store, environment, { 'flag/b': boolean() })

    faults.all = false
    await starting
    await until('it is the store’s', () => live.evaluate(environment, 'b', {}).value === true)
    expect(live.status().store.ok).toBe(true)
    expect(sourceOf(live)).toMatchObject({ ok: true, source: 'database' })
    expect(live.held(environment)?.provenance.get(2)?.by.id).toBe('test')
  })

  it('takes the disk’s where Redis has none, and each log from where it is newest', async () => {
    const [redis, disk] = await left(2)
    redis?.kept.delete(nameOf(environment))
    const { faults, store: guarded } = switched(store)
    faults.all = true
    const live = open(guarded, [redis!, disk!])
    void live.start()
    await serving(live)
    expect(sourceOf(live)).toMatchObject({ source: 'disk' })
  })

  it('gets up with what comes back first, where everything was away', async () => {
    const [redis] = await left()
    redis!.trouble = Promise.reject(new Error('away'))
    redis!.trouble.catch(() => undefined)
    const { faults, store: guarded } = switched(store)
    faults.all = true
    const live = open(guarded, [redis!])
    void live.start()
    await until('some tries have failed', () => live.metrics.pollFailures > 2)
    expect(live.status().ready).toBe(false)
    redis!.trouble = undefined
    await serving(live)
    expect(sourceOf(live)).toMatchObject({ ok: true, source: 'redis' })
    expect(await live.authenticate(key.text)).toMatchObject({ keyId: 'k1' })
  })

  it('takes up what others put on the shelf after it looked there', async () => {
    const [redis] = await left()
    const late = redis!.kept.get(nameOf(project))!
    redis!.kept.delete(nameOf(project))
    const { faults, store: guarded } = switched(store)
    faults.all = true
    const live = open(guarded, [redis!])
    void live.start()
    await serving(live)
    expect(await live.authenticate(key.text)).toBe('unloaded')
    redis!.kept.set(nameOf(project), late)
    await until('its keys open', async () => (await live.authenticate(key.text)) !== 'unloaded')
    expect(await live.authenticate(key.text)).toMatchObject({ keyId: 'k1' })
  })

  it('is up and not ready without the system’s log, whatever else there is', async () => {
    const [shelf] = await left()
    shelf?.kept.set(nameOf('system'), Buffer.from('garbage'))
    const { faults, store: guarded } = switched(store)
    faults.all = true
    const live = open(guarded, [shelf!])
    const starting = live.start()
    await until('some tries have failed', () => live.metrics.pollFailures > 2)
    expect(live.status().ready).toBe(false)
    expect(live.metrics.snapshotsRefused.garbage).toBe(1)
    expect(await live.authenticate(key.text)).toBe('unloaded')
    faults.all = false
    await starting
    expect(await live.authenticate(key.text)).toMatchObject({ keyId: 'k1' })
  })

  it('refuses no key of a project whose snapshot is not to be believed, nor says that there is no such project', async () => {
    const [shelf] = await left()
    shelf?.kept.delete(nameOf(project))
    const { faults, store: guarded } = switched(store)
    faults.all = true
    const live = open(guarded, [shelf!])
    void live.start()
    await serving(live)
    expect(await live.authenticate(key.text)).toBe('unloaded')
    expect(() => live.project(live.live(environment)!.state.project)).toThrow('not loaded yet')
    expect(live.project('nowhere')).toBeUndefined()
  })

  it('waits no longer than a second for a store that hangs', async () => {
    const shelves = await left()
    const hanging = new Promise<never>(() => {})
    const live = open({ ...store, heads: () => hanging, listen: () => hanging }, shelves)
    void live.start()
    await serving(live)
    expect(live.status()).toMatchObject({ store: { ok: false } })
    expect(await live.authenticate(keyFor(environment, 'nobody').text)).toBe('unloaded')
    // What hangs is not waited for at the end, either.
    opened.splice(0)
  })
})

describe('a start while the store answers', () => {
  it('serves nobody before the store was asked, and then the store’s state', async () => {
    const shelves = await left()
    await put(store, environment, { 'flag/c': boolean() })
    let release = (): void => {}
    const asked = new Promise<void>((resolve) => {
      release = resolve
    })
    const live = open({ ...store, heads: () => asked.then(() => store.heads()) }, shelves)
    const starting = live.start()
    await until('snapshots are held', () => live.held(environment) !== undefined)
    expect(live.status().ready).toBe(false)
    release()
    await starting
    expect(live.evaluate(environment, 'c', {})).toMatchObject({ value: true })
  })

  it('prepares what must be there before anybody is served', async () => {
    const live = open(store, [])
    const seen: boolean[] = []
    let failures = 2
    await live.start(async () => {
      seen.push(live.status().ready)
      expect(live.held(environment)).toBeDefined()
      if (failures-- > 0) throw new Error('not yet')
    })
    expect(seen).toEqual([false, false, false])
    expect(live.status().ready).toBe(true)
  })

  it('drops what was closed meanwhile, and its snapshot', async () => {
    const other = await openProject(store)
    const [shelf] = await left()
    await until('it is kept', () => shelf?.kept.has(nameOf(other.environment)))
    await closeEnvironment(store, other.project, other.environment)
    const live = open(store, [shelf!])
    await live.start()
    await until('it is dropped', () => live.live(other.environment) === undefined)
    await until('its snapshot is gone', () => !shelf?.kept.has(nameOf(other.environment)))
    expect(shelf?.kept.has(nameOf(other.project))).toBe(true)
  })
})
