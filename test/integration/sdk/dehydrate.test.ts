/** What a server puts into a page, beside what the service answers that page's key. */
import { connect } from '@halyard/sdk/node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CANARY, makeFlags } from '../../support/openfeature-flags.ts'
import { rest } from '../../support/rest.ts'
import { startService, type TestService } from '../../support/start-service.ts'

let service: TestService
let url: string
let flags: Awaited<ReturnType<typeof connect>>

beforeAll(async () => {
  service = await startService()
  url = await service.listen()
  await makeFlags(rest(url, service.adminKey))
  flags = await connect({ url, key: await service.sdkKey('server'), context: { plan: 'pro' } })
})
afterAll(async () => {
  await flags.close()
  await service.close()
})

test('it is what a client key is answered, flag by flag, for the whole context', async () => {
  const key = await service.sdkKey('client')
  for (const context of [{ targetingKey: 'ada' }, { plan: 'free' }, { account: 'x', plan: 1 }, {}]) {
    const page = flags.dehydrate(context)
    const { body } = await service.ask('POST', '/ofrep/v1/evaluate/flags', {
      key,
      body: { context: { plan: 'pro', ...context } },
    })
    const answered = body.flags.map(({ metadata, ...answer }: { metadata?: Record<string, unknown> }) => {
      const { epoch, revision, flagSetId, ...own } = metadata ?? {}
      return metadata === undefined ? answer : { ...answer, metadata: own }
    })
    expect(JSON.parse(JSON.stringify(page))).toEqual({
      context: { plan: 'pro', ...context },
      etag: expect.stringMatching(/^"\d+-\d+"$/),
      flags: answered,
    })
    expect(JSON.stringify(page)).not.toContain(CANARY)
  }
})

test('as a script it is the same data, and nothing in it ends the script', () => {
  const nasty = '</script><!--<script>\u2028\u2029&lt;'
  const page = flags.dehydrate({ targetingKey: nasty })
  const script = page.toScript()
  expect(script).not.toMatch(/[<>&\u2028\u2029]/)
  expect(JSON.parse(script)).toEqual(JSON.parse(JSON.stringify(page)))
  expect(new Function(`return ${script}`)().context.targetingKey).toBe(nasty)
  expect(Object.keys({ ...page })).toEqual(['context', 'etag', 'flags'])
})

test('overrides are in it; without a ruleset it is empty', async () => {
  const local = await connect({ url, key: await service.sdkKey('server'), overrides: true })
  local.override('checkout', true)
  local.override(`${CANARY}-internal`, true)
  const page = local.dehydrate({ plan: 'free' })
  expect(page.flags.find(({ key }) => key === 'checkout')).toMatchObject({ value: true })
  expect(JSON.stringify(page)).not.toContain(CANARY)
  await local.close()
  const logger = { warn() {}, error() {} }
  const lost = await connect({ url: 'http://127.0.0.1:1', key: 'hly_srv_a_b', startTimeoutMs: 0, logger })
  expect(JSON.parse(lost.dehydrate().toScript())).toEqual({ context: {}, etag: '', flags: [] })
  await lost.close()
})
