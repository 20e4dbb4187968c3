/** Without the database the present is answered from memory; the past is `unavailable`, which is no absence. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { problemUri } from '../../../server/contract/index.ts'
import { type DatabaseProxy, databaseProxy } from '../../support/database-proxy.ts'
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts'
import { startService, type TestService } from '../../support/start-service.ts'

const PROJECT = '/api/v1/projects/default'
const ENVIRONMENT = `${PROJECT}/environments/development`

let database: FreshDatabase
let proxy: DatabaseProxy
let service: TestService
beforeAll(async () => {
  database = await freshDatabase()
  proxy = await databaseProxy(database.url)
  service = await startService({ database: proxy.url })
  for (const key of ['checkout', 'search']) {
    await service.ask('POST', `${PROJECT}/flags`, { body: { key, type: 'boolean' } })
  }
  await service.ask('POST', `${ENVIRONMENT}/flags/checkout/enable`)
  await proxy.takeAway()
})
afterAll(async () => {
  await proxy.giveBack()
  await service.close()
  await proxy.close()
  await database.drop()
})

const side = { environment: 'development' }
it.each([
  ['GET', `${ENVIRONMENT}/revisions/latest`, undefined],
  ['POST', `${ENVIRONMENT}/explain`, { flag: 'checkout', context: {} }],
  ['POST', `${ENVIRONMENT}/explain`, { context: {} }],
  ['POST', `${ENVIRONMENT}/explain`, { flag: 'checkout', context: {}, at: '2999-01-01T00:00:00Z' }],
  ['POST', `${PROJECT}/compare`, { context: {}, from: side, to: { environment: 'staging' } }],
])('%s %s of the present is answered: %o', async (method, path, body) => {
  expect((await service.ask(method, path, { ...(body && { body }) })).status).toBe(200)
})

it.each([
  ['GET', '/api/v1/changes', undefined],
  ['GET', `${PROJECT}/changes`, undefined],
  ['GET', `${ENVIRONMENT}/changes`, undefined],
  ['GET', `${ENVIRONMENT}/changes/1`, undefined],
  ['GET', `${ENVIRONMENT}/revisions/1`, undefined],
  ['POST', `${ENVIRONMENT}/explain`, { flag: 'checkout', context: {}, at: 2 }],
  ['POST', `${PROJECT}/compare`, { context: {}, from: { ...side, at: 2 }, to: side }],
])('%s %s of the past is unavailable: %o', async (method, path, body) => {
  const answer = await service.ask(method, path, { ...(body && { body }) })
  expect([answer.status, answer.body.type]).toEqual([503, problemUri('unavailable')])
  expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(1)
})
