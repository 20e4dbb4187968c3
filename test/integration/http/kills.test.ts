/** What may be killed and un-killed, by whom: groups of flags, the kill that is meant, and keys that may only kill. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { problemUri } from '../../../server/contract/index.ts'
import { killFlag } from '../../../server/http/handlers/kills.ts'
import { type AskOptions, startService, type TestService } from '../../support/start-service.ts'

const PROJECT = '/api/v1/projects/default'
const ENVIRONMENT = `${PROJECT}/environments/development`

let service: TestService
let round = 0
/** Flags of this test, all with the tag `tag`. */
let flags: readonly string[]
let tag: string

beforeAll(async () => {
  service = await startService()
})
afterAll(() => service.close())
beforeEach(async () => {
  tag = `tag-${round++}`
  flags = ['a', 'b', 'c'].map((letter) => `${letter}-${round}`)
  for (const key of flags) await make(key, { tags: [tag] })
})

const ask = (method: string, url: string, options?: AskOptions) => service.ask(method, url, options)
async function must(method: string, url: string, options?: AskOptions) {
  const answer = await ask(method, url, options)
  expect(answer.status, answer.text).toBeLessThan(300)
  return answer.body
}
const make = (key: string, more: object = {}) =>
  must('POST', `${PROJECT}/flags`, {
    body: { key, type: 'boolean', fallthrough: { variant: 'on' }, ...more },
  })
const edit = (flag: string, action = 'enable') =>
  must('POST', `${ENVIRONMENT}/flags/${flag}/${action}`, { headers: { 'if-match': '*' } })
const killGroup = (body: object, query = '', options: AskOptions = {}) =>
  ask('POST', `${ENVIRONMENT}/kills${query}`, { body, ...options })
const kill = (flag: string, options?: AskOptions) => must('PUT', `${ENVIRONMENT}/flags/${flag}/kill`, options)
const unkill = (flag: string, query = '', options?: AskOptions) =>
  ask('DELETE', `${ENVIRONMENT}/flags/${flag}/kill${query}`, options)
const isKilled = async (flag: string) => (await must('GET', `${ENVIRONMENT}/flags/${flag}`)).kill !== null
const changes = async (more = '') => (await must('GET', `${ENVIRONMENT}/changes?limit=200${more}`)).items
const keysOf = (body: { kills: readonly { key: string }[] }) => body.kills.map(({ key }) => key)

/** As SQL by hand would. */
async function write(key: string, kind: string, definition: object | string, id = 'tests'): Promise<void> {
  const environment = service.live.environment('default', 'development')!
  await service.live.commit({
    scope: { path: [environment.id] },
    actor: { kind: 'api-key', id, name: 'Tests' },
    edit: () => ({
      action: 'test.write',
      edits: new Map([[environment.id, [{ kind, key, definition: definition as never }]]]),
      warnings: [],
      result: undefined,
    }),
  })
}

describe('a group of flags', () => {
  it('is killed by its tag, as one revision, and says all that a kill says', async () => {
    const other = `other-${round}`
    await make(other, { tags: ['another'] })
    await must('PATCH', `${ENVIRONMENT}/flags/${other}`, {
      body: { prerequisites: [{ flag: flags[1], variants: ['on'] }] },
      headers: { 'if-match': '*' },
    })
    const [before] = await changes()
    const { status, body } = await killGroup({ tag, expect: 3, comment: 'It burns' })
    expect(status).toBe(200)
    expect(keysOf(body)).toEqual(flags)
    for (const one of body.kills) {
      expect(one).toMatchObject({
        kill: { comment: 'It burns', by: expect.any(String) },
        serves: { variant: 'off', value: false },
      })
    }
    expect(body).toMatchObject({
      alsoOff: [other],
      durability: 'postgres',
      servers: { live: 1, applied: 1 },
      revision: before.revision + 1,
    })
    expect(new Set(body.kills.map(({ kill: { id } }: { kill: { id: string } }) => id)).size).toBe(3)
    const [change, previous] = await changes()
    expect(change).toMatchObject({ action: 'flag.kill', comment: 'It burns' })
    expect(change.summary).toHaveLength(3)
    expect(previous.revision).toBe(before.revision)
    for (const flag of flags) expect(await isKilled(flag)).toBe(true)
    expect(await isKilled(other)).toBe(false)
    expect((await must('GET', body.status)).complete).toBe(true)
  })

  it('names the flags in a dry run, where nothing has to be expected yet', async () => {
    await kill(flags[2]!)
    const { status, body } = await killGroup({ tag }, '?dryRun=true')
    expect(status).toBe(200)
    expect(keysOf(body)).toEqual(flags)
    expect(body.kills.map(({ already }: { already?: true }) => already)).toEqual([undefined, undefined, true])
    expect(body.dryRun).toBe(true)
    expect(await isKilled(flags[0]!)).toBe(false)

    const refused = await killGroup({ tag })
    expect(refused.body).toMatchObject({
      type: problemUri('invalid-request'),
      errors: [{ pointer: '/expect' }],
    })
    expect(await isKilled(flags[0]!)).toBe(false)
  })

  it('is not killed at all where other flags match than were thought of', async () => {
    for (const count of [2, 4]) {
      const { status, body } = await killGroup({ tag, expect: count })
      expect([status, body.type]).toEqual([409, problemUri('kill-count-differs')])
      expect(body.matching).toEqual({ count: 3, flags })
    }
    for (const flag of flags) expect(await isKilled(flag)).toBe(false)
  })

  it('leaves earlier kills as they are, and archived flags out', async () => {
    const first = await kill(flags[0]!)
    await must('POST', `${PROJECT}/flags/${flags[1]}/archive`)
    const { body } = await killGroup({ tag, expect: 2 })
    expect(keysOf(body)).toEqual([flags[0], flags[2]])
    expect(body.kills[0]).toMatchObject({ kill: first.kill, already: true })
    const again = await killGroup({ tag, expect: 2 })
    expect([again.status, again.body.revision]).toEqual([200, body.revision])
    expect(again.body.kills.every(({ already }: { already?: true }) => already)).toBe(true)
  })

  it('is answered as the first time where the same request comes again, whatever has the tag by then', async () => {
    const headers = { 'idempotency-key': `INC-${round}` }
    const first = await killGroup({ tag, expect: 3 }, '', { headers })
    expect([first.status, keysOf(first.body)]).toEqual([200, flags])
    const other = `other-${round}`
    await make(other, { tags: [tag] })
    const more = await killGroup({ tag, expect: 3 }, '', { headers })
    expect([more.status, more.body.kills]).toEqual([200, first.body.kills])
    await must('PATCH', `${PROJECT}/flags/${flags[0]}`, { body: { tags: [] }, headers: { 'if-match': '*' } })
    const others = await killGroup({ tag, expect: 3 }, '', { headers })
    expect([others.status, others.body.kills]).toEqual([200, first.body.kills])
    expect(await isKilled(other)).toBe(false)
  })

  it('is killed however broken any of its flags is', async () => {
    const off = { type: 'boolean', variants: { on: true, off: false }, offVariant: 'off' }
    await write(flags[0]!, 'flag', { ...off, rules: [{ when: { all: 7 }, serve: null }], targets: 'x' })
    await write(flags[1]!, 'flag', 'no object at all')
    const { status, body } = await killGroup({ tag, expect: 3 })
    expect(status).toBe(200)
    expect(body.kills.map(({ serves }: { serves: object }) => serves)).toEqual([
      { variant: 'off', value: false },
      { codeDefault: true },
      { variant: 'off', value: false },
    ])
    const key = await service.sdkKey('server')
    for (const flag of flags) {
      const { body: evaluated } = await ask('POST', `/ofrep/v1/evaluate/flags/${flag}`, {
        key,
        body: { context: {} },
      })
      expect(evaluated).toMatchObject({ reason: 'DISABLED', metadata: { killed: true } })
    }
  })

  it('is nothing where no flag has the tag, and the nearest tag is named', async () => {
    const { status, body } = await killGroup({ tag: `${tag}x`, expect: 3 })
    expect([status, body.type, body.didYouMean]).toEqual([404, problemUri('flag-not-found'), tag])
  })

  it('is the whole environment where that is said, and that one alone', async () => {
    const count = keysOf((await killGroup({ all: true }, '?dryRun=true')).body).length
    expect(count).toBeGreaterThanOrEqual(3)
    const { status, body } = await killGroup({ all: true, expect: count }, '?wait=none')
    expect([status, body.kills.length]).toEqual([202, count])
    for (const flag of flags) expect(await isKilled(flag)).toBe(true)
    expect((await must('GET', `${PROJECT}/environments/staging/flags/${flags[0]}`)).kill).toBe(null)
    for (const key of keysOf(body)) await unkill(key, '?acceptEdits=true')
  })

  it('asks for no comment, and is answered again when the request comes again', async () => {
    const settings = (requireComment: boolean) =>
      must('PATCH', ENVIRONMENT, {
        body: { settings: { requireComment } },
        headers: { 'if-match': '*', 'halyard-comment': 'why' },
      })
    await settings(true)
    onTestFinished(() => settings(false))
    const key = await service.managementKey([{ role: 'killer', environments: ['default/development'] }])
    const again = { key, headers: { 'idempotency-key': `once-${round}` } }
    const first = await killGroup({ tag, expect: 3 }, '', again)
    expect(first.status).toBe(200)
    const second = await killGroup({ tag, expect: 3 }, '', again)
    expect(second.body.kills).toEqual(first.body.kills)
  })
})

it.each([
  ['until half a second is over', 0, 301, 500],
  ['that much less, where its connection waited to be taken', 200, 100, 300],
  ['a moment in any case', 10_000, 100, 100],
])('waits for what others say of a kill %s', async (_, queuedMs, least, most) => {
  const settled = vi.spyOn(service.live.delivery, 'settled')
  onTestFinished(() => settled.mockRestore())
  const call = {
    params: { project: 'default', env: 'development', flag: flags[0]! },
    manager: { kind: 'management', keyId: 'tests', name: 'Tests', grants: [{ role: 'admin' }] },
    ...{ query: {}, comment: undefined, dryRun: false, idempotency: undefined, queuedMs },
  } as const
  await killFlag(call, { live: service.live, clock: Date, randomBytes })
  const [[, , withinMs] = []] = settled.mock.calls
  expect(withinMs).toBeGreaterThanOrEqual(least)
  expect(withinMs).toBeLessThanOrEqual(most)
})

describe('an un-kill', () => {
  it('ends the kill that it names, and no other', async () => {
    const [flag] = flags as [string]
    const first = await kill(flag)
    await must('DELETE', `${ENVIRONMENT}/flags/${flag}/kill?kill=${first.kill.id}`)
    const second = await kill(flag)
    const refused = await unkill(flag, `?kill=${first.kill.id}`)
    expect([refused.status, refused.body.type]).toEqual([409, problemUri('kill-changed')])
    expect(refused.body.detail).toContain(second.kill.id)
    expect(await isKilled(flag)).toBe(true)
    const { body } = await unkill(flag)
    expect(body.ended).toEqual(second.kill)
    expect((await unkill(flag, `?kill=${second.kill.id}`)).body.type).toBe(problemUri('not-killed'))
  })

  it('is refused where the flag or what it uses was edited since, by whom it says, until that is accepted', async () => {
    const [flag] = flags as [string]
    const segment = `s-${round}`
    await must('PUT', `${ENVIRONMENT}/segments/${segment}`, { body: {} })
    await must('POST', `${ENVIRONMENT}/flags/${flag}/rules`, {
      body: { id: 'first', when: { segment }, serve: { variant: 'on' } },
    })
    await kill(flag)
    const bob = await service.managementKey([{ role: 'editor' }])
    await must('POST', `${ENVIRONMENT}/flags/${flag}/enable`, { key: bob, headers: { 'if-match': '*' } })
    await must('PATCH', `${ENVIRONMENT}/segments/${segment}/members`, {
      body: { included: { add: ['u1'] } },
    })
    for (const query of ['', '?dryRun=true']) {
      const refused = await unkill(flag, query)
      expect([refused.status, refused.body.type]).toEqual([409, problemUri('edited-while-killed')])
      const at = expect.stringMatching(/^20/)
      expect(refused.body.editedWhileKilled).toEqual([
        { kind: 'flag', key: flag, revision: expect.any(Number), at, by: expect.any(String) },
        { kind: 'members', key: segment, revision: expect.any(Number), at, by: expect.any(String) },
      ])
    }
    const would = await unkill(flag, '?dryRun=true&acceptEdits=true')
    expect([would.status, would.body.dryRun]).toEqual([200, true])
    expect(await isKilled(flag)).toBe(true)
    const { status, body } = await unkill(flag, '?acceptEdits=true')
    expect(status).toBe(200)
    expect(body.editedWhileKilled).toHaveLength(2)
    expect(await isKilled(flag)).toBe(false)
  })

  it('is not held up by edits of before, or of what the flag does not use', async () => {
    const [flag, other] = flags as [string, string]
    await edit(flag)
    await kill(flag)
    await edit(other)
    const { status, body } = await unkill(flag)
    expect(status).toBe(200)
    expect(body).not.toHaveProperty('editedWhileKilled')
  })
})

describe('a key that may only kill', () => {
  const killer = () => service.managementKey([{ role: 'killer', environments: ['default/development'] }])

  it('ends what it killed itself, one by one or in a group', async () => {
    const key = await killer()
    const [a, b] = flags as [string, string]
    const { kill: made } = await kill(a, { key })
    expect((await unkill(a, '', { key })).status).toBe(200)
    const { body } = await killGroup({ tag, expect: 3 }, '', { key })
    expect(keysOf(body)).toContain(b)
    expect((await unkill(b, `?kill=${body.kills[1].kill.id}`, { key })).status).toBe(200)
    // A kill that is over is nobody's to end, whoever made the one of now.
    expect((await unkill(a, `?kill=${made.id}`, { key })).body.type).toBe(problemUri('kill-changed'))
    expect((await unkill(b, '', { key })).body.type).toBe(problemUri('not-killed'))
  })

  it('ends nothing else, and is told who killed it and when', async () => {
    const [key, another] = [await killer(), await killer()]
    const [flag] = flags as [string]
    const first = await kill(flag, { key: another })
    // That it killed it once more makes it no kill of its own.
    expect((await kill(flag, { key })).already).toBe(true)
    for (const query of ['', `?kill=${first.kill.id}`, '?acceptEdits=true', '?dryRun=true', '?kill=x']) {
      const refused = await unkill(flag, query, { key })
      expect([refused.status, refused.body.type]).toEqual([403, problemUri('forbidden')])
      expect(refused.body.detail).toContain(first.kill.at)
      expect(refused.body.detail).toContain(JSON.stringify(first.kill.by))
    }
    expect(await isKilled(flag)).toBe(true)
    expect((await unkill(flag, '', { key: another })).status).toBe(200)
  })

  it('ends it within an hour', async () => {
    const key = await killer()
    const [early, late] = flags as [string, string]
    const principal = await service.live.authenticate(key)
    if (typeof principal === 'string') throw new Error(principal)
    const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString()
    await write(early, 'kill', { id: `early-${round}`, by: 'it', at: ago(59) }, principal.keyId)
    await write(late, 'kill', { id: `late-${round}`, by: 'it', at: ago(61) }, principal.keyId)
    expect((await unkill(early, '?acceptEdits=true', { key })).status).toBe(200)
    expect((await unkill(late, '', { key })).status).toBe(403)
  })

  it('accepts no more than anybody: edits since its kill hold it up', async () => {
    const key = await killer()
    const [flag] = flags as [string]
    await kill(flag, { key })
    await edit(flag)
    expect((await unkill(flag, '', { key })).body.type).toBe(problemUri('edited-while-killed'))
    expect((await unkill(flag, '?acceptEdits=true', { key })).status).toBe(200)
  })
})
