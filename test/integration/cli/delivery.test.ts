/** `halyard delivery`, with real apps: who is connected, and who of them is behind. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { Delivery } from '../../../sdk/cli/delivery.ts'
import { halyard } from '../../support/cli.ts'
import { processes } from '../../support/process.ts'
import { startSdk } from '../../support/sdk-process.ts'
import { startService, type TestService } from '../../support/start-service.ts'
import { until } from '../../support/until.ts'

let service: TestService
let url: string

beforeAll(async () => {
  service = await startService()
  url = await service.listen()
})
afterAll(() => service.close())

describe('halyard delivery', () => {
  const cli = halyard(() => ({ HALYARD_URL: url, HALYARD_API_KEY: service.adminKey }))
  const all = processes()

  async function app(name: string, instance: string) {
    const settings = { url, key: await service.sdkKey('server') }
    const app = { name, version: '2.4.0', instance }
    const started = await startSdk(all, settings, { it: { flag: 'it', otherwise: 0, context: {} } }, { app })
    await until('its stream works', async () => (await started.ask()).connected)
    return started
  }

  it('says so where nobody is', async () => {
    const { code, said } = await cli(['delivery', '--env', 'staging'])
    expect(code).toBe(0)
    expect(said).toMatch(/^staging at revision \d+ · servers 1 of 1 · 0 processes, 0 at this revision\n/)
    expect(said).toContain('No app is connected.')
  })

  it('counts by app, version and SDK, and names who is behind', async () => {
    await app('shop', 'pod-1')
    const frozen = await app('shop', 'pod-7')
    await app('admin', 'pod-9')
    onTestFinished(() => void frozen.child.kill('SIGCONT'))
    frozen.child.kill('SIGSTOP')
    await service.ask('POST', '/api/v1/projects/default/flags', { body: { key: 'new', type: 'boolean' } })
    const { code, said } = await cli(['delivery', '--env', 'development'])
    expect(code).toBe(0)
    const [head, , ...lines] = said.split('\n')
    expect(head).toMatch(/^development at revision \d+ · servers 1 of 1 · 3 processes, 2 at this revision$/)
    expect(lines.map((line) => line.split(/ {2,}/).slice(0, 6))).toEqual([
      ['APP', 'SDK', 'PROCESSES', 'CURRENT', 'POLL', 'AWAY'],
      ['shop@2.4.0', expect.stringMatching(/^node\//), '2', '1', '0', '0'],
      ['admin@2.4.0', expect.stringMatching(/^node\//), '1', '1', '0', '0'],
      [''],
      ['Behind or silent:'],
      ['APP', 'PROCESS', 'AT', 'BEHIND', 'SILENT', 'HOW'],
      [
        'shop@2.4.0',
        expect.stringMatching(/^pod-7-/),
        expect.any(String),
        '1 behind',
        expect.stringMatching(/^\d+ s$/),
        'stream',
      ],
    ])
    const told = await cli.json<Delivery>('delivery', '--env', 'development')
    expect(told).toMatchObject({ complete: true, total: { processes: 3, current: 2 } })
  })
})
