/** What the history's commands were asked for is looked at before anything is done. */
import { afterAll, expect, it } from 'vitest'
import { command } from '../../support/edge.ts'
import { freshDatabase } from '../../support/postgres.ts'
import { startService } from '../../support/start-service.ts'

const { url, drop } = await freshDatabase()
afterAll(drop)
const PRODUCTION = '/api/v1/projects/default/environments/production'
const NAMED = 'default/production'
const COMMANDS = {
  erase: ['--identifier', 'user-42', '--comment', 'DSR-17', '--environment', NAMED, '--environment'],
  compact: ['--keep', 'daily', '--log', NAMED, '--log'],
}

it.each(['erase', 'compact'] as const)('a misspelt name leaves nothing half done by %s', async (name) => {
  const service = await startService({ database: url })
  const { ask } = service
  const segment = `${PRODUCTION}/segments/of-${name}`
  await ask('PUT', segment, { body: {} })
  for (const unit of ['user-42', 'user-43', 'user-44']) {
    const { status, text } = await ask('PATCH', `${segment}/members`, { body: { included: { add: [unit] } } })
    expect(status, text).toBe(200)
  }
  const before = name === 'compact' ? ['--before', new Date().toISOString()] : []
  const recorded = async () => (await ask('GET', `${PRODUCTION}/changes`)).body.items.length
  const [changes, settings] = [await recorded(), { DATABASE_URL: url }]
  const wrong = await command([name, ...before, ...COMMANDS[name], 'default/prod'], settings)
  expect(wrong).toMatchObject({ code: 64, said: '', told: expect.stringContaining('default/prod.') })
  expect(await recorded()).toBe(changes)
  const right = await command([name, ...before, ...COMMANDS[name], NAMED], settings)
  expect(right).toMatchObject({ code: 0, told: '' })
  expect(await recorded()).toBe(changes + 1)
  await service.close()
})

it.each(['2026-01-31T12:00:00', '2026-01-31 12:00', '2026-13-01', 'yesterday'])(
  'compact does not guess what time %s is',
  async (time) => {
    const { code, told } = await command(['compact', '--before', time, '--keep', 'daily'], {
      DATABASE_URL: url,
    })
    expect(code).toBe(64)
    expect(told).toContain('a time with its zone')
  },
)
