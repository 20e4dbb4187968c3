import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startService, type TestService } from '../../support/start-service.ts'

const PROJECT = '/api/v1/projects/default'
const ENVIRONMENT = `${PROJECT}/environments/development`
const FLAG = `${ENVIRONMENT}/flags/checkout`

let service: TestService
beforeAll(async () => {
  service = await startService()
})
afterAll(() => service.close())

describe('the main job over REST', () => {
  it('makes a boolean flag with a disabled configuration in every environment', async () => {
    const made = await service.ask('POST', `${PROJECT}/flags`, { body: { key: 'checkout', type: 'boolean' } })
    expect(made.status, made.text).toBe(201)
    expect(made.body).toMatchObject({ key: 'checkout', type: 'boolean', archived: null, warnings: [] })
    const read = await service.ask('GET', FLAG)
    expect(read.body).toMatchObject({ key: 'checkout', enabled: false, offVariant: 'off', kill: null })
    expect(read.etag).toBe(`"${read.body.epoch}-${read.body.revision}"`)
    expect(read.headers['cache-control']).toBe('no-store')
  })

  it('evaluates each edit in the answering instance before it answers', async () => {
    const key = await service.sdkKey('server')
    const evaluate = async (context: object) =>
      (await service.ask('POST', '/ofrep/v1/evaluate/flags/checkout', { key, body: { context } })).body
    const pro = { targetingKey: 'u1', plan: 'pro', version: '2.4.0' }
    expect(await evaluate(pro)).toMatchObject({ value: false, variant: 'off', reason: 'DISABLED' })

    const ruled = await service.ask('POST', `${FLAG}/rules`, {
      body: {
        id: 'pro',
        when: {
          all: [
            { attribute: 'plan', op: 'in', values: ['pro'] },
            { attribute: 'version', op: 'semverGte', values: ['2.3.0'] },
          ],
        },
        serve: { variant: 'on' },
      },
    })
    expect(ruled.status, ruled.text).toBe(201)
    const enabled = await service.ask('POST', `${FLAG}/enable`)
    expect(enabled.status, enabled.text).toBe(200)
    expect(await evaluate(pro)).toMatchObject({
      value: true,
      reason: 'TARGETING_MATCH',
      metadata: { rule: 'pro' },
    })
    expect(await evaluate({ targetingKey: 'u1' })).toMatchObject({ value: false })

    const killed = await service.ask('PUT', `${FLAG}/kill`, { body: { comment: 'it burns' } })
    expect(killed.status, killed.text).toBe(200)
    expect(killed.body).toMatchObject({ serves: { variant: 'off', value: false }, alsoOff: [] })
    expect(await evaluate(pro)).toMatchObject({
      value: false,
      reason: 'DISABLED',
      metadata: { killed: true },
    })
    const again = await service.ask('POST', `${FLAG}/kill`)
    expect(again.body).toMatchObject({ already: true, kill: killed.body.kill })

    expect((await service.ask('DELETE', `${FLAG}/kill`)).status).toBe(200)
    expect(await evaluate(pro)).toMatchObject({ value: true })
  })
})
