import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { SYSTEM } from '../../../server/domain/change.ts'
import { Problem } from '../../../server/domain/problem.ts'
import type { LiveDeps } from '../../../server/live/create.ts'
import type { Live } from '../../../server/live/live.ts'
import type { Store } from '../../../server/store/store.ts'
import { until } from '../../support/until.ts'
import { boolean, Peer } from '../../unit/live/support.ts'
import { keyFor, openLive, openProject, put, storeWithFlag, switched } from './support.ts'

let store: Store
let close: () => Promise<void>
let environment: string
let key: { readonly text: string }
beforeAll(async () => {
  ;({ store, close, environment, key } = await storeWithFlag())
})
afterAll(() => close())

const opened: Live[] = []
afterEach(async () => {
  for (const live of opened.splice(0)) await live.close()
})

function open(guarded: Store, over: Partial<LiveDeps> = {}): { live: Live; errors: string[] } {
  const errors: string[] = []
  const log = {
    info: () => {},
    warn: () => {},
    error: (_fields: object, message: string) => errors.push(message),
  }
  const live = openLive(guarded, { random: () => 0.1, log, ...over })
  opened.push(live)
  return { live, errors }
}

describe('while the store does not answer', () => {
  it('a start waits for it, is not ready, refuses no key, and goes on by itself', async () => {
    const { faults, store: guarded } = switched(store)
    faults.all = true
    const { live, errors } = open(guarded)
    const starting = live.start()
    await until('some tries have failed', () => live.metrics.pollFailures > 2)
    expect(live.status()).toMatchObject({
      ready: false,
      store: { ok: false, error: expect.stringContaining('away') },
    })
    expect(await live.authenticate(key.text)).toBe('unloaded')
    expect(() => live.evaluate(environment, 'a', {})).toThrow(
      expect.objectContaining({ type: 'unavailable' }),
    )
    await expect(live.ruleset(environment, 'gzip')).rejects.toMatchObject({ type: 'unavailable' })
    expect(errors.filter((message) => message.startsWith('the store'))).toHaveLength(1)
    faults.all = false
    await starting
    expect(live.status()).toMatchObject({ ready: true, store: { ok: true } })
    expect(await live.authenticate(key.text)).toMatchObject({ keyId: 'k1' })
  })

  it('everything that is held is answered as before, known keys open, unknown ones do not', async () => {
    const { faults, store: guarded } = switched(store)
    const { live, errors } = open(guarded)
    await live.start()
    faults.all = true
    await until('the poll has noticed', () => !live.status().store.ok)
    expect(live.status().ready).toBe(true)
    expect(live.evaluate(environment, 'a', {})).toMatchObject({ value: true })
    expect(await live.authenticate(key.text)).toMatchObject({ keyId: 'k1' })
    expect(await live.authenticate(keyFor(environment, 'nobody').text)).toBe('unknown')
    expect((await live.ruleset(environment, 'identity')).body.toString()).toContain('"flag"')
    const peer = new Peer()
    live.openStream(environment, 'k1', undefined, peer)
    expect(peer.names).toEqual(['reload'])
    await expect(live.catchUp(environment)).rejects.toMatchObject({ type: 'unavailable' })
    const failures = live.metrics.pollFailures
    await until('the polls go on', () => live.metrics.pollFailures > failures + 3)
    expect(errors.filter((message) => message.startsWith('the store'))).toHaveLength(1)
  })

  it('a write that others overtook is held when it is answered, though the first read of theirs fails', async () => {
    const { faults, store: guarded } = switched(store)
    const { live } = open(guarded, { pollMs: 60_000 })
    await live.start()
    let failures = 0
    faults.only = (call) => call === 'newer' && ++failures === 1
    await put(store, environment, { 'flag/theirs': boolean() })
    await put(live, environment, { 'flag/ours': boolean() })
    expect(failures).toBeGreaterThan(0)
    expect(live.evaluate(environment, 'ours', {})).toMatchObject({ value: true })
    expect(live.evaluate(environment, 'theirs', {})).toMatchObject({ value: true })
  })

  it('what was written meanwhile is held soon after it is back', async () => {
    const { faults, store: guarded } = switched(store)
    const { live } = open(guarded)
    await live.start()
    faults.all = true
    await put(store, environment, { 'flag/later': boolean() })
    faults.all = false
    await until('it is held', () => live.evaluate(environment, 'later', {}).value === true)
    expect(live.status().store).toMatchObject({ ok: true })
  })
})

describe('an environment that fails', () => {
  it('at the start leaves the others to serve, is shown, and is loaded when it can be', async () => {
    const other = await openProject(store)
    const { faults, store: guarded } = switched(store)
    faults.only = (call, log) => call === 'load' && log === other.environment
    const { live } = open(guarded)
    await live.start()
    expect(live.evaluate(environment, 'a', {})).toMatchObject({ value: true })
    expect(live.status().ready).toBe(true)
    expect(live.status().environments).toContainEqual(
      expect.objectContaining({
        environment: `${other.key}/production`,
        ok: false,
        error: expect.stringContaining('away'),
      }),
    )
    expect(() => live.evaluate(other.environment, 'a', {})).toThrow(
      expect.objectContaining({ type: 'unavailable' }),
    )
    faults.only = undefined
    await until('it is loaded', () => live.live(other.environment))
    expect(live.status().environments.every(({ ok }) => ok)).toBe(true)
  })

  it('later keeps its last good state, is told once, and does not keep the others back', async () => {
    const other = await openProject(store)
    const { faults, store: guarded } = switched(store)
    const { live, errors } = open(guarded)
    await live.start()
    faults.only = (call, log) => call === 'newer' && log === other.environment
    await put(store, other.environment, { 'flag/a': boolean() })
    await put(store, environment, { 'flag/b': boolean() })
    await until('the healthy one has moved on', () => live.evaluate(environment, 'b', {}).value === true)
    await until('the failing one was tried again', () => live.metrics.catchUpFailures > 2)
    expect(live.held(other.environment)?.state.revision).toBe(1)
    expect(live.status().environments).toContainEqual(expect.objectContaining({ revision: 1, ok: false }))
    expect(errors).toHaveLength(1)
    faults.only = undefined
    await until('it has caught up', () => live.held(other.environment)?.state.revision === 2)
    expect(live.status().environments.every(({ ok }) => ok)).toBe(true)
  })
})

it('an environment whose reading hangs keeps no other from being polled', async () => {
  const other = await openProject(store)
  let release = (): void => {}
  const hanging = new Promise<void>((resolve) => {
    release = resolve
  })
  const slow: Store = {
    ...store,
    async newer(log, since) {
      if (log === other.environment) await hanging
      return store.newer(log, since)
    },
  }
  const { live } = open(slow)
  await live.start()
  await put(store, other.environment, { 'flag/a': boolean() })
  await put(store, environment, { 'flag/c': boolean() })
  await until('the healthy one has moved on', () => live.evaluate(environment, 'c', {}).value === true)
  const polls = live.metrics.polls
  await until('the polls go on', () => live.metrics.polls > polls + 3)
  expect(live.held(other.environment)?.state.revision).toBe(1)
  release()
  await until('it has caught up', () => live.held(other.environment)?.state.revision === 2)
})

it('a look at revisions that comes late takes nobody back, and opens no epoch', async () => {
  const other = await openProject(store)
  await put(store, other.environment, { 'flag/a': boolean() })
  const before = await store.heads()
  await put(store, other.environment, { 'flag/b': boolean() })
  let late = false
  const { live } = open({ ...store, heads: async () => (late ? before : store.heads()) })
  await live.start()
  const held = live.held(other.environment)?.state
  late = true
  const { polls } = live.metrics
  await until('it was looked late', () => live.metrics.polls > polls + 3)
  expect(live.held(other.environment)?.state).toBe(held)
  expect(live.status().environments.every(({ ok }) => ok)).toBe(true)
  expect((await store.load([other.environment]))[0]).toMatchObject({ epoch: held?.epoch, revision: 3 })
  expect(live.metrics.epochsOpened).toBe(0)
})

it('absence is no truth: without the system’s log, nothing is dropped', async () => {
  let emptied = false
  const { live, errors } = open({ ...store, heads: async () => (emptied ? [] : store.heads()) })
  await live.start()
  emptied = true
  await until('it is shown', () => !live.status().store.ok)
  expect(live.status()).toMatchObject({ ready: true, store: { error: expect.stringContaining('backup') } })
  expect(live.evaluate(environment, 'a', {})).toMatchObject({ value: true })
  expect(errors).toHaveLength(1)
  emptied = false
  await until('it is over', () => live.status().store.ok)
})

it('a log that is missing and was not closed stays for as long as its project names it', async () => {
  const other = await openProject(store)
  let lost = false
  const without = (log: unknown) => lost && log === other.environment
  const { live } = open({
    ...store,
    heads: async () => (await store.heads()).filter(({ log }) => !without(log)),
    newer: async (log, since) => (without(log) ? { kind: 'missing' } : store.newer(log, since)),
  })
  await live.start()
  await until('it is held', () => live.live(other.environment))
  lost = true
  const shown = () => live.status().environments.find(({ environment: name }) => name.startsWith(other.key))
  await until('it is shown', () => shown()?.error?.includes('backup'))
  expect(live.live(other.environment)).toBeDefined()
  await put(store, other.project, { 'environment/production': null })
  await until('it is let go', () => live.live(other.environment) === undefined)
})

it('the drain says goodbye, refuses newcomers, and is not ready', async () => {
  const { live } = open(store)
  await live.start()
  const peer = new Peer()
  live.openStream(environment, 'k1', undefined, peer)
  await live.drain()
  expect(peer.names).toEqual(['reload', 'goodbye'])
  expect(peer.ended).toBe('gracefully')
  expect(live.status()).toMatchObject({ ready: false, draining: true })
  expect(() => live.openStream(environment, 'k1', undefined, new Peer())).toThrow(Problem)
  await put(live, environment, { 'flag/drained': boolean() })
  expect(live.evaluate(environment, 'drained', {})).toMatchObject({ value: true })
})

it('closing while the store is away ends the waiting start', async () => {
  const { faults, store: guarded } = switched(store)
  faults.all = true
  const { live } = open(guarded)
  const starting = live.start()
  await until('a try has failed', () => live.metrics.pollFailures > 0)
  await live.close()
  await starting
  expect(live.held(SYSTEM)).toBeUndefined()
})
