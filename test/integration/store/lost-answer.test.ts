/** A connection that breaks around COMMIT: the caller is told that the change may have been applied. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Problem } from '../../../server/domain/problem.ts'
import { postgresDatabase } from '../../../server/store/postgres.ts'
import {
  flag,
  loadOne,
  openEnvironment,
  type Subject,
  subjectOn,
  write,
} from '../../contract/store.support.ts'
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts'
import { type TcpProxy, tcpProxy } from '../../support/tcp-proxy.ts'
import { losingAnswers } from '../../support/treatments.ts'

describe('an answer to COMMIT that is lost', () => {
  let database: FreshDatabase
  let proxy: TcpProxy
  let subject: Subject
  let log: string
  beforeAll(async () => {
    database = await freshDatabase()
    proxy = await tcpProxy(database.url)
    subject = subjectOn(postgresDatabase({ url: proxy.via(database.url), deadlines: { request: 500 } }))
    log = await openEnvironment(subject.store)
  })
  afterAll(async () => {
    proxy.heal()
    await subject.store.close()
    await proxy.close()
    await database.drop()
  })

  const outcomeOf = async (value: number): Promise<Problem> => {
    const outcome: unknown = await write(subject.store, log, flag('a', value)).catch(
      (error: unknown) => error,
    )
    expect(outcome).toBeInstanceOf(Problem)
    return outcome as Problem
  }

  it.each([
    ['is cut', (client: { resetAndDestroy(): unknown }) => void client.resetAndDestroy()],
    ['falls silent', () => {}],
  ])('when the connection %s, says that the change may have been applied', async (name, action) => {
    proxy.treat(losingAnswers((bytes) => bytes.includes('COMMIT\0'), action))
    const problem = await outcomeOf(name.length)
    proxy.heal()
    expect(problem.type).toBe('unavailable')
    expect(problem.message).toContain('may have been applied')
    // Here it was: the next reader sees it, and the store goes on.
    const { state, revision } = await loadOne(subject.store, log)
    expect(state.entries.get('flag')?.get('a')?.definition).toBe(name.length)
    expect((await write(subject.store, log, flag('b', name.length))).heads.get(log)?.revision).toBe(
      revision + 1,
    )
  })
})
