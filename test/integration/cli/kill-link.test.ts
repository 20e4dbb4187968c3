/** `halyard kill-link` against a real service: what it prints works as it is. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { isLoopback } from '../../../sdk/cli/settings.ts'
import { halyard } from '../../support/cli.ts'
import { ADMIN_KEY, startService, type TestService } from '../../support/start-service.ts'

const KILL = '/api/v1/projects/default/environments/production/flags/checkout'

let service: TestService
let url: string
beforeAll(async () => {
  service = await startService()
  url = await service.listen()
  await service.ask('POST', '/api/v1/projects/default/flags', { body: { key: 'checkout', type: 'boolean' } })
})
afterAll(async () => await service.close())

const cli = halyard(() => ({ HALYARD_URL: url, HALYARD_API_KEY: ADMIN_KEY }))
const make = (...args: string[]) => cli(['kill-link', 'checkout', '--env', 'production', ...args])
const daysOf = ({ expiresAt }: { expiresAt: string }) => (Date.parse(expiresAt) - Date.now()) / 86_400_000

it('prints a link whose page opens, and a line that kills when it is typed', async () => {
  const { code, said } = await make('--comment', 'Runbook: payments fail')
  expect(code).toBe(0)
  const [link = ''] = said.split('\n')
  expect(await (await fetch(link)).text()).toContain('Runbook: payments fail')
  const [, method = '', address = ''] = /webhook +curl -X (\w+) (\S+)$/m.exec(said) ?? []
  const answer = await fetch(address, { method })
  expect(await answer.json()).toMatchObject({ kill: { comment: 'Runbook: payments fail' } })
  expect((await service.ask('GET', KILL)).body.kill).not.toBeNull()
})

it('warns where no other machine reaches the link', async () => {
  expect((await make()).told).toBe(
    `warning: ${new URL(url).host} is this machine alone: no other one reaches the link. Make it with --url and an address that others know.`,
  )
  expect(isLoopback('http://localhost:4000')).toBe(true)
  expect(isLoopback('http://[::1]:4000')).toBe(true)
  for (const elsewhere of ['http://10.0.0.7:4000', 'https://localhost.example', 'http://127.example']) {
    expect(isLoopback(elsewhere)).toBe(false)
  }
})

it('takes for how long, and answers JSON', async () => {
  const link = JSON.parse((await make('--expires', '8w', '--json')).said)
  expect(link.url.startsWith(`${url}/k/`)).toBe(true)
  expect(Math.round(daysOf(link))).toBe(56)
  expect(Math.round(daysOf(JSON.parse((await make('--expires', '12h', '--json')).said)) * 24)).toBe(12)
  for (const wrong of ['soon', '30', '3y', '']) {
    expect(await make('--expires', wrong)).toMatchObject({
      code: 64,
      told: expect.stringContaining('12h, 30d'),
    })
  }
  expect(await make('--expires', '500d')).toMatchObject({
    code: 1,
    told: expect.stringContaining('400 days'),
  })
})

it('makes one for a group, once it is said how many flags that is', async () => {
  const group = (...args: string[]) => cli(['kill-link', '--all', '--env', 'production', ...args])
  expect(await group()).toMatchObject({ code: 64, told: expect.stringContaining('add --expect 1') })
  const { code, said } = await group('--expect', '1')
  expect([code, said]).toEqual([0, expect.stringContaining('kills     1 flag in production')])
  expect(await group('--expect', '2')).toEqual({
    code: 1,
    said: '',
    told: 'halyard: 1 flag matches now, and 2 were expected: checkout. No link was made; if these are meant, say --expect 1.',
  })
})
