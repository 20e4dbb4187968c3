import { rulesetOf } from '@halyard/sdk/core'
import { connect } from '@halyard/sdk/node'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { type ConnectOptions, settingsOf } from '../../../sdk/node/options.ts'
import { recorder } from './clients.ts'
import { booleanFlag, environment } from './rulesets.ts'
import { KEY } from './wire-server.ts'

const bootstrap = rulesetOf(environment({ a: booleanFlag(true) }))
const url = 'http://127.0.0.1:4000'
const settings = (options: ConnectOptions, variables = {}) =>
  settingsOf({ logger: recorder().logger, ...options }, variables, 10_000)

afterEach(() => {
  vi.unstubAllGlobals()
  vi.unstubAllEnvs()
})

describe('what a programmer got wrong is said at once', () => {
  test.each<[string, object, RegExp]>([
    ['no url', { key: KEY }, /needs url \(or HALYARD_URL\)/],
    ['no key', { url }, /needs key \(or HALYARD_SDK_KEY\)/],
    ['an empty list of urls', { url: [], key: KEY }, /needs url/],
    ['a url that is none', { url: '127.0.0.1:4000', key: KEY }, /no http\(s\) address/],
    ['a url of another scheme', { url: 'ftp://a', key: KEY }, /no http\(s\) address/],
    ['a url with a password', { url: 'http://a:b@c', key: KEY }, /without credentials/],
    ['a url with a query', { url: 'http://a/?key=b', key: KEY }, /without credentials, query/],
    ['too many urls', { url: Array(17).fill(url), key: KEY }, /at most 16/],
    ['a client key', { url, key: 'hly_pub_abc_secret' }, /hly_pub_abc is a client key/],
    ['a management key', { url, key: 'hly_api_abc_secret' }, /hly_api_abc is a management key/],
    ['a key with a line end', { url, key: `${KEY}\n` }, /characters that no key has/],
    ['an unknown option', { url, key: KEY, timeout: 5 }, /no option "timeout"/],
    ['an unknown mode', { url, key: KEY, mode: 'push' }, /mode must be one of "stream"/],
    ['a poll interval of milliseconds', { url, key: KEY, pollIntervalMs: 10 }, /pollIntervalMs/],
    ['a start timeout that is no number', { url, key: KEY, startTimeoutMs: '3s' }, /startTimeoutMs/],
    ['onStale without an age', { url, key: KEY, onStale: 'default' }, /needs maxStalenessMs/],
    ['a context that is a list', { url, key: KEY, context: [] }, /context must be an object/],
    ['an app without a name', { url, key: KEY, app: {} }, /app.name/],
    [
      'an app whose instance is no name',
      { url, key: KEY, app: { name: 'shop', instance: 7 } },
      /app.instance/,
    ],
    ['a logger that logs nothing', { url, key: KEY, logger: {} }, /logger must have/],
    ['a bootstrap that is no ruleset, and no server', { bootstrap: {} }, /bootstrap is no ruleset/],
    ['overrides that are no yes or no', { url, key: KEY, overrides: {} }, /true or false/],
    ['a cache file without a name', { url, key: KEY, cacheFile: '' }, /cacheFile/],
  ])('%s', async (_, options, message) => {
    vi.stubEnv('HALYARD_URL', undefined)
    vi.stubEnv('HALYARD_SDK_KEY', undefined)
    const connecting = connect(options as ConnectOptions)
    await expect(connecting).rejects.toThrow(TypeError)
    await expect(connecting).rejects.toThrow(message)
  })

  test('a window: rules and a secret key have no place in a browser', async () => {
    vi.stubGlobal('window', {})
    await expect(connect({ url, key: KEY })).rejects.toThrow(/must not run in a browser/)
  })

  test('no message holds the secret of a key', async () => {
    const connecting = connect({ url, key: 'hly_pub_abc_topsecret' })
    await expect(connecting).rejects.not.toThrow(/topsecret/)
  })
})

describe('what is filled in', () => {
  test('url and key come from the environment, a list of urls with commas', () => {
    const { server } = settings({}, { HALYARD_URL: 'http://a, https://b/flags', HALYARD_SDK_KEY: KEY })
    expect(server?.urls.map(String)).toEqual(['http://a/', 'https://b/flags/'])
    expect(server?.key).toBe(KEY)
  })
  test('an option goes before the environment', () => {
    const { server } = settings({ url, key: KEY }, { HALYARD_URL: 'http://other', HALYARD_SDK_KEY: 'other' })
    expect(server?.urls.map(String)).toEqual([`${url}/`])
  })
  test('with a bootstrap alone there is no server', () => {
    expect(settings({ bootstrap }).server).toBeUndefined()
    expect(settings({ bootstrap: JSON.stringify(bootstrap) }).bootstrap?.revision).toBe(1)
  })
  test('a bad bootstrap keeps no app from starting that has a server to ask', () => {
    const { logger, text } = recorder()
    const made = settingsOf({ url, key: KEY, bootstrap: { ...bootstrap, digest: 1 }, logger }, {}, 10_000)
    expect(made.bootstrap).toBeUndefined()
    expect(text()).toMatch(/bootstrap is ignored: the digest does not hold/)
  })
  test('overrides have no effect in production, and that is said', () => {
    const { logger, text } = recorder()
    const options = { url, key: KEY, overrides: true, logger }
    expect(settingsOf(options, { NODE_ENV: 'production' }, 10_000).overrides).toBe('ignored')
    expect(text()).toMatch(/overrides are for development/)
    expect(settingsOf(options, {}, 10_000).overrides).toBe('allowed')
  })
  test('a state is stale after a minute, or three polls where they are rarer', () => {
    expect(settings({ url, key: KEY }).staleAfterMs).toBe(60_000)
    expect(settings({ url, key: KEY, mode: 'poll', pollIntervalMs: 60_000 }).staleAfterMs).toBe(180_000)
    expect(settings({ url, key: KEY, mode: 'once' }).staleAfterMs).toBe(Number.POSITIVE_INFINITY)
    expect(settings({ url, key: KEY, mode: 'once', maxStalenessMs: 5 }).staleAfterMs).toBe(5)
  })
  test('the context is copied', () => {
    const context = { region: 'eu' }
    const made = settings({ url, key: KEY, context })
    context.region = 'us'
    expect(made.context).toEqual({ region: 'eu' })
  })
})
