/** Two editors on two instances of one database: whoever is second is told, and nothing is overwritten unseen. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts'
import { startService, type TestService } from '../../support/start-service.ts'

const PROJECT = '/api/v1/projects/default'
const ENVIRONMENT = `${PROJECT}/environments/development`
const ROUNDS = 20

let database: FreshDatabase
let services: readonly [TestService, TestService]

beforeAll(async () => {
  database = await freshDatabase()
  const one = await startService({ database: database.url })
  services = [one, await startService({ database: database.url })]
})
afterAll(async () => {
  await Promise.all(services.map((service) => service.close()))
  await database.drop()
})

async function makeFlags(...keys: readonly string[]): Promise<void> {
  for (const key of keys)
    await services[0].ask('POST', `${PROJECT}/flags`, { body: { key, type: 'boolean' } })
}
/** Neither waits for its next poll. */
async function bothCatchUp(): Promise<void> {
  const id = services[0].live.environment('default', 'development')?.id ?? ''
  await Promise.all(services.map(({ live }) => live.catchUp(id)))
}
/** The answers of both editors at once, the winner's first. */
async function race(edit: (service: TestService, index: number) => ReturnType<TestService['ask']>) {
  const answers = await Promise.all(services.map(edit))
  return answers.sort((a, b) => a.status - b.status)
}

it('on the same flag: one wins, the other is 412 and shown what the winner wrote', async () => {
  await makeFlags('same')
  for (let round = 0; round < ROUNDS; round++) {
    const { etag } = await services[0].ask('GET', `${ENVIRONMENT}/flags/same`)
    await bothCatchUp()
    const [won, lost] = await race((service, index) =>
      service.ask('PATCH', `${ENVIRONMENT}/flags/same`, {
        body: { rules: [{ id: `round-${round}-editor-${index}`, serve: { variant: 'on' } }] },
        headers: { 'if-match': etag },
      }),
    )
    expect([won?.status, lost?.status]).toEqual([200, 412])
    expect(lost?.body.type).toBe('https://halyard.dev/problems/stale')
    expect(lost?.body.current.rules).toEqual(won?.body.rules)
    expect(lost?.headers.etag).toBe(won?.etag)
    await bothCatchUp()
    const now = await services[0].ask('GET', `${ENVIRONMENT}/flags/same`)
    expect(now.body.rules).toEqual(won?.body.rules)
  }
})

it('on a cycle of prerequisites: one wins, the other is 422 and told the cycle', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const flags = [`a-${round}`, `b-${round}`] as const
    await makeFlags(...flags)
    await bothCatchUp()
    const [won, lost] = await race((service, index) =>
      service.ask('PATCH', `${ENVIRONMENT}/flags/${flags[index]}`, {
        body: { prerequisites: [{ flag: flags[1 - index], variants: ['on'] }] },
        headers: { 'if-match': '*' },
      }),
    )
    expect([won?.status, lost?.status]).toEqual([200, 422])
    expect(lost?.body.errors).toEqual([
      {
        pointer: '/prerequisites/0/flag',
        message: expect.stringMatching(/cycle: [ab]-\d+ → [ab]-\d+ → [ab]-\d+/),
      },
    ])
  }
})

it('on one plan of a promotion: one wins, the other is 409 and told which side has moved', async () => {
  const body = { from: 'development', to: 'staging', flags: ['planned'] }
  const staging = services[0].live.environment('default', 'staging')?.id ?? ''
  await makeFlags('planned')
  for (let round = 0; round < ROUNDS; round++) {
    await services[0].ask('PUT', `${ENVIRONMENT}/flags/planned/fallthrough`, {
      body: { variant: round % 2 === 0 ? 'on' : 'off' },
      headers: { 'if-match': '*' },
    })
    const planned = await services[0].ask('POST', `${PROJECT}/promotions?dryRun=true`, { body })
    const before = planned.body.revision
    const [won, lost] = await race((service) =>
      service.ask('POST', `${PROJECT}/promotions`, { body: { ...body, plan: planned.body.plan } }),
    )
    expect([won?.status, lost?.status], lost?.text).toEqual([200, 409])
    expect(won?.body.revision).toBe(before + 1)
    expect(lost?.body.type).toBe('https://halyard.dev/problems/plan-stale')
    expect(lost?.body.detail).toContain(`"staging" has moved to revision ${won?.body.revision}.`)
    await Promise.all(services.map(({ live }) => live.catchUp(staging)))
  }
})
