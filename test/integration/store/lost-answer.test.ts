/** A connection that breaks around COMMIT: the caller is told that the change may have been applied. */
import { connect, createServer, type Socket } from 'node:net'
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

/** A proxy that does `onCommit` to a connection once COMMIT was passed on to the server. */
async function proxyTo(url: string) {
  const target = new URL(url)
  let onCommit: ((client: Socket, server: Socket) => void) | undefined
  const sockets = new Set<Socket>()
  const proxy = createServer((client) => {
    const server = connect(Number(target.port || 5432), target.hostname)
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => {
        client.destroy()
        server.destroy()
      })
    }
    let muted = false
    server.on('data', (bytes) => {
      if (!muted) client.write(bytes)
    })
    client.on('data', (bytes) => {
      if (onCommit !== undefined && bytes.includes('COMMIT\0')) {
        muted = true
        server.once('data', () => onCommit?.(client, server))
      }
      server.write(bytes)
    })
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const address = proxy.address()
  const through = new URL(url)
  through.hostname = '127.0.0.1'
  through.port = String(typeof address === 'object' ? address?.port : '')
  return {
    url: through.href,
    onCommit: (action: typeof onCommit) => {
      onCommit = action
    },
    close: () => {
      for (const socket of sockets) socket.destroy()
      proxy.close()
    },
  }
}

describe('an answer to COMMIT that is lost', () => {
  let database: FreshDatabase
  let proxy: Awaited<ReturnType<typeof proxyTo>>
  let subject: Subject
  let log: string
  beforeAll(async () => {
    database = await freshDatabase()
    proxy = await proxyTo(database.url)
    subject = subjectOn(postgresDatabase({ url: proxy.url, deadlines: { request: 500 } }))
    log = await openEnvironment(subject.store)
  })
  afterAll(async () => {
    proxy.onCommit(undefined)
    await subject.store.close()
    proxy.close()
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
    ['is cut', (client: Socket) => void client.resetAndDestroy()],
    ['falls silent', () => {}],
  ])('when the connection %s, says that the change may have been applied', async (name, action) => {
    proxy.onCommit(action)
    const problem = await outcomeOf(name.length)
    proxy.onCommit(undefined)
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
