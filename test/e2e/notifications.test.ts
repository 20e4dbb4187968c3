/**
 * Two servers on one Postgres hear of each other's commits by notification, and where every notification is lost, by
 * the poll of revisions.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type DatabaseProxy, databaseProxy } from '../support/database-proxy.ts'
import { processes, type Server } from '../support/process.ts'
import { DEVELOPMENT, PROJECT, type Rest, rest, sdkKey } from '../support/rest.ts'
import { type SdkProcess, startSdk } from '../support/sdk-process.ts'
import { until } from '../support/until.ts'

const all = processes()
const PROBES = {
  ada: { flag: 'checkout', otherwise: false, context: { targetingKey: 'ada' } },
} as const
let proxy: DatabaseProxy
let deaf: Server
let api: Rest
let app: SdkProcess<'ada'>

beforeAll(async () => {
  const database = await all.freshDatabase()
  proxy = await databaseProxy(database)
  proxy.loseNotifications()
  const edited = await all.startServer({ database })
  deaf = await all.startServer({ database: proxy.url })
  api = rest(edited.url, edited.adminKey)
  await api.must('POST', `${PROJECT}/flags`, { key: 'checkout', type: 'boolean' })
  const fallthrough = { variant: 'on' }
  await api.must('PUT', `${DEVELOPMENT}/flags/checkout/fallthrough`, fallthrough)
  app = await startSdk(all, { url: deaf.url, key: await sdkKey(api, 'server') }, PROBES)
  await app.see('the server', ({ state }) => state === 'ready')
})
afterAll(() => proxy?.close())

it('brings every edit and kill to the server that hears no notification', async () => {
  const enabled = await api.must('POST', `${DEVELOPMENT}/flags/checkout/enable`)
  const on = await app.see('the enabled flag', ({ revision }) => revision === enabled.revision)
  expect(on.results.ada.value).toBe(true)
  const killed = await api.must('PUT', `${DEVELOPMENT}/flags/checkout/kill`)
  const off = await app.see('the kill', ({ revision }) => revision === killed.revision)
  expect(off.results.ada.value).toBe(false)
  expect(proxy.lost()).toBeGreaterThan(0)
})

it('opens that server to a key, and closes it again, that was made on the other', async () => {
  const { id, secret } = await api.must<{ id: string; secret: string }>('POST', `${DEVELOPMENT}/keys`, {
    kind: 'server',
    name: 'made elsewhere',
  })
  const ruleset = async () =>
    (await fetch(`${deaf.url}/sdk/v1/ruleset`, { headers: { authorization: `Bearer ${secret}` } })).status
  expect(await ruleset()).toBe(200)
  await api.must('DELETE', `${DEVELOPMENT}/keys/${id}`)
  await until('the deaf server refuses the revoked key', async () => (await ruleset()) === 401)
})
