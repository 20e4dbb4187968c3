/**
 * A server that was killed serves, when it runs again, the very state that it served; an app that was connected
 * stays on the last values that it knows meanwhile, and catches up by itself.
 */
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { processes, type Server } from '../support/process.ts'
import { ANY, DEVELOPMENT, PROJECT, rest, sdkKey } from '../support/rest.ts'
import { startSdk } from '../support/sdk-process.ts'

const all = processes()
const FLAG = `${DEVELOPMENT}/flags/checkout`
const PROBES = {
  ada: { flag: 'checkout', otherwise: 'code', context: { targetingKey: 'ada' } },
  crowd: { flag: 'half', crowd: 200 },
} as const

describe.each(['embedded', 'Postgres'] as const)('a server on %s', (kind) => {
  let server: Server
  let key: string
  const cacheFile = join(all.freshFolder(), 'flags.json')

  const ruleset = async () => {
    const answer = await fetch(`${server.url}/sdk/v1/ruleset`, {
      headers: { authorization: `Bearer ${key}` },
    })
    return { etag: answer.headers.get('etag'), state: await answer.json() }
  }

  beforeAll(async () => {
    server = await all.startServer({ database: kind === 'embedded' ? 'embedded' : await all.freshDatabase() })
    const api = rest(server.url, server.adminKey)
    await api.must('POST', `${PROJECT}/flags`, {
      key: 'checkout',
      type: 'string',
      variants: { new: 'new', old: 'old' },
      offVariant: null,
      fallthrough: { variant: 'new' },
    })
    await api.must('POST', `${FLAG}/enable`)
    await api.must('POST', `${PROJECT}/flags`, { key: 'half', type: 'boolean' })
    await api.must(
      'PUT',
      `${DEVELOPMENT}/flags/half/fallthrough`,
      {
        split: {
          shares: [
            { variant: 'on', percent: 50 },
            { variant: 'off', percent: 50 },
          ],
        },
      },
      ANY,
    )
    await api.must('POST', `${DEVELOPMENT}/flags/half/enable`)
    await api.must('PUT', `${DEVELOPMENT}/segments/beta`, { when: null })
    await api.must('PATCH', `${DEVELOPMENT}/segments/beta/members`, { included: { add: ['ada', 7] } })
    key = await sdkKey(api, 'server')
  })

  it('serves the same state to the byte after kill -9', async () => {
    const before = await ruleset()
    await server.kill()
    server = await server.again()
    expect(await ruleset()).toEqual(before)
  })

  it('leaves an app on the last known values while it is away, and the app catches up', async () => {
    const app = await startSdk(all, { url: server.url, key }, PROBES, { cacheFile })
    const connected = await app.see('the server', ({ state }) => state === 'ready')
    expect(connected.results.ada.value).toBe('new')

    await server.kill()
    await app.see('that the server is away', ({ event }) => event === 'error' || event === 'stale')
    const alone = await app.ask()
    expect(alone.results).toEqual(connected.results)
    expect(alone.revision).toBe(connected.revision)

    server = await server.again()
    const edited = await rest(server.url, server.adminKey).must(
      'PUT',
      `${FLAG}/fallthrough`,
      {
        variant: 'old',
      },
      ANY,
    )
    const caughtUp = await app.see('the edit', ({ revision }) => revision === edited.revision)
    expect(caughtUp.results.ada.value).toBe('old')
    expect(caughtUp.results.crowd).toEqual(connected.results.crowd)
    expect((await app.close()).code).toBe(0)
  })

  it('starts an app that finds nobody on its cache file or its own defaults, and brings it up', async () => {
    await server.stop()
    const [bare, cached] = await Promise.all([
      startSdk(all, { url: server.url, key }, PROBES, { startTimeoutMs: 200 }),
      startSdk(all, { url: server.url, key }, PROBES, { startTimeoutMs: 200, cacheFile }),
    ])
    expect(await bare.ask()).toMatchObject({ source: 'default', results: { ada: { value: 'code' } } })
    expect(await cached.ask()).toMatchObject({ source: 'cache', results: { ada: { value: 'old' } } })

    server = await server.again()
    await rest(server.url, server.adminKey).must('PUT', `${FLAG}/fallthrough`, { variant: 'new' }, ANY)
    for (const app of [bare, cached]) {
      await app.see('the server', ({ results, state }) => state === 'ready' && results.ada.value === 'new')
      expect((await app.close()).code).toBe(0)
    }
  })
})
