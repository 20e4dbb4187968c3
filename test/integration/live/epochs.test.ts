/** A database that is put back to an older state under running instances, or between two starts. */
import { randomBytes } from 'node:crypto'
import { compareStates } from '@halyard/sdk/core'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { type LogId, SYSTEM } from '../../../server/domain/change.ts'
import { reopen } from '../../../server/domain/epochs.ts'
import type { Live } from '../../../server/live/live.ts'
import { nameOf } from '../../../server/live/snapshots/shelf.ts'
import { openPostgres } from '../../../server/store/postgres.ts'
import type { Store } from '../../../server/store/store.ts'
import { type MemoryShelf, memoryShelf } from '../../support/memory-shelf.ts'
import { freshDatabase } from '../../support/postgres.ts'
import { until } from '../../support/until.ts'
import { boolean, Peer } from '../../unit/live/support.ts'
import { ACTOR, closeEnvironment, keyFor, openLive, openProject, put } from './support.ts'

/** So long that nothing is found by a poll. */
const SELDOM = 60 * 60 * 1000
const PACE = { soon: 1, apart: 1, look: 20, end: 2_000 }

let url: string
let backups: string[]
const opened: { close(): Promise<void> }[] = []

beforeEach(async () => {
  ;({ url } = await freshDatabase())
  backups = []
})
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close()
  await onServer([...backups, nameIn(url)].map((name) => `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`))
})

const nameIn = (database: string): string => new URL(database).pathname.slice(1)

async function onServer(statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: inject('postgresUrl') })
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}

const endSessions = (name: string): string =>
  `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`

/** @returns the function that puts the database back to how it is now */
async function backup(): Promise<() => Promise<void>> {
  const name = nameIn(url)
  const copy = `halyard_backup_${randomBytes(4).toString('hex')}`
  backups.push(copy)
  const copied = (from: string, to: string) => [
    `ALTER DATABASE ${from} ALLOW_CONNECTIONS false`,
    endSessions(from),
    `CREATE DATABASE ${to} TEMPLATE ${from}`,
    `ALTER DATABASE ${from} ALLOW_CONNECTIONS true`,
  ]
  await onServer(copied(name, copy))
  return () => onServer([`DROP DATABASE ${name} WITH (FORCE)`, ...copied(copy, name)])
}

type Options = {
  readonly pollMs?: number
  readonly shelves?: readonly MemoryShelf[]
  /** Whether it keeps its own states there, too. */
  readonly keeps?: boolean
  readonly wrap?: (store: Store) => Store
}

async function instance({ pollMs = 20, shelves = [], keeps = true, wrap = (one) => one }: Options = {}) {
  const store = await openPostgres({ url, connections: 4 })
  opened.push(store)
  const live = openLive(wrap(store), {
    pollMs,
    snapshots: { shelves, key: Buffer.alloc(32, 2), pace: keeps ? PACE : { ...PACE, soon: SELDOM } },
  })
  opened.push(live)
  await live.start()
  return live
}

const deaf = (store: Store): Store => ({ ...store, listen: async () => async () => {} })
const kill = (id: string) => ({ id, by: 'Ann', at: '2027-01-01T00:00:00Z' })
const tag = (live: Live, log: LogId) => {
  const { epoch, revision } = live.held(log)!.state
  return { epoch, revision }
}
const has = (live: Live, environment: LogId, kind: string, key: string) =>
  live.held(environment)?.state.entries.get(kind)?.has(key) === true
const recordsOf = async (live: Live, log: LogId) =>
  (await live.changes(log, { limit: 100 })).records.map(({ action, epoch, revision }) => ({
    action,
    epoch,
    revision,
  }))

/** Every state that an instance held of a log, while `work` went on. */
async function watched<T>(lives: readonly Live[], log: LogId, work: () => Promise<T>): Promise<T> {
  const seen = lives.map((live) => [tag(live, log)])
  const watching = setInterval(() => {
    for (const [index, live] of lives.entries()) seen[index]?.push(tag(live, log))
  }, 1)
  const result = await work()
  clearInterval(watching)
  for (const states of seen) expect(states).toEqual([...states].sort(compareStates))
  return result
}

describe('a database that goes back while instances run', () => {
  it('sends nobody back: every log that lost something goes on in a new epoch, kills stay, edits are gone', async () => {
    const [one, other] = [await instance(), await instance()]
    const { environment, project, key } = await openProject(one)
    await put(one, project, { 'sdk-key/k1': keyFor(environment, 'k1').document })
    await put(one, environment, { 'flag/a': boolean(), 'flag/b': boolean() })
    await until('both hold it', () => other.held(environment)?.state.revision === 2)
    const restore = await backup()

    await until('the edit is taken', () =>
      put(one, environment, { 'flag/c': boolean() }).then(Boolean, () => false),
    )
    await put(one, environment, { 'kill/a': kill('k1') })
    await put(one, environment, { 'flag/b': boolean({ enabled: false }) })
    await until('both hold that, too', () => tag(other, environment).revision === 5)
    const before = tag(one, environment)
    const peer = new Peer()
    other.openStream(environment, 'k1', `${before.epoch}-${before.revision}`, peer)

    await watched([one, other], environment, async () => {
      await restore()
      for (const live of [one, other]) {
        await until('it goes on', () => tag(live, environment).epoch > before.epoch)
      }
    })
    expect(tag(other, environment)).toEqual(tag(one, environment))
    expect(tag(one, environment).revision).toBe(3)
    for (const live of [one, other]) {
      expect(has(live, environment, 'kill', 'a')).toBe(true)
      expect(has(live, environment, 'flag', 'c')).toBe(false)
      expect(live.evaluate(environment, 'b', {})).toMatchObject({ value: true })
      expect(live.evaluate(environment, 'a', {})).toMatchObject({ reason: 'DISABLED', value: false })
      const answer = JSON.parse(live.answer(environment, 'server', 'b', {}).body)
      expect(answer.metadata, 'who saw revision 3 before can tell them apart').toMatchObject(
        tag(live, environment),
      )
    }
    const told = await until('streams are told', () => peer.events.find(({ event }) => event === 'reload'))
    expect(JSON.parse(told.data)).toEqual(tag(one, environment))
    expect(await recordsOf(one, environment)).toEqual([
      { action: 'log.epoch', ...tag(one, environment) },
      { action: 'test.put', epoch: before.epoch, revision: 2 },
      { action: 'test.open', epoch: before.epoch, revision: 1 },
    ])
    const shown = { seen: before, found: { epoch: before.epoch, revision: 2 } }
    for (const live of [one, other]) {
      const status = live.status().environments.find(({ environment: name }) => name === `${key}/production`)
      expect(status).toMatchObject({ ok: true, wentBack: shown })
    }
    // What lost nothing is as it was.
    expect(one.held(project)?.state.entries.has('epoch')).toBe(false)
    expect(one.metrics.epochsOpened + other.metrics.epochsOpened).toBe(1)
    await put(other, environment, { 'flag/c': boolean() })
    expect(tag(other, environment)).toEqual({ epoch: tag(one, environment).epoch, revision: 4 })
  })

  it('is noticed by a commit that comes before any look, and is told the truth', async () => {
    const live = await instance({ pollMs: SELDOM, wrap: deaf })
    const { environment } = await openProject(live)
    await put(live, environment, { 'flag/a': boolean() })
    const restore = await backup()
    for (const id of ['k1', 'k2']) {
      await until('it is taken', () =>
        put(live, environment, { [`kill/${id}`]: kill(id) }).then(Boolean, () => false),
      )
    }
    const before = tag(live, environment)
    await restore()
    const many = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        until('it is taken', () =>
          put(live, environment, { [`flag/f${index}`]: boolean() }).catch(() => undefined),
        ),
      ),
    )
    for (const [index, { heads, deltas }] of many.entries()) {
      expect(compareStates(heads.get(environment)!, before)).toBeGreaterThan(0)
      expect(deltas.get(environment)?.epoch).toBeGreaterThan(before.epoch)
      expect(has(live, environment, 'flag', `f${index}`)).toBe(true)
    }
    for (const id of ['k1', 'k2']) expect(has(live, environment, 'kill', id)).toBe(true)
    const records = await recordsOf(live, environment)
    expect(records.filter(({ action }) => action === 'log.epoch')).toHaveLength(1)
    expect(records.find(({ action }) => action === 'log.epoch')?.revision).toBe(3)
  })

  it('loses no kill that only an instance knows of which comes later', async () => {
    const late = await instance({ pollMs: SELDOM, wrap: deaf })
    const { environment } = await openProject(late)
    await put(late, environment, { 'flag/a': boolean(), 'flag/b': boolean() })
    const first = await instance({ pollMs: SELDOM, wrap: deaf })
    const restore = await backup()
    await until('it is taken', () => put(late, environment, { 'kill/a': kill('k1') }).catch(() => undefined))
    await first.catchUp(environment)
    await put(late, environment, { 'kill/b': kill('k2') })
    await restore()

    await until('the first goes on', () =>
      first.catchUp(environment).then(
        () => true,
        () => false,
      ),
    )
    expect([has(first, environment, 'kill', 'a'), has(first, environment, 'kill', 'b')]).toEqual([
      true,
      false,
    ])
    const { epoch } = tag(first, environment)
    await watched([late], environment, async () => {
      await until('the later one goes on', () =>
        late.catchUp(environment).then(
          () => true,
          () => false,
        ),
      )
    })
    expect(has(late, environment, 'kill', 'b')).toBe(true)
    expect(tag(late, environment).epoch).toBe(epoch)
    await first.catchUp(environment)
    expect(has(first, environment, 'kill', 'b')).toBe(true)
    expect((await recordsOf(late, environment)).map(({ action }) => action).slice(0, 2)).toEqual([
      'log.epoch',
      'log.epoch',
    ])
  })

  it('looks at what others have put on a shelf before it decides what was lost', async () => {
    const shelf = memoryShelf('redis')
    const gone = await instance({ pollMs: SELDOM, wrap: deaf, shelves: [shelf] })
    const { environment } = await openProject(gone)
    await put(gone, environment, { 'flag/a': boolean() })
    // Were it to keep its own, late, it would find the newer one there, and take it before it is asked for.
    const left = await instance({ pollMs: SELDOM, wrap: deaf, shelves: [shelf], keeps: false })
    const restore = await backup()
    await until('it is taken', () => put(gone, environment, { 'flag/b': boolean() }).catch(() => undefined))
    await left.catchUp(environment)
    await put(gone, environment, { 'kill/a': kill('k1') })
    await gone.close()
    expect(tag(left, environment).revision).toBe(3)
    await restore()
    await until('it goes on', () =>
      left.catchUp(environment).then(
        () => true,
        () => false,
      ),
    )
    expect(has(left, environment, 'kill', 'a')).toBe(true)
    expect(left.held(environment)?.state.entries.get('epoch')?.get('opened')?.definition).toMatchObject({
      seen: { revision: 4 },
      found: { revision: 2 },
    })
  })

  it('lets go of what came after the backup, and takes back what was deleted after it', async () => {
    const live = await instance()
    const deleted = await openProject(live)
    const { text, document } = keyFor(deleted.environment, 'k1')
    await put(live, deleted.project, { 'sdk-key/k1': document })
    const restore = await backup()
    const added = await until('it is taken', () => openProject(live).catch(() => undefined))
    await closeEnvironment(live, deleted.project, deleted.environment)
    const before = tag(live, SYSTEM)
    expect(live.environment(added.key, 'production')).toBeDefined()
    expect(live.live(deleted.environment)).toBeUndefined()
    await restore()
    await until('what was added is gone', () => live.held(added.project) === undefined)
    await until('so is its environment', () => live.live(added.environment) === undefined)
    await until('what was deleted is back', () => live.live(deleted.environment))
    await until('its project went on, too', () => live.environment(deleted.key, 'production'))
    expect(live.environment(added.key, 'production')).toBeUndefined()
    expect(tag(live, SYSTEM).epoch).toBeGreaterThan(before.epoch)
    expect(await live.authenticate(text)).toMatchObject({ keyId: 'k1' })
    await until('all is well', () => live.status().environments.every(({ ok }) => ok))
  })

  it('is nobody’s claim to make: a client that says it is ahead only makes the instance read', async () => {
    const live = await instance({ pollMs: SELDOM })
    const { environment, project } = await openProject(live)
    await put(live, project, { 'sdk-key/k1': keyFor(environment, 'k1').document })
    const before = tag(live, environment)
    const { catchUps } = live.metrics
    live.openStream(environment, 'k1', `${before.epoch + 9}-99`, new Peer())
    await until('it has read', () => live.metrics.catchUps > catchUps)
    await live.catchUp(environment)
    expect(tag(live, environment)).toEqual(before)
    expect(live.metrics.epochsOpened).toBe(0)
  })
})

describe('a database that goes back while nobody runs', () => {
  it('is known from a snapshot at the next start, and nobody is served an older state', async () => {
    const shelf = memoryShelf('disk')
    const live = await instance({ shelves: [shelf] })
    const { environment } = await openProject(live)
    await put(live, environment, { 'flag/a': boolean() })
    const restore = await backup()
    await until('it is taken', () => put(live, environment, { 'kill/a': kill('k1') }).catch(() => undefined))
    const before = tag(live, environment)
    await until('it is kept', () =>
      shelf.kept.get(nameOf(environment))?.includes(`-${'3'.padStart(16, '0')}\n`),
    )
    await live.close()
    await restore()

    const store = await openPostgres({ url, connections: 4 })
    opened.push(store)
    const again = openLive(store, {
      pollMs: 20,
      snapshots: { shelves: [shelf], key: Buffer.alloc(32, 2), pace: PACE },
    })
    opened.push(again)
    const starting = again.start()
    await until('it serves', () => again.status().ready)
    expect(compareStates(tag(again, environment), before)).toBeGreaterThan(0)
    expect(again.evaluate(environment, 'a', {})).toMatchObject({ reason: 'DISABLED' })
    await starting
    await until('the new epoch is kept', () =>
      shelf.kept
        .get(nameOf(environment))
        ?.toString('latin1')
        .includes(String(tag(again, environment).epoch)),
    )
  })

  it('is not known to whom nothing is known; but who knows comes, and all go forward', async () => {
    const shelf = memoryShelf('disk')
    const knowing = await instance({ shelves: [shelf] })
    const { environment } = await openProject(knowing)
    await put(knowing, environment, { 'flag/a': boolean() })
    const restore = await backup()
    for (const id of ['k1', 'k2', 'k3']) {
      await until('it is taken', () =>
        put(knowing, environment, { [`kill/${id}`]: kill(id) }).catch(() => undefined),
      )
    }
    const before = tag(knowing, environment)
    await until('it is kept', () =>
      shelf.kept.get(nameOf(environment))?.includes(`-${'5'.padStart(16, '0')}\n`),
    )
    await knowing.close()
    await restore()
    const ignorant = await instance()
    await put(ignorant, environment, { 'flag/b': boolean() })
    expect(compareStates(tag(ignorant, environment), before)).toBeLessThan(0)
    const again = await instance({ shelves: [shelf] })
    await until('the other goes on', () => compareStates(tag(ignorant, environment), before) > 0)
    expect(tag(again, environment)).toEqual(tag(ignorant, environment))
    for (const live of [ignorant, again]) {
      expect(has(live, environment, 'kill', 'k3')).toBe(true)
      expect(has(live, environment, 'flag', 'b')).toBe(true)
    }
  })
})

it('two who find it at once open one epoch', async () => {
  const [one, other] = [await instance({ pollMs: SELDOM }), await instance({ pollMs: SELDOM })]
  const { environment } = await openProject(one)
  await other.catchUp(environment)
  const held = one.held(environment)!.state
  const seen = { ...held, revision: held.revision + 7 }
  const results = await Promise.all(
    [one, other].map((live) =>
      live.commit({ scope: { path: [environment] }, actor: ACTOR, edit: reopen(environment, seen) }),
    ),
  )
  expect(results.map(({ result }) => result.opened).sort()).toEqual([false, true])
  for (const live of [one, other]) await live.catchUp(environment)
  expect(tag(one, environment)).toEqual(tag(other, environment))
  expect(tag(one, environment).revision).toBe(held.revision + 1)
})
