/** What callers see while Postgres is away, frozen, closed to writers or full; and that it passes by itself. */
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LogId } from '../../../server/domain/change.ts'
import { Problem } from '../../../server/domain/problem.ts'
import { postgresDatabase } from '../../../server/store/postgres.ts'
import {
  ANN,
  edit,
  flag,
  loadOne,
  openEnvironment,
  type Subject,
  subjectOn,
  write,
} from '../../contract/store.support.ts'
import {
  canStartPostgres,
  freshDatabase,
  type PostgresProcess,
  startPostgres,
} from '../../support/postgres.ts'

const failure = async (call: Promise<unknown>): Promise<Problem> => {
  const outcome = await call.then(
    () => 'no failure',
    (error: unknown) => error,
  )
  expect(outcome).toBeInstanceOf(Problem)
  return outcome as Problem
}

/** Calls until it succeeds; every failure on the way must be `unavailable`. */
const eventually = async <T>(call: () => Promise<T>): Promise<T> => {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      expect(error).toMatchObject({ name: 'Problem', type: 'unavailable' })
    }
  }
}

describe.skipIf(!canStartPostgres())('while Postgres', () => {
  let server: PostgresProcess
  let subject: Subject
  let log: LogId
  let admin: pg.Pool
  beforeAll(async () => {
    server = await startPostgres()
    subject = subjectOn(postgresDatabase({ url: server.url }))
    log = await openEnvironment(subject.store)
    admin = new pg.Pool({ connectionString: server.url, max: 1 })
    admin.on('error', () => {})
  })
  afterAll(async () => {
    await admin.end()
    await subject.store.close()
    await server.remove()
  })

  const calls = (): Record<string, Promise<unknown>> => ({
    commit: write(subject.store, log, flag('lost', Math.random())),
    kill: subject.store.commit({
      scope: { path: [log] },
      actor: { kind: 'system', id: 'halyard', name: 'Halyard' },
      urgent: true,
      edit: () => ({
        action: 'flag.kill',
        edits: new Map([[log, [flag('lost', Math.random())]]]),
        warnings: [],
        result: 0,
      }),
    }),
    heads: subject.store.heads(),
    load: subject.store.load([log]),
    newer: subject.store.newer(log, { epoch: 1, revision: 0 }),
    ping: subject.store.ping(),
  })
  const allUnavailable = async (but?: string) => {
    const { [but ?? '']: _, ...all } = calls()
    const failures = await Promise.all(
      Object.entries(all).map(async ([name, call]) => [name, await failure(call)] as const),
    )
    for (const [name, problem] of failures) {
      expect([name, problem.type]).toEqual([name, 'unavailable'])
      expect(problem.details.retryAfter).toBeGreaterThan(0)
      expect(problem.details.cause).toBeDefined()
      // Nothing of the statement, its values or the server's address.
      expect(problem.message).not.toMatch(/SELECT|INSERT|halyard\.|127\.0\.0\.1|lost/)
    }
  }

  it('is stopped, every call is unavailable; once it is back, they work again', async () => {
    await write(subject.store, log, flag('before', 1))
    await server.stop()
    await allUnavailable()
    await server.start()
    await eventually(() => write(subject.store, log, flag('after', 1)))
    const { state } = await loadOne(subject.store, log)
    expect([...(state.entries.get('flag')?.keys() ?? [])].sort()).toEqual(['after', 'before'])
  })

  it('is killed in the middle of commits, none that was acknowledged is lost', async () => {
    const acknowledged: string[] = []
    let killed = false
    const editors = Array.from({ length: 4 }, async (_, editor) => {
      for (let n = 0; !killed || n < 5; n++) {
        const key = `editor-${editor}-${n}`
        try {
          await write(subject.store, log, flag(key, n))
          acknowledged.push(key)
        } catch (error) {
          expect(error).toMatchObject({ type: 'unavailable' })
          if (killed) return
        }
      }
    })
    while (acknowledged.length < 40) await new Promise(setImmediate)
    await server.kill()
    killed = true
    await Promise.all(editors)
    await server.start()
    const { state } = await eventually(() => loadOne(subject.store, log))
    const kept = state.entries.get('flag')
    expect(acknowledged.filter((key) => !kept?.has(key))).toEqual([])
  })

  it('is frozen, calls end within their deadlines; once it thaws, they work again', async () => {
    await subject.store.ping()
    server.freeze()
    const queued = Array.from({ length: 12 }, (_, n) => failure(write(subject.store, log, flag('q', n))))
    await allUnavailable()
    for (const problem of await Promise.all(queued)) expect(problem.type).toBe('unavailable')
    server.thaw()
    await eventually(() => write(subject.store, log, flag('thawed', 1)))
    expect((await loadOne(subject.store, log)).state.entries.get('flag')?.has('thawed')).toBe(true)
  })

  it('ends its sessions, a call fails at most once and says unavailable', async () => {
    for (let round = 0; round < 5; round++) {
      await write(subject.store, log, flag('round', `before ${round}`))
      await admin.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'halyard'`,
      )
      await eventually(() => write(subject.store, log, flag('round', round)))
    }
    expect((await loadOne(subject.store, log)).state.entries.get('flag')?.get('round')?.definition).toBe(4)
  })

  it('is read-only, commits say so and reads go on', async () => {
    await admin.query('ALTER SYSTEM SET default_transaction_read_only = on')
    await admin.query('SELECT pg_reload_conf()')
    // Each session takes the setting in when it gets to it.
    const refusal = async (): Promise<unknown> => {
      for (;;) {
        const outcome = await write(subject.store, log, flag('x', Math.random())).catch((error) => error)
        if (outcome instanceof Error) return outcome
      }
    }
    const refused = await refusal()
    expect(refused).toMatchObject({ name: 'Problem', type: 'unavailable', details: { retryAfter: 5 } })
    expect(refused).toHaveProperty('message', expect.stringContaining('read-only'))
    expect(subject.store.readOnly()).toBe(true)
    const { revision } = await loadOne(subject.store, log)
    expect((await subject.store.heads()).find((head) => head.log === log)?.revision).toBe(revision)
    await admin.query('ALTER SYSTEM RESET default_transaction_read_only')
    await admin.query('SELECT pg_reload_conf()')
    const committed = await eventually(() => write(subject.store, log, flag('x', Math.random())))
    expect(committed.heads.get(log)?.revision).toBe(revision + 1)
    expect(subject.store.readOnly()).toBe(false)
  })

  it('is being restored and has not all tables yet, every call is unavailable; then they work again', async () => {
    const named = async (from: string, to: string) => {
      await admin.query(`ALTER SCHEMA ${from} RENAME TO ${to}`)
    }
    await write(subject.store, log, flag('before', 2))
    await named('halyard', 'half_restored')
    await allUnavailable('ping')
    await admin.query('CREATE SCHEMA halyard')
    await admin.query('CREATE TABLE halyard.logs (LIKE half_restored.logs)')
    const { message, details } = await failure(write(subject.store, log, flag('between', 1)))
    expect([message, details.cause]).toEqual([
      expect.stringContaining('is being restored'),
      expect.any(Error),
    ])
    await admin.query('DROP SCHEMA halyard CASCADE')
    await named('half_restored', 'halyard')
    await write(subject.store, log, flag('after', 2))
    const kept = (await loadOne(subject.store, log)).state.entries.get('flag')
    expect([kept?.has('before'), kept?.has('between'), kept?.has('after')]).toEqual([true, false, true])
  })

  it('has another holding the row, a kill gives up at once and an edit in time; nothing is written', async () => {
    const { revision } = await loadOne(subject.store, log)
    const holder = await admin.connect()
    await holder.query('BEGIN')
    await holder.query('SELECT 1 FROM halyard.logs WHERE id = $1 FOR UPDATE', [log])
    const { commit, kill, ...reads } = calls()
    const patient = failure(commit!)
    const problem = await failure(kill!)
    expect(problem).toMatchObject({ type: 'unavailable', details: { cause: { code: '55P03' } } })
    expect((await patient).details.cause).toMatchObject({ code: '55P03' })
    await Promise.all(Object.values(reads))
    await holder.query('ROLLBACK')
    holder.release()
    expect((await loadOne(subject.store, log)).revision).toBe(revision)
    await write(subject.store, log, flag('y', Math.random()))
  })
})

describe('a commit that writes very much', () => {
  it('gets the time that it takes, where a small one has to give up', async () => {
    const database = await freshDatabase()
    const driver = postgresDatabase({ url: database.url, deadlines: { request: 1000 } })
    const { store, rows } = subjectOn(driver)
    const log = await openEnvironment(store)
    // Every write waits, as on a slow disk.
    await rows(`CREATE FUNCTION halyard.wait() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_sleep(1.5); RETURN NULL; END $$`)
    await rows(`CREATE TRIGGER slow AFTER INSERT ON halyard.entries
      FOR EACH STATEMENT EXECUTE FUNCTION halyard.wait()`)
    expect((await failure(write(store, log, flag('a', 1)))).type).toBe('unavailable')
    const many = Array.from({ length: 2000 }, (_, n) => flag(`f${n}`, n))
    expect((await write(store, log, ...many)).deltas.get(log)?.entries).toHaveLength(2000)
    await store.close()
    await database.drop()
  })
})

describe.skipIf(!canStartPostgres())('with Postgres away at the start', () => {
  it('opens all the same, and makes its schema when Postgres comes', async () => {
    const server = await startPostgres()
    await server.stop()
    const { store } = subjectOn(postgresDatabase({ url: server.url }))
    expect((await failure(store.heads())).type).toBe('unavailable')
    await server.start()
    const heads = await eventually(() => store.heads())
    expect(heads.map((head) => head.log)).toEqual(['system'])
    await store.close()
    await server.remove()
  })

  it('kills on a connection of its own while all others are taken', async () => {
    const server = await startPostgres()
    const database = postgresDatabase({ url: server.url, connections: 2 })
    const { store } = subjectOn(database)
    const log = await openEnvironment(store)
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const taken = [database.read(() => held), database.read(() => held)]
    const waiting = write(store, log, flag('a', 1))
    const killed = await store.commit({
      scope: { path: [log] },
      actor: ANN,
      urgent: true,
      edit: edit(log, flag('b', 1)),
    })
    expect(killed.deltas.get(log)?.entries).toHaveLength(1)
    release()
    await Promise.all(taken)
    // The edit stood in line all the time.
    expect((await waiting).heads.get(log)?.revision).toBe((killed.heads.get(log)?.revision ?? 0) + 1)
    await store.close()
    await server.remove()
  })

  it('waits its turn for the only connection, and says when there is none', async () => {
    const server = await startPostgres({ max_connections: '5', superuser_reserved_connections: '0' })
    const { store } = subjectOn(postgresDatabase({ url: server.url, connections: 1 }))
    const log = await openEnvironment(store)
    await Promise.all(Array.from({ length: 20 }, (_, n) => write(store, log, flag(`f${n}`, n))))
    expect((await loadOne(store, log)).state.entries.get('flag')?.size).toBe(20)

    const greedy: pg.Client[] = []
    for (;;) {
      const client = new pg.Client({ connectionString: server.url })
      client.on('error', () => {})
      try {
        await client.connect()
      } catch {
        break
      }
      greedy.push(client)
    }
    const late = subjectOn(postgresDatabase({ url: server.url })).store
    expect(await failure(late.heads())).toMatchObject({
      type: 'unavailable',
      message: 'The database has no connection free.',
    })
    await Promise.all(greedy.map((client) => client.end()))
    await eventually(() => late.heads())
    await late.close()
    await store.close()
    await server.remove()
  })
})
