/** Notifications between stores on one Postgres: hints that arrive, survive outages, and carry no documents. */
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Notice } from '../../../server/domain/notice.ts'
import { openPostgres, postgresDatabase } from '../../../server/store/postgres.ts'
import {
  ANN,
  flag,
  openEnvironment,
  openFamily,
  type Subject,
  subjectOn,
  write,
} from '../../contract/store.support.ts'
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts'

describe('notifications', () => {
  let database: FreshDatabase
  let here: Subject
  let there: Subject
  beforeAll(async () => {
    database = await freshDatabase()
    here = subjectOn(postgresDatabase({ url: database.url }))
    there = subjectOn(postgresDatabase({ url: database.url, random: () => 0 }))
  })
  afterAll(async () => {
    await here.store.close()
    await there.store.close()
    await database.drop()
  })

  const listener = async (subject: Subject) => {
    const heard: Notice[] = []
    const waiting = new Set<() => void>()
    const stop = await subject.store.listen((notice) => {
      heard.push(notice)
      for (const wake of waiting) wake()
    })
    const until = (satisfied: (notice: Notice) => boolean) =>
      new Promise<Notice>((resolve) => {
        const check = () => {
          const found = heard.find(satisfied)
          if (found === undefined) return
          waiting.delete(check)
          resolve(found)
        }
        waiting.add(check)
        check()
      })
    return { heard, stop, until }
  }

  it('tell other instances where to look, and this one nothing of its own commits', async () => {
    const log = await openEnvironment(here.store)
    const elsewhere = await listener(there)
    const own = await listener(here)
    const { heads } = await write(here.store, log, flag('a', 1))
    const { epoch } = heads.get(log)!
    expect(await elsewhere.until((notice) => notice.log === log)).toEqual({ log, epoch, revision: 2 })
    await write(there.store, log, flag('a', 2))
    expect(await own.until((notice) => notice.log === log)).toEqual({ log, epoch, revision: 3 })
    expect(own.heard.map((notice) => notice.revision)).toEqual([3])
    expect(elsewhere.heard.some((notice) => notice.revision === 3)).toBe(false)
    await own.stop()
    await elsewhere.stop()
  })

  it('tell of logs that open and that close', async () => {
    const elsewhere = await listener(there)
    const { project, environments } = await openFamily(here.store, 1)
    const log = environments[0]!
    await elsewhere.until((notice) => notice.log === log && notice.revision === 1)
    elsewhere.heard.length = 0
    await here.store.commit({
      scope: { path: [project], descendants: true },
      actor: ANN,
      edit: () => ({ action: 'close', edits: new Map(), closes: [log], warnings: [], result: undefined }),
    })
    await elsewhere.until((notice) => notice.log === log)
    expect(await there.store.newer(log, { epoch: 0, revision: 0 })).toEqual({ kind: 'closed' })
    await elsewhere.stop()
  })

  it('carry nothing of a document', async () => {
    const log = await openEnvironment(here.store)
    const client = new pg.Client({ connectionString: database.url })
    await client.connect()
    await client.query('LISTEN halyard')
    const payload = new Promise<string>((resolve) => {
      client.on('notification', (message) => resolve(message.payload ?? ''))
    })
    await write(here.store, log, flag('canary-key', 'canary-value'))
    expect(await payload).not.toContain('canary')
    expect(Object.keys(JSON.parse(await payload)).sort()).toEqual(['epoch', 'from', 'log', 'revision'])
    await client.end()
  })

  it('come again after the connection was cut, and rubbish on the channel disturbs nobody', async () => {
    const log = await openEnvironment(here.store)
    const elsewhere = await listener(there)
    const admin = new pg.Client({ connectionString: database.url })
    await admin.connect()
    for (const rubbish of ['', '{', '[]', 'null', '{"log":1}', '{"log":"x","epoch":1,"revision":"2"}']) {
      await admin.query('SELECT pg_notify($1, $2)', ['halyard', rubbish])
    }
    await admin.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN halyard' AND datname = current_database() AND pid <> pg_backend_pid()`,
    )
    await admin.end()
    let heard = false
    const first = elsewhere
      .until((notice) => notice.log === log)
      .then(() => {
        heard = true
      })
    for (let n = 0; !heard; n++) await write(here.store, log, flag('n', n))
    await first
    await elsewhere.stop()
  })

  it('stop with the store, and a listener may start before Postgres can be reached', async () => {
    const lost = await openPostgres({ url: 'postgres://halyard@127.0.0.1:1/nowhere' })
    const stop = await lost.listen(() => {})
    await stop()
    await lost.listen(() => {})
    await lost.close()
  })
})
