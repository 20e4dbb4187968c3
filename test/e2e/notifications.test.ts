/**
 * Two servers on one Postgres hear of each other's commits by notification, and where every notification is lost, by
 * the poll of revisions.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type DatabaseProxy, databaseProxy } from '../support/database-proxy.ts'
import { processes, type Server } from '../support/process.ts'
import { ANY, DEVELOPMENT, PROJECT, type Rest, rest, sdkKey } from '../support/rest.ts'
import { type SdkProcess, startSdk } from '../support/sdk-process.ts'
import { until } from '../support/until.ts'

const all = processes()
const PROBES = {
  ada: { flag: 'checkout', otherwise: false, context: { targetingKey: 'ada' } },
} as const
let proxy: DatabaseProxy
let other: Server
let api: Rest
let app: SdkProcess<'ada'>

beforeAll(async () => {
  const database = await all.freshDatabase()
  proxy = await databaseProxy(database)
  const edited = await all.startServer({ database })
  other = await all.startServer({ database: proxy.url })
  api = rest(edited.url, edited.adminKey)
  await api.must('POST', `${PROJECT}/flags`, { key: 'checkout', type: 'boolean' })
  const fallthrough = { variant: 'on' }
  await api.must('PUT', `${DEVELOPMENT}/flags/checkout/fallthrough`, fallthrough, ANY)
  app = await startSdk(all, { url: other.url, key: await sdkKey(api, 'server') }, PROBES)
  await app.see('the server', ({ state }) => state === 'ready')
})
afterAll(() => proxy?.close())

it('brings edits to the other server as they happen: many between two polls', async () => {
  const polls = async () => {
    const text = await (await fetch(`${other.url}/metrics`)).text()
    return Number(/^halyard_polls_total (\d+)/m.exec(text)?.[1])
  }
  const edits = 20
  const before = await polls()
  for (let edit = 0; edit < edits; edit += 1) {
    const verb = edit % 2 === 0 ? 'enable' : 'disable'
    const { revision } = await api.must('POST', `${DEVELOPMENT}/flags/checkout/${verb}`)
    await app.see(`edit ${edit}`, (line) => line.revision === revision)
  }
  expect((await polls()) - before).toBeLessThan(edits)
})

it('brings every edit and kill to it when every notification is lost', async () => {
  proxy.loseNotifications()
  const enabled = await api.must('POST', `${DEVELOPMENT}/flags/checkout/enable`)
  const on = await app.see('the enabled flag', ({ revision }) => revision === enabled.revision)
  expect(on.results.ada.value).toBe(true)
  const killed = await api.must('PUT', `${DEVELOPMENT}/flags/checkout/kill`)
  const off = await app.see('the kill', ({ revision }) => revision === killed.revision)
  expect(off.results.ada.value).toBe(false)
  expect(proxy.lost()).toBeGreaterThan(0)
})

it('opens it to a key that was just made on the first, and closes it again', async () => {
  const { id, secret } = await api.must<{ id: string; secret: string }>('POST', `${DEVELOPMENT}/keys`, {
    kind: 'server',
    name: 'made elsewhere',
  })
  const ruleset = async () =>
    (await fetch(`${other.url}/sdk/v1/ruleset`, { headers: { authorization: `Bearer ${secret}` } })).status
  expect(await ruleset()).toBe(200)
  await api.must('DELETE', `${DEVELOPMENT}/keys/${id}`)
  await until('it refuses the revoked key', async () => (await ruleset()) === 401)
})
