/** An environment moves to another server by the public API alone: what every user gets there is what they got here. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startService, type TestService } from '../../support/start-service.ts'

const PROJECT = '/api/v1/projects/default'
const ENVIRONMENT = `${PROJECT}/environments/production`
const USERS = Array.from({ length: 5_000 }, (_, index) => `user-${index}@shop.example`)
const PLANS = ['free', 'pro', undefined]

let old: TestService
let fresh: TestService
beforeAll(async () => {
  ;[old, fresh] = await Promise.all([startService(), startService()])
})
afterAll(() => Promise.all([old.close(), fresh.close()]))

async function must(service: TestService, method: string, url: string, body?: unknown) {
  const headers: Record<string, string> = ['PATCH', 'PUT'].includes(method) ? { 'if-match': '*' } : {}
  const answer = await service.ask(method, url, { body, headers: url.endsWith('/members') ? {} : headers })
  expect(answer.status, `${method} ${url}: ${answer.text}`).toBeLessThan(300)
  return answer.body
}

/** All pages of a list. */
async function everyItem(service: TestService, url: string) {
  const items: Record<string, unknown>[] = []
  for (let cursor = ''; ; ) {
    const page = await must(service, 'GET', `${url}?limit=1000${cursor}`)
    items.push(...page.items)
    if (page.cursor === null) return items
    cursor = `&cursor=${encodeURIComponent(page.cursor)}`
  }
}

/** Years of ramping up and down, so that ranges are in pieces that shares alone do not tell. */
async function live(): Promise<void> {
  const split = (percent: number, salt?: string) => ({
    split: {
      ...(salt === undefined ? {} : { salt }),
      shares: [
        { variant: 'on', percent },
        { variant: 'off', percent: 100 - percent },
      ],
      missing: 'off',
    },
  })
  await must(old, 'POST', `${ENVIRONMENT}/commits`, {
    changes: [
      { op: 'put', kind: 'segment', key: 'inner', definition: { by: 'targetingKey', ignoreCase: true } },
      { op: 'put', kind: 'segment', key: 'outer', definition: { when: { not: { segment: 'inner' } } } },
    ],
  })
  for (let index = 0; index < USERS.length; index += 2_500) {
    const some = USERS.slice(index, index + 2_500)
    await must(old, 'PATCH', `${ENVIRONMENT}/segments/inner/members`, {
      included: { add: some.filter((_, place) => place % 3 === 0) },
      excluded: { add: some.filter((_, place) => place % 3 === 1 && place % 7 === 1) },
    })
  }
  for (let index = 0; index < 30; index += 1) {
    const key = `flag-${String(index).padStart(2, '0')}`
    await must(old, 'POST', `${PROJECT}/flags`, {
      key,
      type: 'boolean',
      description: `The ${index}. of them`,
      tags: ['moving'],
      visibility: index % 2 === 0 ? 'client' : 'server',
    })
    const one = `${ENVIRONMENT}/flags/${key}`
    await must(old, 'POST', `${one}/enable`)
    if (index > 0 && index % 5 === 0) {
      await must(old, 'PATCH', one, { prerequisites: [{ flag: 'flag-00', variants: ['on'] }] })
    }
    const rule = (percent: number) => ({ serve: { split: { shares: [{ variant: 'on', percent }] } } })
    await must(old, 'POST', `${one}/rules`, { id: 'ramp', when: { segment: 'outer' }, ...rule(5 + index) })
    for (const percent of [90, 20 + index, 60]) await must(old, 'PATCH', `${one}/rules/ramp`, rule(percent))
    await must(old, 'POST', `${one}/rules`, {
      id: 'pro',
      when: { attribute: 'plan', op: 'in', values: ['pro'] },
      serve: { variant: index % 2 === 0 ? 'on' : 'off' },
    })
    for (const percent of [10, 70, 30 + index])
      await must(old, 'PUT', `${one}/fallthrough`, split(percent, index % 3 === 0 ? 'cohort' : undefined))
    await must(old, 'PUT', `${one}/targets/on`, { units: USERS.slice(index, index + 3) })
  }
  await must(old, 'PUT', `${ENVIRONMENT}/flags/flag-03/kill`, { comment: 'INC-1' })
}

/** Reads an environment of one service and writes it to another, with nothing but what the API shows. */
async function move(): Promise<void> {
  for (const flag of await everyItem(old, `${PROJECT}/flags`)) {
    const { key, type, description, tags, owner, temporary, initial } = flag
    const { variants, offVariant } = initial as Record<string, unknown>
    await must(fresh, 'POST', `${PROJECT}/flags`, {
      key,
      type,
      description,
      tags,
      owner,
      temporary,
      variants,
      offVariant,
    })
  }
  const changes = []
  for (const [kind, list] of [
    ['segment', 'segments'],
    ['flag', 'flags'],
  ] as const) {
    for (const definition of await everyItem(old, `${ENVIRONMENT}/${list}`)) {
      changes.push({ op: 'put', kind, key: definition.key, definition })
    }
  }
  await must(fresh, 'POST', `${ENVIRONMENT}/commits?ranges=keep`, { changes, comment: 'From the old server' })
  for (const { key } of await everyItem(old, `${ENVIRONMENT}/segments`)) {
    const members = await everyItem(old, `${ENVIRONMENT}/segments/${key}/members`)
    for (let index = 0; index < members.length; index += 10_000) {
      const some = members.slice(index, index + 10_000)
      const add = (list: string) => some.filter((one) => one.list === list).map(({ unit }) => unit)
      await must(fresh, 'PATCH', `${ENVIRONMENT}/segments/${key}/members`, {
        included: { add: add('included') },
        excluded: { add: add('excluded') },
      })
    }
  }
  for (const { key, kill } of await everyItem(old, `${ENVIRONMENT}/flags`)) {
    if (kill !== null) await must(fresh, 'PUT', `${ENVIRONMENT}/flags/${key}/kill`, { comment: 'Moved' })
  }
}

it('gives every user the same variant on both servers, from ranges that are the same to the byte', async () => {
  await live()
  await move()

  const documents = async (service: TestService, list: string) =>
    (await everyItem(service, `${ENVIRONMENT}/${list}`)).map(
      ({ epoch: _e, revision: _r, changedAt: _a, changedBy: _b, kill: _k, ...rest }) => JSON.stringify(rest),
    )
  for (const list of ['flags', 'segments'])
    expect(await documents(fresh, list)).toEqual(await documents(old, list))

  const idOf = (service: TestService) => service.live.environment('default', 'production')?.id ?? ''
  const [here, there] = [idOf(old), idOf(fresh)]
  const keys = (await everyItem(old, `${ENVIRONMENT}/flags`)).map(({ key }) => String(key))
  expect(keys).toHaveLength(30)
  const seen = new Set<string>()
  for (const key of keys) {
    for (const [index, targetingKey] of USERS.entries()) {
      const context = { targetingKey, plan: PLANS[index % PLANS.length] ?? null }
      const [was, is] = [old.live.evaluate(here, key, context), fresh.live.evaluate(there, key, context)]
      if (was.variant !== is.variant || was.reason !== is.reason) {
        expect.fail(`${key} gives ${targetingKey} ${is.variant} (${is.reason}), and gave ${was.variant}`)
      }
      seen.add(`${is.variant} ${is.reason}`)
    }
  }
  expect([...seen].sort()).toEqual([
    'off DISABLED',
    'off SPLIT',
    'off TARGETING_MATCH',
    'on SPLIT',
    'on TARGETING_MATCH',
  ])
})
