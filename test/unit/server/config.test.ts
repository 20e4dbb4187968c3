import { describe, expect, it } from 'vitest'
import { ConfigError, parseConfig, publishedKeys } from '../../../server/config.ts'

const noFile = (path: string): string => {
  throw new Error(`ENOENT: ${path}`)
}
const faultsOf = (environment: Record<string, string>): readonly string[] => {
  try {
    parseConfig(environment, noFile)
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
  return []
}

describe('the configuration', () => {
  it('starts an embedded database on the loopback address where nothing is set', () => {
    const config = parseConfig({}, noFile)
    expect(config).toMatchObject({
      database: 'embedded',
      host: '127.0.0.1',
      port: 4000,
      trustProxy: false,
      logLevel: 'info',
    })
    expect(config.dataDir).toMatch(/\/data$/)
    expect(Object.isFrozen(config)).toBe(true)
  })

  it('lists every fault at once', () => {
    const faults = faultsOf({
      DATABASE_URL: 'mysql://nowhere',
      HALYARD_PORT: '70000',
      HALYARD_SECRET: 'short',
      HALYARD_LOG_LEVEL: 'loud',
      HALYARD_TRUST_PROXY: 'perhaps',
      HALYARD_MAX_STREAM: '3',
      HALYARD_ADMIN_KEY_FILE: '/nowhere/key',
    })
    for (const name of [
      'DATABASE_URL',
      'HALYARD_PORT',
      'HALYARD_SECRET',
      'HALYARD_LOG_LEVEL',
      'HALYARD_TRUST_PROXY',
      'HALYARD_MAX_STREAM:',
      'HALYARD_ADMIN_KEY_FILE',
    ]) {
      expect(faults.join('\n')).toContain(name)
    }
    expect(faults).toHaveLength(7)
  })

  it('never falls back to an empty embedded database in production', () => {
    expect(faultsOf({ NODE_ENV: 'production' })).toEqual([
      expect.stringContaining('DATABASE_URL: must be set'),
    ])
    expect(parseConfig({ NODE_ENV: 'production', DATABASE_URL: 'embedded' }, noFile).database).toBe(
      'embedded',
    )
  })

  it('waits for a balancer before it closes, where there can be another instance', () => {
    expect(parseConfig({}, noFile).drainDelayMs).toBe(0)
    expect(parseConfig({ DATABASE_URL: 'postgres://db/halyard' }, noFile).drainDelayMs).toBe(5_000)
    expect(parseConfig({ HALYARD_DRAIN_DELAY_MS: '250' }, noFile).drainDelayMs).toBe(250)
  })

  it('says from where to where a number may go', () => {
    expect(faultsOf({ HALYARD_DRAIN_DELAY_MS: '-1', HALYARD_MAX_STREAMS: '1.5', PORT: '70000' })).toEqual([
      'PORT: must be from 0 to 65535',
      'HALYARD_MAX_STREAMS: must be a whole number from 1 to 1000000',
      'HALYARD_DRAIN_DELAY_MS: must be a whole number from 0 to 600000',
    ])
  })

  it('leaves no key more than half of the streams, unless it is told to', () => {
    expect(parseConfig({ HALYARD_MAX_STREAMS: '9' }, noFile).maxStreamsPerKey).toBe(5)
    expect(parseConfig({ HALYARD_MAX_STREAMS_PER_KEY: '9' }, noFile).maxStreamsPerKey).toBe(9)
  })

  it('reads a secret from a file, without its last line break', () => {
    const config = parseConfig({ HALYARD_ADMIN_KEY_FILE: '/run/key' }, () => `${'k'.repeat(40)}\n`)
    expect(config.adminKey).toBe('k'.repeat(40))
  })

  it('takes white space around a value for none of it, wherever the value comes from', () => {
    const environment = {
      DATABASE_URL: ' postgres://db/halyard\n',
      HALYARD_ADMIN_KEY: `${'k'.repeat(40)}\n`,
      HALYARD_SECRET: `${'s'.repeat(40)}\r\n`,
      HALYARD_PORT: '4100 ',
      HALYARD_HOST: ' ',
    }
    expect(parseConfig(environment, noFile)).toMatchObject({
      database: 'postgres://db/halyard',
      adminKey: 'k'.repeat(40),
      secret: 's'.repeat(40),
      port: 4100,
      host: '127.0.0.1',
    })
  })

  it('tells a URL that is none from one of something else, and how to write a password in it', () => {
    expect(faultsOf({ DATABASE_URL: 'mysql://db/halyard' })).toEqual([
      'DATABASE_URL: must be a URL that starts with postgres:// or postgresql://',
    ])
    for (const password of ['can#ary', 'can/ary', 'can?ary']) {
      const faults = faultsOf({ DATABASE_URL: `postgres://ann:${password}@db:5432/halyard` })
      expect(faults).toEqual([expect.stringMatching(/^DATABASE_URL: is no URL: .*%23 \(#\)/)])
      expect(faults[0]).not.toContain('ary@')
    }
  })

  it('refuses a variable that is set twice', () => {
    expect(faultsOf({ HALYARD_SECRET: 's'.repeat(32), HALYARD_SECRET_FILE: '/run/secret' })).toEqual([
      'HALYARD_SECRET and HALYARD_SECRET_FILE are both set: keep one of them',
    ])
  })

  it('takes a Redis with a secret that all instances share, and nothing less', () => {
    const REDIS_URL = 'rediss://ann:canary@redis.example.com/2'
    const HALYARD_SECRET = 's'.repeat(32)
    expect(parseConfig({ REDIS_URL, HALYARD_SECRET }, noFile).redis).toMatchObject({
      address: { kind: 'standalone', tls: true, db: 2 },
      prefix: 'halyard:',
      ca: undefined,
    })
    expect(parseConfig({ HALYARD_SECRET }, noFile).redis).toBeUndefined()
    expect(faultsOf({ REDIS_URL })).toEqual([expect.stringMatching(/^HALYARD_SECRET: must be set/)])
    const faults = faultsOf({
      REDIS_URL: 'redis://:canary@one,two',
      HALYARD_SECRET,
      HALYARD_REDIS_PREFIX: 'with space',
      HALYARD_REDIS_CA: 'a path',
    })
    expect(faults.map((fault) => fault.split(':')[0])).toEqual([
      'REDIS_URL',
      'HALYARD_REDIS_PREFIX',
      'HALYARD_REDIS_CA',
    ])
    expect(faults.join()).not.toContain('canary')
  })

  it('takes an address to be shown under, which is a URL', () => {
    const HALYARD_ADVERTISED_URL = 'http://10.0.0.7:4000'
    expect(parseConfig({ HALYARD_ADVERTISED_URL }, noFile).advertisedUrl).toBe(HALYARD_ADVERTISED_URL)
    expect(faultsOf({ HALYARD_ADVERTISED_URL: '10.0.0.7' })).toEqual([
      expect.stringContaining('HALYARD_ADVERTISED_URL: must be a URL'),
    ])
  })

  it('takes PORT and HOST, and prefers its own names', () => {
    expect(parseConfig({ PORT: '8080', HOST: '0.0.0.0' }, noFile)).toMatchObject({
      port: 8080,
      host: '0.0.0.0',
    })
    expect(parseConfig({ PORT: '8080', HALYARD_PORT: '4001' }, noFile).port).toBe(4001)
  })

  it("leaves the clients' variables alone", () => {
    expect(
      faultsOf({ HALYARD_URL: 'http://127.0.0.1:4000', HALYARD_SDK_KEY: 'k', HALYARD_API_KEY: 'k' }),
    ).toEqual([])
  })

  it('knows keys that everybody has read in the files of the project', () => {
    const keys = (secret?: string, adminKey?: string) => publishedKeys({ secret, adminKey })
    expect(keys()).toEqual([])
    expect(keys('s'.repeat(32), 'k'.repeat(32))).toEqual([])
    expect(keys(undefined, 'change-me-to-32-random-characters-or-more')).toEqual([
      expect.stringMatching(/^HALYARD_ADMIN_KEY .*everybody knows it: set your own/),
    ])
  })
})
