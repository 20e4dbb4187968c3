/** What the tests with a Redis of their own share: servers and links that end with the test file. */
import { afterAll } from 'vitest'
import type { Log } from '../../../server/live/conditions.ts'
import { openRedis, type RedisLink } from '../../../server/live/redis/connect.ts'
import { redisSettings } from '../../support/redis.ts'
import { type RedisProcess, type RedisProcessOptions, startRedis } from '../../support/redis-process.ts'

export type Linked = RedisLink & {
  /** What was logged, a line each, as pino would have it. */
  readonly logged: readonly string[]
}

export function redisRoom() {
  const servers: RedisProcess[] = []
  const links: RedisLink[] = []
  afterAll(async () => {
    await Promise.all(links.map((link) => link.close()))
    await Promise.all(servers.map((server) => server.remove()))
  })
  return {
    async server(options?: RedisProcessOptions): Promise<RedisProcess> {
      const server = await startRedis(options)
      servers.push(server)
      return server
    },
    link(url: string, { prefix = 'halyard:', ca = undefined as string | undefined } = {}): Linked {
      const logged: string[] = []
      const note = (fields: object, message: string) => void logged.push(lineOf(fields, message))
      const log: Log = { info: note, warn: note, error: note }
      const link = openRedis({ ...redisSettings({ url, prefix }), ca }, { log, random: Math.random })
      links.push(link)
      return Object.assign(link, { logged })
    },
  }
}

/** Errors with everything that hangs on them: what a logger may write. */
function lineOf(fields: object, message: string): string {
  const shown = JSON.stringify(fields, (_key, value) =>
    value instanceof Error ? { ...value, message: value.message, stack: value.stack } : value,
  )
  return `${message} ${shown}`
}

/** Milliseconds that the promise took, however it ended. */
export async function timeOf(promise: Promise<unknown>): Promise<number> {
  const from = performance.now()
  await promise.catch(() => undefined)
  return performance.now() - from
}
