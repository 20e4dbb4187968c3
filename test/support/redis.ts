/**
 * The Redis of a test run: `REDIS_URL` where it is set, else one private server for the whole run (as a vitest
 * `globalSetup`), and a key prefix of its own on it for whoever asks.
 */
import { randomBytes } from 'node:crypto'
import { inject } from 'vitest'
import type { TestProject } from 'vitest/node'
import type { RedisSettings } from '../../server/live/redis/clients.ts'
import { parseRedisUrl } from '../../server/live/redis/url.ts'
import { type RedisProcess, redisBinaries, startRedis } from './redis-process.ts'

export { type RedisProcess, startRedis }

declare module 'vitest' {
  interface ProvidedContext {
    readonly redisUrl: string
  }
}

let own: RedisProcess | undefined

export async function setup(project: Pick<TestProject, 'provide'>): Promise<void> {
  const given = process.env.REDIS_URL
  if (given === undefined || given === '') own = await startRedis()
  project.provide('redisUrl', own?.url ?? given ?? '')
}

export async function teardown(): Promise<void> {
  await own?.remove()
  own = undefined
}

/** Whether tests can start, stop and kill a Redis of their own: not where only `REDIS_URL` is given. */
export function canStartRedis(): boolean {
  return redisBinaries() !== undefined || !process.env.REDIS_URL
}

/** What the service's configuration makes of a URL and a prefix. */
export function redisSettings({
  url,
  prefix,
}: {
  readonly url: string
  readonly prefix: string
}): RedisSettings {
  const address = parseRedisUrl(url)
  if (typeof address === 'string') throw new Error(`REDIS_URL ${address}`)
  return { address, prefix, ca: undefined }
}

/** The run's Redis, and a prefix that nobody else uses. What is kept under it expires, or is the test's to remove. */
export function freshRedis(): { readonly url: string; readonly prefix: string } {
  return { url: inject('redisUrl'), prefix: `halyard-test-${randomBytes(6).toString('hex')}:` }
}
