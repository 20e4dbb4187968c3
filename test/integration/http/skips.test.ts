/** A write that some connected app would skip says so, whoever connected it. Today all versions know all: the table is made up. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts'
import { startService, type TestService } from '../../support/start-service.ts'

const PROJECT = '/api/v1/projects/default'
const DEVELOPMENT = `${PROJECT}/environments/development`
const FEATURES = { node: { 'operator.in': '0.1.0', 'operator.semverGte': '0.4.0' } }

let database: FreshDatabase
let edited: TestService
let followed: TestService
let key: string
beforeAll(async () => {
  database = await freshDatabase()
  edited = await startService({ database: database.url })
  followed = await startService({ database: database.url })
  Object.assign(edited.live, { sdks: { ...edited.live.sdks, features: FEATURES } })
  for (const flag of ['checkout', 'search', 'banner']) {
    await edited.ask('POST', `${PROJECT}/flags`, { body: { key: flag, type: 'boolean' } })
  }
  key = (await edited.ask('POST', `${DEVELOPMENT}/keys`, { body: { kind: 'server', name: 'apps' } })).body
    .secret
})
afterAll(async () => {
  await Promise.all([edited.close(), followed.close()])
  await database.drop()
})

const connect = (service: TestService, app: string, sdk: string) =>
  service.ask('GET', '/sdk/v1/ruleset', { key, headers: { 'halyard-app': app, 'halyard-sdk': sdk } })
const semver = { attribute: 'version', op: 'semverGte', values: ['2.0.0'] }
const rule = (id: string, when: object = semver) => ({ id, when, serve: { variant: 'on' } })
const addRule = (flag: string, body: object, query = '', headers = {}) =>
  edited.ask('POST', `${DEVELOPMENT}/flags/${flag}/rules${query}`, {
    body,
    headers: { 'if-match': '*', ...headers },
  })
const skips = (answer: { body: { warnings: { code: string; message: string }[] } }) =>
  answer.body.warnings
    .filter(({ code }) => code === 'skipped-by-connected-sdks')
    .map(({ message }) => message)

describe('a write that asks for more than every SDK knows', () => {
  it('warns of nobody while nobody is connected who would skip it', async () => {
    expect(skips(await addRule('banner', rule('r1')))).toEqual([])
  })

  it('names an app that another instance serves, in a dry run too', async () => {
    await connect(followed, 'shop/2.4.0', 'node/0.3.9')
    await connect(followed, 'till/1.0.0', 'node/0.4.0')
    await followed.live.keyUses.save()
    const warned = [
      '"shop" 2.4.0 (node/0.3.9) would skip rule r1 of checkout: its SDK does not know the operator semverGte, which came with node/0.4.0. Update it first.',
    ]
    expect(skips(await addRule('checkout', rule('r1'), '?dryRun=true'))).toEqual(warned)
    const once = { 'idempotency-key': 'rule-r1' }
    expect(skips(await addRule('checkout', rule('r1'), '', once))).toEqual(warned)
    expect(skips(await addRule('checkout', rule('r1'), '', once))).toEqual(warned)
  })

  it('says nothing of what was there before', async () => {
    const plain = rule('r2', { attribute: 'plan', op: 'in', values: ['pro'] })
    expect(skips(await addRule('checkout', plain))).toEqual([])
    expect(skips(await edited.ask('POST', `${DEVELOPMENT}/flags/checkout/enable`))).toEqual([])
  })

  it('counts a segment to the rules that name it', async () => {
    const put = (when: object, headers = {}) =>
      edited.ask('PUT', `${DEVELOPMENT}/segments/modern`, { body: { when }, headers })
    await put({ attribute: 'plan', op: 'in', values: ['pro'] })
    expect(skips(await addRule('search', rule('named', { segment: 'modern' })))).toEqual([])
    expect(skips(await put(semver, { 'if-match': '*' }))).toEqual([
      expect.stringContaining('would skip rule named of search'),
    ])
  })

  it('is about each environment’s own apps', async () => {
    const staging = `${PROJECT}/environments/staging/flags/checkout/rules`
    const answer = await edited.ask('POST', staging, { body: rule('r1'), headers: { 'if-match': '*' } })
    expect(answer.status).toBe(201)
    expect(skips(answer)).toEqual([])
  })
})
