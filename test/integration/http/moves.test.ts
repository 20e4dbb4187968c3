import type { Decision } from '@halyard/sdk/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startService, type TestService } from '../../support/start-service.ts'

const PROJECT = '/api/v1/projects/default'
const STAGING = `${PROJECT}/environments/staging`
const PRODUCTION = `${PROJECT}/environments/production`
const PROMOTIONS = `${PROJECT}/promotions`
const ANY = { 'if-match': '*' }
const USERS = Array.from({ length: 3_000 }, (_, index) => `user-${index}`)

let service: TestService
beforeAll(async () => {
  service = await startService()
})
afterAll(() => service.close())

/** A step that only has to have happened. @returns the answer's body */
async function must(method: string, url: string, body?: unknown, headers: Record<string, string> = ANY) {
  const answer = await service.ask(method, url, { body, headers })
  expect(answer.status, answer.text).toBeLessThan(300)
  return answer.body
}
const get = (url: string) => must('GET', url)
let made = 0
/** A flag of its own for the asking, enabled in staging. @returns its key */
async function flag(): Promise<string> {
  const key = `flag-${++made}`
  await must('POST', `${PROJECT}/flags`, { key, type: 'boolean' })
  await must('POST', `${STAGING}/flags/${key}/enable`)
  return key
}
const idOf = (environment: string): string => service.live.environment('default', environment)?.id ?? ''
const revisionOf = (environment: string): number => service.live.held(idOf(environment))?.head.revision ?? 0
const variants = (environment: string, key: string): (string | undefined)[] =>
  USERS.map((targetingKey) => {
    const decision: Decision = service.live.evaluate(idOf(environment), key, { targetingKey })
    return decision.variant
  })
const ramp = (percent: number) => ({ split: { shares: [{ variant: 'on', percent }] } })
const split = (percent: number) => ({
  split: {
    shares: [
      { variant: 'on', percent },
      { variant: 'off', percent: 100 - percent },
    ],
  },
})
/** What of a configuration no stamp tells. */
function told({ epoch: _e, revision: _r, changedAt: _a, changedBy: _b, ...rest }: Record<string, unknown>) {
  return rest
}

describe('POST …/revert', () => {
  const revert = (body: object, query = '') => service.ask('POST', `${STAGING}/revert${query}`, { body })

  it('puts back what every user got at a revision, and says what that changed', async () => {
    const key = await flag()
    const url = `${STAGING}/flags/${key}`
    for (const percent of [20, 60, 40]) await must('PUT', `${url}/fallthrough`, split(percent))
    await must('PUT', `${STAGING}/segments/beta`, { when: null }, {})
    await must('PATCH', `${STAGING}/segments/beta/members`, { included: { add: ['anna', 'ben'] } })
    const before = {
      flag: await get(url),
      variants: variants('staging', key),
      revision: revisionOf('staging'),
    }

    await must('PUT', `${url}/fallthrough`, split(80))
    await must('PUT', `${url}/fallthrough`, split(40))
    await must('PUT', `${url}/kill`, { comment: 'INC-7' })
    await must('PATCH', `${STAGING}/segments/beta/members`, { included: { add: ['carl'], remove: ['ben'] } })
    expect(variants('staging', key)).not.toEqual(before.variants)

    const { body, status } = await revert({ toRevision: before.revision, comment: 'As before INC-7' })
    expect(status).toBe(200)
    expect(body).toMatchObject({
      toRevision: before.revision,
      revision: revisionOf('staging'),
      warnings: [],
      items: [
        {
          kind: 'flag',
          key,
          change: 'updated',
          summary: [expect.any(String)],
          diff: [
            { pointer: '/fallthrough/split/ranges', before: expect.any(Array), after: expect.any(Array) },
          ],
        },
        {
          kind: 'members',
          key: 'beta',
          change: 'updated',
          summary: [expect.stringContaining('member')],
          diff: [],
        },
      ],
    })
    const { kill, ...after } = told(await get(url))
    expect(kill).toMatchObject({ comment: 'INC-7' })
    expect({ ...after, kill: null }).toEqual(told(before.flag))
    await must('DELETE', `${url}/kill?acceptEdits=true`)
    expect(variants('staging', key)).toEqual(before.variants)
    const members = await get(`${STAGING}/segments/beta/members`)
    expect(members.items.map(({ unit }: { unit: string }) => unit).sort()).toEqual(['anna', 'ben'])
  })

  it('goes back to a time as well', async () => {
    const key = await flag()
    const { changedAt, revision } = await get(`${STAGING}/flags/${key}`)
    // The next change is of a later millisecond.
    await new Promise((resolve) => setTimeout(resolve, 5))
    await must('POST', `${STAGING}/flags/${key}/disable`)
    const { body } = await revert({ toRevision: changedAt, flags: [key] })
    expect(body).toMatchObject({
      toRevision: revision,
      toTime: changedAt,
      items: [{ key, change: 'updated' }],
    })
    expect((await get(`${STAGING}/flags/${key}`)).enabled).toBe(true)
  })

  it('shows in a dry run what it would do, and does nothing', async () => {
    const key = await flag()
    const past = revisionOf('staging')
    await must('POST', `${STAGING}/flags/${key}/disable`)
    const tried = await revert({ toRevision: past, flags: [key] }, '?dryRun=true')
    expect(tried.body).toMatchObject({
      dryRun: true,
      revision: past + 1,
      items: [{ kind: 'flag', key, change: 'updated', summary: ['enabled'] }],
      diff: [{ kind: 'flag', key, environment: 'staging' }],
    })
    expect((await get(`${STAGING}/flags/${key}`)).enabled).toBe(false)
    expect(revisionOf('staging')).toBe(past + 1)
  })

  it('says that nothing changed where all is as it was: no revision is made', async () => {
    const key = await flag()
    const past = revisionOf('staging')
    const { body } = await revert({ toRevision: past, flags: [key] })
    expect(body).toMatchObject({
      revision: past,
      items: [{ kind: 'flag', key, change: 'unchanged', summary: [], diff: [] }],
    })
    expect((await revert({ toRevision: past })).body).toMatchObject({ revision: past, items: [] })
  })

  it('is refused to a time that is still to come, unless by a clock that is a little ahead', async () => {
    const fromNow = (ms: number) => new Date(Date.now() + ms).toISOString()
    const far = await revert({ toRevision: fromNow(60_000) })
    expect([far.status, far.body.errors[0].pointer]).toEqual([422, '/toRevision'])
    expect(far.body.errors[0].message).toMatch(/is still to come: it is .* here. Name a time that has been/)
    expect((await revert({ toRevision: fromNow(2_000) })).body).toMatchObject({ items: [] })
    const read = await service.ask('GET', `${STAGING}/revisions/${fromNow(60_000)}`)
    expect([read.status, read.body.type]).toEqual([400, expect.stringContaining('invalid-request')])
    expect((await service.ask('GET', `${STAGING}/revisions/${fromNow(2_000)}`)).status).toBe(200)
  })

  it('tells of a flag that is archived by now', async () => {
    const key = await flag()
    const past = revisionOf('staging')
    await must('POST', `${PROJECT}/flags/${key}/archive`)
    const { body } = await revert({ toRevision: past }, '?dryRun=true')
    expect(body.warnings).toMatchObject([{ code: 'not-reverted', message: expect.stringContaining(key) }])
    const named = await revert({ toRevision: past, flags: [key] })
    expect([named.status, named.body.errors[0].pointer]).toEqual([409, '/flags/0'])
  })

  it('asks why, where the environment does', async () => {
    await must('PATCH', STAGING, { settings: { requireComment: true } })
    const past = revisionOf('staging')
    expect((await revert({ toRevision: past })).body.type).toContain('invalid-request')
    expect((await revert({ toRevision: past, comment: 'Because' })).status).toBe(200)
    await must(
      'PATCH',
      STAGING,
      { settings: { requireComment: false } },
      { ...ANY, 'halyard-comment': 'Done' },
    )
  })

  it('is answered again as the first time, under its Idempotency-Key', async () => {
    const key = await flag()
    const past = revisionOf('staging')
    await must('POST', `${STAGING}/flags/${key}/disable`)
    const again = () => must('POST', `${STAGING}/revert`, { toRevision: past }, { 'idempotency-key': 'back' })
    const first = await again()
    await must('POST', `${STAGING}/flags/${key}/disable`)
    expect(await again()).toEqual(first)
    expect((await get(`${STAGING}/flags/${key}`)).enabled).toBe(false)
  })

  it.each([
    ['yesterday', 'invalid-document', '/toRevision'],
    ['2027-01-31', 'invalid-document', '/toRevision'],
    [true, 'invalid-request', '/toRevision'],
    ['1999-01-01T00:00:00Z', 'revision-not-found', undefined],
    [1_000_000, 'revision-not-found', undefined],
    [-1, 'revision-not-found', undefined],
  ])('refuses %s: %s', async (toRevision, type, pointer) => {
    const { body } = await revert({ toRevision })
    expect([body.type.split('/').at(-1), body.errors?.[0].pointer]).toEqual([type, pointer])
  })
})

describe('POST …/promotions', () => {
  const promote = (body: object, query = '', key?: string) =>
    service.ask('POST', PROMOTIONS + query, {
      body: { from: 'staging', to: 'production', ...body },
      ...(key === undefined ? {} : { key }),
    })
  const plan = async (body: object) => (await promote(body, '?dryRun=true')).body.plan

  it('brings what was tried out, shown first, and keeps the target’s users and its switch', async () => {
    const key = await flag()
    const rules = (percent: number) => [
      { id: 'ramp', when: { attribute: 'plan', op: 'exists' }, serve: ramp(percent) },
    ]
    for (const [environment, inRule, otherwise] of [
      [PRODUCTION, 10, 10],
      [STAGING, 50, 30],
    ] as const) {
      await must('PATCH', `${environment}/flags/${key}`, { rules: rules(inRule) })
      await must('PUT', `${environment}/flags/${key}/fallthrough`, split(otherwise))
    }
    await must('POST', `${PRODUCTION}/flags/${key}/enable`)
    const before = { ...(await get(`${PRODUCTION}/flags/${key}`)), variants: variants('production', key) }

    const tried = (await promote({ flags: [key] }, '?dryRun=true')).body
    expect(tried).toMatchObject({
      dryRun: true,
      plan: expect.stringMatching(/^\d+-\d+\.\d+-\d+\.[0-9a-f]{64}$/),
      items: [{ kind: 'flag', key, change: 'updated', summary: [expect.stringContaining('30')] }],
    })
    expect(told(await get(`${PRODUCTION}/flags/${key}`)).fallthrough).toEqual(before.fallthrough)

    const done = (await promote({ flags: [key], plan: tried.plan })).body
    expect(done.plan).toBeUndefined()
    expect(done.items).toEqual(tried.items)
    const after = await get(`${PRODUCTION}/flags/${key}`)
    expect(after.rules).toEqual(before.rules)
    expect(after.enabled).toBe(true)
    // From 10 to 30 percent: whoever has it keeps it.
    const now = variants('production', key)
    for (const [index, had] of before.variants.entries()) if (had === 'on') expect(now[index]).toBe('on')
    expect(now.filter((variant) => variant === 'on').length).toBeGreaterThan(USERS.length / 4)
    const again = (await promote({ flags: [key] })).body
    expect(again).toMatchObject({ revision: done.revision, items: [{ key, change: 'unchanged', diff: [] }] })
  })

  it('brings segments along, and tells of members that did not come', async () => {
    const key = await flag()
    await must('PUT', `${STAGING}/segments/early`, {}, {})
    await must('PATCH', `${STAGING}/segments/early/members`, { included: { add: USERS } })
    await must(
      'POST',
      `${STAGING}/flags/${key}/rules`,
      { when: { segment: 'early' }, serve: { variant: 'on' } },
      {},
    )
    const { body } = await promote({ flags: [key] })
    expect(body.items.map((one: Record<string, unknown>) => [one.kind, one.key, one.change])).toEqual([
      ['flag', key, 'updated'],
      ['segment', 'early', 'created'],
    ])
    expect(body.warnings).toMatchObject([{ code: 'members-not-promoted', pointer: '/flags/0' }])
    const whole = (await promote({ flags: [key], segments: 'members' })).body
    expect(whole.items.at(-1)).toEqual({
      kind: 'members',
      key: 'early',
      change: 'updated',
      summary: ['3000 members included'],
      diff: [],
    })
    expect((await get(`${PRODUCTION}/segments/early`)).members).toEqual({ included: 3_000, excluded: 0 })
  })

  it.each([['staging'], ['production']])('is refused with a plan of before %s moved', async (moving) => {
    const [key, other] = [await flag(), await flag()]
    const stale = await plan({ flags: [key] })
    await must('POST', `${PROJECT}/environments/${moving}/flags/${other}/disable`)
    await must('POST', `${PROJECT}/environments/${moving}/flags/${other}/enable`)
    const refused = await promote({ flags: [key], plan: stale })
    expect(refused.status).toBe(409)
    expect(refused.body).toMatchObject({
      type: 'https://halyard.dev/problems/plan-stale',
      detail: expect.stringContaining(`"${moving}" has moved to revision ${revisionOf(moving)}.`),
    })
    expect((await promote({ flags: [key], plan: await plan({ flags: [key] }) })).status).toBe(200)
  })

  it.each([
    ['staging', 'production'],
    ['production', 'staging'],
  ])('is refused with a plan of before %s moved, and then %s', async (first, second) => {
    const [key, other] = [await flag(), await flag()]
    const stale = await plan({ flags: [key] })
    for (const moving of [first, second]) {
      await must('PUT', `${PROJECT}/environments/${moving}/flags/${other}/kill`)
      const { body } = await promote({ flags: [key], plan: stale })
      expect(body.detail).toContain(`"${moving}" has moved`)
    }
  })

  it('is refused with a plan of another request', async () => {
    const [key, other] = [await flag(), await flag()]
    await must('PUT', `${STAGING}/flags/${other}/fallthrough`, { variant: 'on' })
    const { status, body } = await promote({ flags: [other], plan: await plan({ flags: [key] }) })
    expect([status, body.detail]).toEqual([409, expect.stringContaining('another request')])
  })

  it('takes a key that may read the one and edit the other, and no other key', async () => {
    const flags = [await flag()]
    const grant = (role: 'viewer' | 'editor', environment: string) => ({
      role,
      environments: [`default/${environment}`],
    })
    const keyOf = (...grants: ReturnType<typeof grant>[]) => service.managementKey(grants)
    const asked = async (key: string) => {
      const { status, body } = await promote({ flags }, '?dryRun=true', key)
      return [status, body.errors?.[0].pointer]
    }
    expect(await asked(await keyOf(grant('viewer', 'staging'), grant('editor', 'production')))).toEqual([
      200,
      undefined,
    ])
    expect(await asked(await keyOf(grant('viewer', 'staging'), grant('viewer', 'production')))).toEqual([
      403,
      '/to',
    ])
    expect(await asked(await keyOf(grant('editor', 'staging')))).toEqual([403, '/to'])
    expect(await asked(await keyOf(grant('editor', 'production')))).toEqual([403, '/from'])
    expect(await asked(await keyOf(grant('editor', 'development')))).toEqual([403, '/from'])
    // What there is where it may not look is not told.
    const stranger = await promote({ from: 'nowhere', flags }, '', await keyOf(grant('editor', 'production')))
    expect([stranger.status, stranger.body.type]).toEqual([403, 'https://halyard.dev/problems/forbidden'])
  })

  it('points at what is wrong: an environment, a flag, or what the target lacks', async () => {
    const [key, other] = [await flag(), await flag()]
    const unknown = await promote({ to: 'productoin', flags: [key] })
    expect([unknown.status, unknown.body.didYouMean, unknown.body.errors[0].pointer]).toEqual([
      404,
      'production',
      '/to',
    ])
    const missing = await promote({ flags: [key, 'flagg-1'] })
    expect([missing.status, missing.body.didYouMean, missing.body.errors[0].pointer]).toEqual([
      404,
      'flag-1',
      '/flags/1',
    ])
    expect((await promote({ to: 'staging', flags: [key] })).body.errors[0].pointer).toBe('/to')
    const { status, body } = await service.ask('POST', '/api/v1/projects/nowhere/promotions', {
      body: { from: 'staging', to: 'production', flags: [key] },
    })
    expect([status, body.errors]).toEqual([404, undefined])
    await must('PATCH', `${STAGING}/flags/${other}`, { variants: { on: true, off: false, extra: true } })
    await must('PATCH', `${STAGING}/flags/${key}`, { prerequisites: [{ flag: other, variants: ['extra'] }] })
    const refused = await promote({ flags: [key] })
    expect(refused.status).toBe(422)
    expect(refused.body.errors).toEqual([
      {
        pointer: '/flags/0',
        message: `The flag "${key}" at /prerequisites/0/variants/0: The flag "${other}" has no variant "extra". Promote that flag too, or first.`,
      },
    ])
    expect((await promote({ flags: [key, other] })).status).toBe(200)
  })

  it('is answered again as the first time, under its Idempotency-Key', async () => {
    const key = await flag()
    await must('PUT', `${STAGING}/flags/${key}/fallthrough`, { variant: 'on' })
    const body = { from: 'staging', to: 'production', flags: [key], plan: await plan({ flags: [key] }) }
    const again = () => must('POST', PROMOTIONS, body, { 'idempotency-key': 'bring' })
    const first = await again()
    await must('POST', `${STAGING}/flags/${key}/disable`)
    expect(await again()).toEqual(first)
  })

  it('tells a big diff in part, and how much more there is', async () => {
    const key = await flag()
    const units = Array.from({ length: 3_000 }, (_, index) => `unit-${index}`)
    await must('PUT', `${PRODUCTION}/flags/${key}/targets/on`, { units: ['none-of-them'] })
    await must('PUT', `${STAGING}/flags/${key}/targets/on`, { units })
    const { body } = await promote({ flags: [key], parts: ['targets'] }, '?dryRun=true')
    expect([body.items[0].diff.length, body.items[0].leftOff]).toEqual([1_000, 2_001])
  })
})
