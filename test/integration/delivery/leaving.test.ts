/** Who waits for a kill to be applied does not hold up an instance that ends. */
import { beforeEach, expect, it } from 'vitest'
import { startService, type TestService } from '../../support/start-service.ts'
import { until } from '../../support/until.ts'

const PROJECT = '/api/v1/projects/default'
const ENVIRONMENT = `${PROJECT}/environments/development`
const FLAG = `${ENVIRONMENT}/flags/checkout`

let service: TestService
let url: string
const ask = (method: string, path: string, headers: Readonly<Record<string, string>> = {}) =>
  fetch(`${url}${path}`, { method, headers: { authorization: `Bearer ${service.adminKey}`, ...headers } })

/** A service with an app that never says that it has applied anything. */
beforeEach(async () => {
  service = await startService()
  await service.ask('POST', `${PROJECT}/flags`, { body: { key: 'checkout', type: 'boolean' } })
  url = await service.listen()
  const headers = {
    authorization: `Bearer ${await service.sdkKey('server')}`,
    'halyard-app': 'shop/1.0.0',
    'halyard-sdk': 'node/0.1.0',
    'halyard-instance': 'silent-1',
  }
  await fetch(`${url}/sdk/v1/stream`, { headers })
  await until('it is known', () => service.live.delivery.followers().stream === 1)
})

it('answers a kill with what is known by then', async () => {
  const answer = ask('PUT', `${FLAG}/kill?wait=sdks&timeout=60s`)
  await until('it is killed', () => {
    const { id } = service.live.environment('default', 'development')!
    return service.live.evaluate(id, 'checkout', {}).metadata.killed === true
  })
  const from = performance.now()
  await service.close()
  expect(performance.now() - from).toBeLessThan(10_000)
  const killed = await answer
  expect(killed.status).toBe(202)
  expect(await killed.json()).toMatchObject({ serves: { variant: 'off' }, sdks: { applied: 0 } })
})

it('ends the status of a kill that is watched, after what is known', async () => {
  const killed = await ask('PUT', `${FLAG}/kill?wait=none`)
  const { status } = (await killed.json()) as { status: string }
  const watched = await ask('GET', status, { accept: 'text/event-stream' })
  const text = watched.text()
  const from = performance.now()
  await service.close()
  expect(performance.now() - from).toBeLessThan(10_000)
  expect(await text).toMatch(/^event: status\ndata: .*"complete":false/)
})
