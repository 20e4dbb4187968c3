/** Explanations over HTTP: what a context got, and which step decided it; and the same from two points of view. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { problemUri } from '../../../server/contract/index.ts'
import { type AskOptions, startService, type TestService } from '../../support/start-service.ts'

const PROJECT = '/api/v1/projects/default'
const ENVIRONMENT = `${PROJECT}/environments/development`
const ANY = { 'if-match': '*' }

let service: TestService
let key: string
beforeAll(async () => {
  service = await startService()
  key = await service.sdkKey('server')
})
afterAll(() => service.close())

async function must(method: string, path: string, body?: unknown, more: AskOptions = { headers: ANY }) {
  const answer = await service.ask(method, path, { ...(body !== undefined && { body }), ...more })
  if (answer.status > 299) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`)
  return answer.body
}
const flagAt = (flag: string, environment = 'development') =>
  `${PROJECT}/environments/${environment}/flags/${flag}`
const makeFlag = async (flag: string) => {
  await must('POST', `${PROJECT}/flags`, { key: flag, type: 'boolean' })
  await must('POST', `${flagAt(flag)}/enable`)
}
const explain = (body: object, query = '') => must('POST', `${ENVIRONMENT}/explain${query}`, body)
/** As apps get it: OFREP, without what only one of the two says. */
async function evaluated(flag: string, context: object) {
  const { body } = await service.ask('POST', `/ofrep/v1/evaluate/flags/${flag}`, { body: { context }, key })
  const { value, variant, reason, errorCode, metadata } = body
  return { value, variant, reason, errorCode, rule: metadata?.rule }
}
const asGot = ({ decision }: { decision: Record<string, unknown> }) => {
  const { value, variant, reason, errorCode, metadata } = decision
  // OFREP has no reason for what failed.
  return {
    value,
    variant,
    reason: reason === 'ERROR' ? undefined : reason,
    errorCode,
    rule: (metadata as { rule?: string }).rule,
  }
}
const refused = async (path: string, body: unknown) => {
  const answer = await service.ask('POST', path, { body })
  return { ...answer.body, status: answer.status }
}

describe('an explanation', () => {
  it('tells every step that led to the decision, and why in a sentence', async () => {
    await makeFlag('base')
    await must('PUT', `${flagAt('base')}/fallthrough`, { variant: 'on' })
    await makeFlag('checkout')
    await must(
      'PUT',
      `${ENVIRONMENT}/segments/beta`,
      { when: { attribute: 'email', op: 'endsWith', values: ['@shop.example'] } },
      {},
    )
    await must('PATCH', flagAt('checkout'), {
      prerequisites: [{ flag: 'base', variants: ['on'] }],
      targets: [{ variant: 'off', units: ['eve'] }],
      rules: [
        {
          id: 'r1',
          when: { all: [{ segment: 'beta' }, { attribute: 'plan', op: 'in', values: ['pro'] }] },
          serve: { variant: 'on' },
        },
        {
          id: 'r2',
          description: 'a quarter of the rest',
          serve: { split: { salt: 'pinned', shares: [{ variant: 'on', percent: 25 }] } },
        },
      ],
    })
    const context = { targetingKey: 'user-42', plan: 'free', email: 'ann@shop.example' }
    const answer = await explain({ flag: 'checkout', context })
    expect(answer).toMatchObject({ flag: 'checkout', environment: 'development' })
    expect(asGot(answer)).toEqual(await evaluated('checkout', context))
    expect(answer.steps).toMatchObject([
      { step: 'kill', killed: false },
      { step: 'enabled', enabled: true },
      {
        step: 'prerequisite',
        flag: 'base',
        variants: ['on'],
        satisfied: true,
        decision: { variant: 'on' },
        steps: [{ step: 'kill' }, { step: 'enabled' }, { step: 'fallthrough', variant: 'on' }],
      },
      { step: 'targets', by: 'targetingKey', unit: 'user-42' },
      {
        step: 'rule',
        rule: 'r1',
        matched: false,
        when: {
          condition: 'all',
          of: [
            {
              condition: 'segment',
              segment: 'beta',
              unit: 'user-42',
              of: [{ attribute: 'email', op: 'endsWith', found: 'ann@shop.example', result: true }],
              result: true,
            },
            {
              condition: 'attribute',
              attribute: 'plan',
              op: 'in',
              values: ['pro'],
              found: 'free',
              result: false,
            },
          ],
          result: false,
        },
      },
      {
        step: 'rule',
        rule: 'r2',
        matched: true,
        split: { salt: 'pinned', unit: 'user-42', bucket: expect.any(Number) },
      },
      { step: 'fallthrough', variant: 'off' },
    ])
    expect(answer.because).toContain('user-42 falls in bucket')
    expect(answer.because).toContain('a quarter of the rest')
  })

  it('of the same moment is as evaluations are, whatever the context is made of', async () => {
    for (const context of [
      {},
      { targetingKey: 7 },
      { targetingKey: true, plan: ['pro'] },
      { targetingKey: 'eve' },
      { plan: { deep: [1] } },
    ]) {
      expect(asGot(await explain({ flag: 'checkout', context }))).toEqual(
        await evaluated('checkout', context),
      )
    }
  })

  it('of all flags at once is the same for each, page by page, with steps where they are asked for', async () => {
    const context = { targetingKey: 'user-42' }
    const items = []
    for (let query = '?limit=1', pages = 0; ; pages += 1) {
      const page = await explain({ context }, query)
      items.push(...page.items)
      if (page.cursor === null) break
      query = `?limit=1&cursor=${page.cursor}`
      expect(pages).toBeLessThan(10)
    }
    expect(items.map(({ flag }) => flag)).toEqual(['base', 'checkout'])
    const withSteps = (await explain({ context }, '?steps=true')).items
    for (const [index, item] of items.entries()) {
      const { decision, because, steps } = await explain({ flag: item.flag, context })
      expect(item).toEqual({ flag: item.flag, decision, because })
      expect(withSteps[index]).toEqual({ flag: item.flag, decision, because, steps })
    }
  })

  it('is not logged: what a context holds goes to the caller alone', async () => {
    await explain({
      flag: 'checkout',
      context: { targetingKey: 'canary-7d1f', email: 'canary@shop.example' },
    })
    expect(service.logged.join('\n')).not.toContain('canary')
  })

  it('refuses contexts beyond the bounds of evaluation, and says which', async () => {
    const path = `${ENVIRONMENT}/explain`
    const deep = (levels: number): unknown => (levels === 0 ? 1 : { a: deep(levels - 1) })
    const many = Object.fromEntries(Array.from({ length: 257 }, (_, n) => [`a${n}`, n]))
    expect((await service.ask('POST', path, { body: { context: deep(8) } })).status).toBe(200)
    expect(await refused(path, { context: deep(9) })).toMatchObject({
      status: 400,
      type: problemUri('invalid-request'),
    })
    expect((await refused(path, { context: deep(9) })).errors[0].pointer).toMatch(/^\/context\/a\/a/)
    expect(await refused(path, { context: many })).toMatchObject({
      status: 400,
      errors: [{ pointer: expect.stringContaining('/context') }],
    })
    expect((await refused(path, { context: { a: 'x'.repeat(16_400) } })).status).toBe(413)
    expect((await refused(path, { context: { a: 'x'.repeat(20_000) } })).status).toBe(413)
    for (const context of [undefined, null, [], 'x', 1]) {
      expect(await refused(path, { context })).toMatchObject({
        status: 400,
        errors: [{ pointer: '/context' }],
      })
    }
  })

  it('refuses what is no state', async () => {
    const path = `${ENVIRONMENT}/explain`
    for (const [at, status] of [
      ['yesterday', 422],
      ['2027-02-30T00:00:00Z', 422],
      ['12', 422],
      [1.5, 400],
      [true, 400],
    ]) {
      expect(await refused(path, { flag: 'checkout', context: {}, at })).toMatchObject({
        status,
        errors: [{ pointer: '/at' }],
      })
    }
    for (const at of [0, -1, 999_999, '2001-01-01T00:00:00Z']) {
      expect(await refused(path, { flag: 'checkout', context: {}, at })).toMatchObject({
        status: 404,
        type: problemUri('revision-not-found'),
      })
    }
  })

  it('of a flag that was not there yet says that it is now', async () => {
    const before = await must('GET', `${ENVIRONMENT}/revisions/latest`)
    await makeFlag('younger')
    const path = `${ENVIRONMENT}/explain`
    const then = await refused(path, { flag: 'younger', context: {}, at: before.revision })
    expect(then).toMatchObject({ status: 404, type: problemUri('flag-not-found') })
    expect(then.detail).toContain('There is one now')
    const never = await refused(path, { flag: 'checkuot', context: {}, at: before.revision })
    expect(never).toMatchObject({ status: 404, didYouMean: 'checkout' })
    expect(never.detail).not.toContain('now')
  })
})

describe('the clock of an explanation', () => {
  const dated = async (at?: number | string) => {
    const {
      decision,
      at: time,
      steps,
    } = await explain({ flag: 'dated', context: {}, ...(at !== undefined && { at }) })
    return { variant: decision.variant, time: Date.parse(time), found: steps[2].when.found as number }
  }

  it('is the time asked for; of an older revision the time of its change; else the present', async () => {
    await makeFlag('dated')
    const turns = Date.now() + 3_600_000
    await must('POST', `${flagAt('dated')}/rules`, {
      id: 'later',
      when: { attribute: '$now', op: 'after', values: [new Date(turns).toISOString()] },
      serve: { variant: 'on' },
    })
    const { revision, changedAt } = await must('GET', flagAt('dated'))
    const asked = Date.now()
    const now = await dated()
    expect(now.variant).toBe('off')
    expect(now.found).toBe(now.time)
    expect(now.time).toBeGreaterThanOrEqual(asked)
    expect((await dated(revision)).time).toBeGreaterThanOrEqual(asked)
    // A time to come is asked of the state that there is.
    expect(await dated(new Date(turns + 1).toISOString())).toEqual({
      variant: 'on',
      time: turns + 1,
      found: turns + 1,
    })
    await must('POST', `${flagAt('dated')}/disable`)
    await must('POST', `${flagAt('dated')}/enable`)
    expect((await dated(revision)).time).toBe(Date.parse(changedAt))
    const then = new Date(Date.parse(changedAt) + 1).toISOString()
    expect((await dated(then)).time).toBe(Date.parse(then))
  })
})

describe('the past', () => {
  it('explains what was evaluated then, at each revision and at each time', async () => {
    await makeFlag('moving')
    const contexts = [
      { targetingKey: 'u1', plan: 'pro' },
      { targetingKey: 'u2' },
      { targetingKey: 'u3', plan: 'free' },
      {},
    ]
    const split = (on: number) => ({
      split: {
        shares: [
          { variant: 'on', percent: on },
          { variant: 'off', percent: 100 - on },
        ],
      },
    })
    const edits: (() => Promise<unknown>)[] = [
      () => must('PUT', `${flagAt('moving')}/fallthrough`, split(50)),
      () =>
        must('POST', `${flagAt('moving')}/rules`, {
          id: 'pro',
          when: { attribute: 'plan', op: 'in', values: ['pro'] },
          serve: { variant: 'on' },
        }),
      () => must('PUT', `${flagAt('moving')}/targets/on`, { units: ['u2'] }),
      () => must('PUT', `${flagAt('moving')}/kill`, { comment: 'stop' }),
      () => must('DELETE', `${flagAt('moving')}/kill`),
      () => must('PATCH', `${ENVIRONMENT}/segments/beta/members`, { included: { add: ['u3'] } }),
      () =>
        must('POST', `${flagAt('moving')}/rules`, {
          id: 'beta',
          when: { segment: 'beta' },
          serve: { variant: 'on' },
          before: 'pro',
        }),
      () => must('PATCH', flagAt('moving'), { prerequisites: [{ flag: 'base', variants: ['off'] }] }),
      () => must('POST', `${flagAt('moving')}/disable`),
      () => must('POST', `${PROJECT}/flags/moving/archive`),
    ]
    const seen: { at: number | string; context: object; decision: unknown }[] = []
    for (const edit of edits.slice(0, -1)) {
      await edit()
      const time = new Date().toISOString()
      const { revision } = await must('GET', `${ENVIRONMENT}/revisions/latest?flag=none`)
      for (const context of contexts) {
        const decision = await evaluated('moving', context)
        seen.push({ at: revision, context, decision }, { at: time, context, decision })
      }
      // The next change comes later than the time that was noted.
      await sleep(2)
    }
    await edits.at(-1)?.()
    for (const { at, context, decision } of seen) {
      const explained = await explain({ flag: 'moving', context, at })
      if (typeof at === 'number') expect(explained.revision).toBe(at)
      expect([at, context, asGot(explained)]).toEqual([at, context, decision])
    }
    expect((await refused(`${ENVIRONMENT}/explain`, { flag: 'moving', context: {} })).status).toBe(404)
  })
})

describe('a comparison', () => {
  const compare = (body: object, query = '') =>
    must('POST', `${PROJECT}/compare${query}`, { context: {}, ...body })
  const from = { environment: 'development' }
  const to = { environment: 'staging' }

  it('of two environments tells which flags give the context something else, and why', async () => {
    const answer = await compare({ from, to, context: { targetingKey: 'user-42' } })
    expect(answer.from.environment).toBe('development')
    expect(answer.to.environment).toBe('staging')
    const flags = answer.items.map(({ flag }: { flag: string }) => flag)
    expect(flags).toContain('base')
    expect(answer.different).toBe(flags.length)
    const all = await must('GET', `${PROJECT}/flags?archived=false`)
    expect(answer.same + answer.different).toBe(all.items.length)
    const base = answer.items.find(({ flag }: { flag: string }) => flag === 'base')
    expect(base).toMatchObject({
      from: { decision: { variant: 'on' } },
      to: { decision: { variant: 'off', reason: 'DISABLED' }, because: 'off: it is disabled' },
    })
    const same = await compare({ from, to: from })
    expect(same).toMatchObject({ different: 0, items: [], cursor: null })
  })

  it('of two times tells what an edit changed for the context', async () => {
    const { revision } = await must('GET', `${ENVIRONMENT}/revisions/latest`)
    await must('PUT', `${flagAt('base')}/fallthrough`, { variant: 'off' })
    const answer = await compare({ from: { ...from, at: revision }, to: from, flags: ['base', 'dated'] })
    expect(answer).toMatchObject({ from: { revision }, same: 1, different: 1, items: [{ flag: 'base' }] })
    expect(await compare({ from: { ...from, at: revision }, to: { ...from, at: revision } })).toMatchObject({
      different: 0,
    })
  })

  it('pages, and counts all of them on every page', async () => {
    const whole = await compare({ from: { ...from, at: 2 }, to: from })
    expect(whole.different).toBeGreaterThan(1)
    const items = []
    for (let query = '?limit=1'; ; ) {
      const page = await compare({ from: { ...from, at: 2 }, to: from }, query)
      expect(page.different).toBe(whole.different)
      items.push(...page.items)
      if (page.cursor === null) break
      query = `?limit=1&cursor=${page.cursor}`
    }
    expect(items).toEqual(whole.items)
  })

  it('says where a flag or a state is not there', async () => {
    const path = `${PROJECT}/compare`
    expect(await refused(path, { context: {}, from, to, flags: ['bsae'] })).toMatchObject({
      status: 404,
      didYouMean: 'base',
    })
    expect(await refused(path, { context: {}, from: { environment: 'nowhere' }, to })).toMatchObject({
      status: 404,
      type: problemUri('environment-not-found'),
    })
    expect(await refused(path, { context: {}, from: { ...from, at: 'noon' }, to })).toMatchObject({
      status: 422,
      errors: [{ pointer: '/from/at' }],
    })
  })
})
