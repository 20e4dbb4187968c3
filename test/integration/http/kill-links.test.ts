/** Links that kill: opening one does nothing, two taps or an alert kill, and whatever is wrong with one is said. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { problemUri } from '../../../server/contract/index.ts'
import { SYSTEM } from '../../../server/domain/change.ts'
import { parseKey } from '../../../server/domain/keys.ts'
import { startService, type TestService } from '../../support/start-service.ts'

const PROJECT = '/api/v1/projects/default'
const DEVELOPMENT = `${PROJECT}/environments/development`
const HTML = { accept: 'text/html,application/xhtml+xml' }
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const JSON_TYPE = { 'content-type': 'application/json' }

let service: TestService
let url: string

beforeAll(async () => {
  service = await startService()
  url = await service.listen()
  for (const key of ['checkout', 'express', 'gone', 'shelved']) {
    await service.ask('POST', `${PROJECT}/flags`, { body: { key, type: 'boolean' } })
  }
  const headers = { 'if-match': '*' }
  await service.ask('PATCH', `${DEVELOPMENT}/flags/checkout`, {
    body: { enabled: true, fallthrough: { variant: 'on' } },
    headers,
  })
  await service.ask('PATCH', `${DEVELOPMENT}/flags/express`, {
    body: { prerequisites: [{ flag: 'checkout', variants: ['on'] }] },
    headers,
  })
})
afterAll(() => service.close())
afterEach(() => service.ask('DELETE', `${DEVELOPMENT}/flags/checkout/kill`))

type Made = { readonly id: string; readonly url: string; readonly expiresAt: string }

async function make(body: object = {}, key = service.adminKey, env = 'development'): Promise<Made> {
  const path = `${PROJECT}/environments/${env}/kill-links`
  const answer = await service.ask('POST', path, { body: { flag: 'checkout', ...body }, key })
  expect([answer.status, answer.text]).toEqual([201, expect.any(String)])
  return answer.body
}
/** Made as by another clock: expiry in the past, or what the endpoint would not take. */
async function token(claims: object = {}, keyId = 'admin'): Promise<string> {
  const environment = service.live.environment('default', 'development')
  if (environment === undefined) throw new Error('There is no environment.')
  const target = { flag: 'checkout' }
  const asked = { id: 'tests', environment: environment.id, target, comment: undefined }
  const made = await service.live.makeKillLink(keyId, { ...asked, expiresAt: Date.now() + 60_000, ...claims })
  if (made === undefined) throw new Error('The key is not known.')
  return made.token
}

const pathOf = ({ url: link }: Made) => new URL(link).pathname
const open = (path: string, init: RequestInit = {}) => fetch(url + path, { redirect: 'manual', ...init })
const post = (path: string, headers: Record<string, string> = {}, body?: string) =>
  open(path, { method: 'POST', headers, ...(body !== undefined && { body }) })
const question = (path: string) => open(`${path}?step=ask`, { headers: HTML })
/** The second tap, as a browser sends it from the page. */
const confirmed = (path: string, headers: Record<string, string> = {}) =>
  post(path, { ...HTML, ...FORM, 'sec-fetch-site': 'same-origin', origin: 'null', ...headers }, 'step=kill')

type Kill = { readonly id: string; readonly by: string; readonly comment?: string }
async function killed(env = 'development', flag = 'checkout'): Promise<Kill | null> {
  return (await service.ask('GET', `${PROJECT}/environments/${env}/flags/${flag}`)).body.kill
}
async function kills(): Promise<number> {
  const { body } = await service.ask('GET', `${DEVELOPMENT}/changes?action=flag.kill&flag=checkout`)
  return body.items.length
}
async function problem(answer: Response): Promise<[number, string]> {
  expect(answer.headers.get('content-type')).toContain('application/problem+json')
  return [answer.status, ((await answer.json()) as { type: string }).type]
}

describe('making a link', () => {
  it('answers an absolute address, for 30 days where nothing else is said', async () => {
    const made = await make({ comment: 'Runbook\npayments' })
    expect(made.url).toMatch(/^http:\/\/[^/]+\/k\/[\w.-]+$/)
    expect(made).toMatchObject({ flag: 'checkout', comment: 'Runbook payments' })
    const days = (Date.parse(made.expiresAt) - Date.now()) / 86_400_000
    expect(days).toBeGreaterThan(29.9)
    expect(days).toBeLessThanOrEqual(30)
  })

  it('takes the address that a trusted proxy tells, and no other', async () => {
    const headers = { host: 'inside:4000', 'x-forwarded-host': 'flags.example', 'x-forwarded-proto': 'https' }
    const from = async (asked: TestService) =>
      (await asked.ask('POST', `${DEVELOPMENT}/kill-links`, { body: { flag: 'checkout' }, headers })).body.url
    expect(await from(service)).toMatch(/^http:\/\/inside:4000\/k\//)
    const behind = await startService({ trustProxy: 1 })
    await behind.ask('POST', `${PROJECT}/flags`, { body: { key: 'checkout', type: 'boolean' } })
    expect(await from(behind)).toMatch(/^https:\/\/flags\.example\/k\//)
    await behind.close()
  })

  it('is for those who may kill, and writes nothing', async () => {
    const before = (await service.ask('GET', `${DEVELOPMENT}/changes?limit=1`)).body.head
    await make({}, await service.managementKey([{ role: 'killer' }]))
    const viewer = await service.managementKey([{ role: 'viewer' }])
    const refused = await service.ask('POST', `${DEVELOPMENT}/kill-links`, {
      body: { flag: 'checkout' },
      key: viewer,
    })
    expect(refused.status).toBe(403)
    expect((await service.ask('GET', `${DEVELOPMENT}/changes?limit=1`)).body.head).toEqual(before)
  })

  it('refuses what would never work: a time in the past or beyond 400 days, a flag that is not there', async () => {
    const ask = async (body: object) =>
      (await service.ask('POST', `${DEVELOPMENT}/kill-links`, { body: { flag: 'checkout', ...body } })).status
    const at = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString()
    expect(await ask({ expiresAt: at(-1) })).toBe(422)
    expect(await ask({ expiresAt: at(401) })).toBe(422)
    expect(await ask({ expiresAt: 'soon' })).toBe(422)
    expect(await ask({ expiresAt: at(399) })).toBe(201)
    expect(await ask({ flag: 'nope' })).toBe(404)
    expect(await ask({ comment: 'x'.repeat(201) })).toBe(400)
  })

  it('does not promise more time than the key has', async () => {
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString()
    const { body } = await service.ask('POST', '/api/v1/api-keys', {
      body: { name: 'short', grants: [{ role: 'killer' }], expiresAt },
    })
    const made = await make({}, body.secret)
    expect(Date.parse(made.expiresAt)).toBeLessThanOrEqual(Date.parse(expiresAt))
  })

  it('answers a dry run without a link', async () => {
    const { status, body } = await service.ask('POST', `${DEVELOPMENT}/kill-links?dryRun=true`, {
      body: { flag: 'checkout' },
    })
    expect([status, body.dryRun, body.url]).toEqual([201, true, undefined])
  })
})

describe('opening a link', () => {
  it('shows what it would do and kills nothing, by whichever method and query', async () => {
    const path = pathOf(await make({ comment: 'INC-481' }))
    const page = await open(path, { headers: HTML })
    const text = await page.text()
    expect(page.status).toBe(200)
    for (const shown of [
      'Kill ',
      'checkout',
      'development',
      'off = false',
      'express',
      'INC-481',
      'on to everyone',
    ]) {
      expect(text).toContain(shown)
    }
    for (const query of ['?step=kill', '?step=ask&step=kill', '?confirm=1', '?']) {
      expect((await open(path + query, { headers: HTML })).status).toBe(200)
      expect((await open(path + query, { method: 'HEAD' })).status).toBe(200)
    }
    for (const purpose of [{ purpose: 'prefetch' }, { 'sec-purpose': 'prefetch;prerender' }, {}]) {
      await open(path, { headers: purpose as Record<string, string> })
    }
    expect((await open(path, { method: 'PUT' })).status).toBe(405)
    expect((await open(path, { method: 'OPTIONS' })).status).toBe(405)
    expect(await killed()).toBeNull()
  })

  it('is a page that runs nothing, loads nothing, is framed nowhere and kept nowhere', async () => {
    const page = await open(pathOf(await make()), { headers: HTML })
    const text = await page.text()
    expect(page.headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'$/,
    )
    expect(Object.fromEntries(page.headers)).toMatchObject({
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-robots-tag': 'noindex, nofollow',
    })
    expect(text).not.toMatch(/<script|<img|<link|<iframe|\son\w+=|\sstyle=|src=|url\(|@import/)
    expect(text).toMatch(/^<!doctype html>\n<html lang="en">.*<title>[^<]+<\/title>/s)
  })

  it('does not tell a killer’s link what the rules serve', async () => {
    const path = pathOf(await make({}, await service.managementKey([{ role: 'killer' }])))
    const text = await (await open(path)).text()
    expect(text).not.toContain('It serves now')
    expect(text).toContain('off = false')
  })
})

describe('two taps', () => {
  it('kill: the first asks, the second kills and leads to how far it has come', async () => {
    const made = await make({ comment: 'INC-481' })
    const path = pathOf(made)
    expect(await (await open(path)).text()).not.toMatch(/method="post"/i)
    const asked = await question(path)
    expect(asked.status).toBe(200)
    expect(await asked.text()).toMatch(/Really kill .*name="step" value="kill"/s)
    expect(await killed()).toBeNull()

    const done = await confirmed(path)
    expect([done.status, new URL(done.headers.get('location') ?? '', url + path).pathname]).toEqual([
      303,
      path,
    ])
    expect(await killed()).toMatchObject({
      by: `configured admin key (link ${made.id})`,
      comment: 'INC-481',
    })
    const page = await (await open(path, { headers: HTML })).text()
    expect(page).toMatch(/is killed in .*development/)
    for (const shown of [
      '1 of 1',
      '0 of 0',
      'in the database',
      `(link ${made.id})`,
      'halyard unkill checkout',
    ]) {
      expect(page).toContain(shown)
    }
    expect(page).not.toContain('<form')
    expect(await (await question(path)).text()).not.toContain('<form')
  })

  it('kill once however often and fast they come', async () => {
    const path = pathOf(await make())
    const before = await kills()
    const answers = await Promise.all([1, 2, 3].map(() => confirmed(path)))
    expect(answers.map(({ status }) => status)).toEqual([303, 303, 303])
    const first = await killed()
    await confirmed(path)
    expect(await killed()).toEqual(first)
    expect(await kills()).toBe(before + 1)
  })

  it('are no other page’s to make', async () => {
    const path = pathOf(await make())
    for (const headers of [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'none' },
    ]) {
      const answer = await confirmed(path, headers)
      expect(answer.status).toBe(403)
      expect(await answer.text()).toContain('Nothing was killed')
    }
    const old = (origin: string) => post(path, { ...FORM, origin }, 'step=kill')
    expect((await old('https://evil.example')).status).toBe(403)
    expect(await killed()).toBeNull()
    expect((await old(url)).status).toBe(303)
  })

  it('need the page’s own steps', async () => {
    const path = pathOf(await make())
    for (const body of ['', 'payload=%7B%7D', 'step=KILL', 'step=ask']) {
      expect(await problem(await post(path, FORM, body))).toEqual([400, problemUri('invalid-request')])
    }
    expect(await killed()).toBeNull()
  })
})

describe('an alert', () => {
  it('kills at once and is answered as a kill is, with its name in the comment', async () => {
    const made = await make({ comment: 'Runbook 7' })
    const alert = { status: 'firing', commonLabels: { alertname: 'Payments\u0007Fail' } }
    const answer = await post(pathOf(made), JSON_TYPE, JSON.stringify(alert))
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({
      kill: { by: `configured admin key (link ${made.id})`, comment: 'Runbook 7 · Alert: Payments Fail' },
      serves: { variant: 'off', value: false },
      alsoOff: ['express'],
      durability: 'postgres',
      servers: { live: 1, applied: 1 },
      sdks: { known: 0 },
    })
  })

  it.each([
    ['none', undefined, {}],
    ['none of JSON', '{"status": "firing', JSON_TYPE],
    ['nothing, called JSON', '', JSON_TYPE],
    ['nested as deep as can be', '['.repeat(500_000), JSON_TYPE],
  ] as const)('kills whatever its body is: %s', async (_, body, headers) => {
    const answer = await post(pathOf(await make()), headers, body)
    expect(answer.status).toBe(200)
    expect(await killed()).not.toBeNull()
  })

  it('that has ended does nothing', async () => {
    const answer = await post(pathOf(await make()), JSON_TYPE, JSON.stringify({ status: 'resolved' }))
    expect([answer.status, await answer.json()]).toEqual([
      200,
      { ignored: 'The alert has ended: status is "resolved".' },
    ])
    expect(await killed()).toBeNull()
  })

  it('from a browser’s page, too large, packed or of another type does nothing', async () => {
    const path = pathOf(await make())
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: url },
      { 'sec-fetch-site': 'same-origin' },
    ]) {
      expect(await problem(await post(path, { ...JSON_TYPE, ...headers }, '{}'))).toEqual([
        403,
        problemUri('cross-site'),
      ])
    }
    const large = JSON.stringify({ title: 'x'.repeat(1024 * 1024) })
    expect((await problem(await post(path, JSON_TYPE, large)))[0]).toBe(413)
    expect((await problem(await post(path, { ...JSON_TYPE, 'content-encoding': 'gzip' }, '{}')))[0]).toBe(415)
    expect((await problem(await post(path, { 'content-type': 'text/plain' }, '{}')))[0]).toBe(415)
    expect(await killed()).toBeNull()
  })

  it('is held up by no limit of management requests', async () => {
    const limited = await startService({ managementRequestsPerSecond: 1, unknownKeysPerSecond: 1 })
    await limited.ask('POST', `${PROJECT}/flags`, { body: { key: 'checkout', type: 'boolean' } })
    const key = await limited.managementKey([{ role: 'killer' }])
    const { body } = await limited.ask('POST', `${DEVELOPMENT}/kill-links`, {
      body: { flag: 'checkout' },
      key,
    })
    const path = new URL(body.url).pathname
    const statuses = []
    for (let at = 0; at < 12; at++) statuses.push((await limited.ask('POST', path, { key: null })).status)
    expect(new Set(statuses)).toEqual(new Set([200]))
    const forged = []
    for (let at = 0; at < 12; at++) forged.push((await limited.ask('POST', `${path}x`, { key: null })).status)
    expect(new Set(forged)).toEqual(new Set([404, 429]))
    expect((await limited.ask('POST', path, { key: null })).status).toBe(200)
    await limited.close()
  })
})

describe('a link that is not in force', () => {
  const refused = async (path: string): Promise<[number, string]> => {
    const page = await open(path, { headers: HTML })
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(await page.text()).toContain('Nothing was killed')
    expect((await confirmed(path)).status).toBe(page.status)
    const [status, type] = await problem(await post(path))
    expect(status).toBe(page.status)
    expect(await killed()).toBeNull()
    return [status, type.split('/').at(-1) ?? '']
  }

  it('because it expired is gone', async () => {
    const gone = await token({ expiresAt: Date.now() - 1_000 })
    expect(await refused(`/k/${gone}`)).toEqual([410, 'link-ended'])
  })

  it('because it was forged, cut, or made for what is not there is not known, all the same', async () => {
    const path = pathOf(await make())
    const said = new Set<string>()
    const elsewhere = await token({ environment: 'env_of_another_time' })
    for (const one of [
      path.slice(0, -1),
      `${path}x`,
      '/k/x',
      '/k/..%2f..',
      `/k/${elsewhere}`,
      `/k/${'x'.repeat(1_990)}`,
    ]) {
      expect([one, await refused(one)]).toEqual([one, [404, 'link-not-found']])
      const { instance: _, ...body } = (await (await post(one)).json()) as { instance: string }
      said.add(JSON.stringify(body))
    }
    expect(said.size).toBe(1)
  })

  it('because its key was revoked, or lost its right, is gone', async () => {
    const key = await service.managementKey([{ role: 'killer', environments: ['default/development'] }])
    const id = parseKey(key)?.id ?? ''
    const first = await make({}, key)
    expect((await open(pathOf(first))).status).toBe(200)
    // Roles do not change by the API; by hand they can.
    const entry = service.live.held(SYSTEM)?.state.entries.get('api-key')?.get(id)
    const regrant = (role: string) =>
      service.live.commit({
        scope: { path: [SYSTEM] },
        actor: { kind: 'system', id: 'tests', name: 'Tests' },
        edit: () => ({
          action: 'test.regrant',
          edits: new Map([
            [
              SYSTEM,
              [
                {
                  kind: 'api-key',
                  key: id,
                  definition: { ...(entry?.definition as object), grants: [{ role }] },
                },
              ],
            ],
          ]),
          warnings: [],
          result: undefined,
        }),
      })
    await regrant('viewer')
    expect(await refused(pathOf(first))).toEqual([410, 'link-ended'])
    await regrant('killer')
    expect((await open(pathOf(first))).status).toBe(200)
    await service.ask('DELETE', `/api/v1/api-keys/${id}`)
    expect(await refused(pathOf(first))).toEqual([410, 'link-ended'])
  })

  it('is for its own environment: the same flag elsewhere is left alone', async () => {
    const answer = await post(pathOf(await make({}, service.adminKey, 'staging')))
    expect(answer.status).toBe(200)
    expect(await killed()).toBeNull()
    expect(await killed('staging')).not.toBeNull()
    await service.ask('DELETE', `${PROJECT}/environments/staging/flags/checkout/kill`)
  })

  it('because its flag is archived or deleted says so', async () => {
    const [shelved, gone] = [await make({ flag: 'shelved' }), await make({ flag: 'gone' })]
    for (const flag of ['shelved', 'gone']) await service.ask('POST', `${PROJECT}/flags/${flag}/archive`)
    await service.ask('DELETE', `${PROJECT}/flags/gone`, { headers: { 'if-match': '*' } })
    expect(await refused(pathOf(shelved))).toEqual([409, 'flag-archived'])
    expect(await refused(pathOf(gone))).toEqual([404, 'flag-not-found'])
  })

  it('because the configured admin key is another one now is gone, though its id is the same', async () => {
    const made = await make()
    const secret = 'a-secret-for-the-tests-that-is-long-enough'
    const other = await startService({ secret, adminKey: 'another-admin-key-for-the-tests-of-halyard' })
    const { status, body } = await other.ask('GET', pathOf(made), { key: null })
    expect([status, body.type]).toEqual([410, problemUri('link-ended')])
    await other.close()
  })
})

describe('a link of a group', () => {
  const kills = `${DEVELOPMENT}/kills`
  const links = (body: object, query = '') =>
    service.ask('POST', `${DEVELOPMENT}/kill-links${query}`, { body })
  const tagged: string[] = []
  const add = async (key: string) => {
    await service.ask('POST', `${PROJECT}/flags`, { body: { key, type: 'boolean', tags: ['pay'] } })
    tagged.push(key)
  }
  const states = () => Promise.all(tagged.map((flag) => killed('development', flag)))

  beforeAll(async () => {
    for (const key of ['pay-a', 'pay-b']) await add(key)
  })
  afterEach(async () => {
    for (const flag of tagged) await service.ask('DELETE', `${DEVELOPMENT}/flags/${flag}/kill`)
  })

  it('is made for as many flags as are meant, and for no other number', async () => {
    expect((await links({ tag: 'pay' }, '?dryRun=true')).body).toMatchObject({ tag: 'pay', expect: 2 })
    const without = await links({ tag: 'pay' })
    expect([without.status, without.body.errors[0].pointer]).toEqual([400, '/expect'])
    expect((await links({ tag: 'pay', expect: 3 })).body.type).toBe(problemUri('kill-count-differs'))
    expect((await links({ tag: 'nobody', expect: 1 })).status).toBe(404)
    expect((await links({ tag: 'pay', flag: 'pay-a', expect: 2 })).status).toBe(400)
    const all = await links({ all: true }, '?dryRun=true')
    expect(all.body).toMatchObject({ all: true, expect: expect.any(Number) })
    expect((await links({ all: true, expect: all.body.expect })).status).toBe(201)
  })

  it('shows them all, and kills them as one revision after two taps', async () => {
    const path = pathOf((await links({ tag: 'pay', expect: 2, comment: 'INC-9' })).body)
    const page = await (await open(path, { headers: HTML })).text()
    for (const shown of ['all 2 flags tagged pay', 'pay-a', 'pay-b', 'INC-9']) expect(page).toContain(shown)
    expect(await (await question(path)).text()).toContain('name="expect" value="2"')
    expect(await states()).toEqual([null, null])
    const before = (await service.ask('GET', `${DEVELOPMENT}/changes?limit=1`)).body.head.revision
    expect((await confirmed(path)).status).toBe(303)
    expect(await states()).toMatchObject([{ comment: 'INC-9' }, { comment: 'INC-9' }])
    const { head } = (await service.ask('GET', `${DEVELOPMENT}/changes?limit=1`)).body
    expect(head.revision).toBe(before + 1)
    const done = await (await open(path, { headers: HTML })).text()
    expect(done).toContain('are killed in')
    expect(done).not.toContain('<form')
  })

  it('says which are killed already, and kills the rest', async () => {
    const path = pathOf((await links({ tag: 'pay', expect: 2 })).body)
    await service.ask('PUT', `${DEVELOPMENT}/flags/pay-a/kill`)
    const first = await killed('development', 'pay-a')
    expect(await (await open(path)).text()).toMatch(/Killed already<\/dt><dd><bdi>pay-a<\/bdi><\/dd>/)
    const answer = (await (await post(path)).json()) as { kills: { key: string; already?: true }[] }
    expect(answer.kills).toMatchObject([{ key: 'pay-a', already: true }, { key: 'pay-b' }])
    expect((await states())[0]).toEqual(first)
  })

  it('that has other flags by now kills none for an alert, and those for a person who saw them', async () => {
    const path = pathOf((await links({ tag: 'pay', expect: 2 })).body)
    await add('pay-c')
    expect(await problem(await post(path))).toEqual([409, problemUri('kill-count-differs')])
    expect(await (await open(path)).text()).toContain('The link was made for 2, and 3 match now.')
    const tap = (expected: number) => post(path, { ...HTML, ...FORM }, `step=kill&expect=${expected}`)
    const late = await tap(2)
    expect([late.status, await late.text()]).toEqual([409, expect.stringContaining('Nothing was killed')])
    expect(await states()).toEqual([null, null, null])
    expect((await tap(3)).status).toBe(303)
    expect((await states()).every((kill) => kill !== null)).toBe(true)
    expect(
      (await service.ask('POST', kills, { body: { tag: 'pay', expect: 3 } })).body.kills[2].already,
    ).toBe(true)
  })
})

describe('the texts of others', () => {
  const NASTY = [
    '<script>document.title="x"</script>',
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    '</title></dl><svg/onload=alert(1)>',
    '&lt;script&gt;',
    '\u202Egnp.exe',
  ]
  it.each(NASTY)('stand in the page as texts: %s', async (comment) => {
    const path = pathOf(await make({ comment }))
    const pages = [await open(path, { headers: HTML }), await question(path)]
    await post(path, JSON_TYPE, JSON.stringify({ title: comment }))
    pages.push(await open(path, { headers: HTML }))
    for (const page of pages) {
      const text = await page.text()
      expect(text).not.toMatch(/<(?:script|img|svg)/i)
      const tags = new Set([...text.matchAll(/<\/?([a-z0-9]+)/gi)].map(([, tag]) => tag?.toLowerCase()))
      const known = 'html head meta title style body main h1 dl div dt dd bdi br p code a form input button'
      expect([...tags].filter((tag) => !known.split(' ').includes(tag ?? ''))).toEqual([])
    }
  })
})

describe('the token', () => {
  it('is in no log, no metric and no error', async () => {
    const path = pathOf(await make({ comment: 'canary' }))
    const canary = path.slice('/k/'.length)
    const answers = [
      await open(path),
      await open(path, { method: 'HEAD' }),
      await open(`${path}?step=kill`),
      await open(path, { method: 'DELETE' }),
      await open(`${path}/more`),
      await post(path, FORM, `step=${canary}`),
      await question(path),
      await post(path, { 'content-type': 'text/plain' }, canary),
      await post(path, { origin: 'https://evil.example' }),
      await post(path),
      await open(`${path}x`),
      await open(`/k/%E0${canary}`),
    ]
    for (const answer of answers) {
      const told = JSON.stringify([...answer.headers]) + (await answer.text())
      expect(told.includes(canary)).toBe(false)
    }
    const metrics = await (await open('/metrics')).text()
    const logged = service.logged.join('\n')
    expect(logged).toContain('kill link request')
    for (const part of [canary, canary.slice(0, 43), canary.slice(44)]) {
      expect(logged.includes(part)).toBe(false)
      expect(metrics.includes(part)).toBe(false)
    }
    expect(logged).toContain('"endpoint":"kill-links.kill"')
  })
})
