/** Changes over HTTP: who changed what, what exactly, and why. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Json } from '@halyard/sdk/core'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { problemUri } from '../../../server/contract/index.ts'
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts'
import { startService, type TestService } from '../../support/start-service.ts'

const PROJECT = '/api/v1/projects/default'
const ENVIRONMENT = `${PROJECT}/environments/production`
const CHANGES = `${ENVIRONMENT}/changes`
const ANY = { 'if-match': '*' }

let database: FreshDatabase
let service: TestService
beforeAll(async () => {
  database = await freshDatabase()
  service = await startService({ database: database.url })
})
afterAll(async () => {
  await service.close()
  await database.drop()
})

type Item = {
  readonly revision: number
  readonly action: string
  readonly actor: { readonly id: string; readonly name: string }
  readonly at: string
  readonly comment: string | null
  readonly hash: string
  readonly previousHash: string
  readonly summary: readonly string[]
  readonly documents: readonly Record<string, unknown>[]
}
type Page = {
  readonly items: readonly Item[]
  readonly cursor: string | null
  readonly head: { readonly log: string; readonly revision: number; readonly hash: string }
}

/** A request that must be answered 2xx. */
async function must(method: string, path: string, body?: unknown, headers: Record<string, string> = ANY) {
  const answer = await service.ask(method, path, { ...(body !== undefined && { body }), headers })
  if (answer.status > 299) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`)
  return answer.body
}
const page = async (query = '', path = CHANGES): Promise<Page> => must('GET', `${path}?${query}`)

async function all(query = '', path = CHANGES): Promise<Item[]> {
  const items: Item[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const found: Page = await page(`${query}${cursor === '' ? '' : `&cursor=${cursor}`}`, path)
    items.push(...found.items)
    cursor = found.cursor
  }
  return items
}

async function sql(text: string, values: readonly unknown[]): Promise<void> {
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  await client.query(text, [...values])
  await client.end()
}

/** Writes a segment straight through the live room, as fast as commits go. */
function put(segment: string, definition: Json): Promise<unknown> {
  const log = service.live.environment('default', 'production')?.id ?? ''
  return service.live.commit({
    scope: { path: [log] },
    actor: { kind: 'system', id: 'tests', name: 'Tests' },
    edit: () => ({
      action: 'segment.put',
      edits: new Map([[log, [{ kind: 'segment', key: segment, definition }]]]),
      warnings: [],
      result: undefined,
    }),
  })
}

async function makeFlag(key: string): Promise<void> {
  await must('POST', `${PROJECT}/flags`, { key, type: 'boolean' })
}

describe('who changed checkout last night, what exactly, and why', () => {
  it('is answered in one request, in words and line by line, newest first', async () => {
    await makeFlag('checkout')
    await makeFlag('other')
    const flag = `${ENVIRONMENT}/flags/checkout`
    const split = (on: number) => ({
      split: {
        shares: [
          { variant: 'on', percent: on },
          { variant: 'off', percent: 100 - on },
        ],
      },
    })
    await must('POST', `${flag}/rules`, {
      id: 'r2',
      when: { attribute: 'plan', op: 'in', values: ['pro'] },
      serve: split(10),
    })
    await must('POST', `${ENVIRONMENT}/flags/other/enable`)
    await must('POST', `${flag}/enable`, undefined, { ...ANY, 'halyard-comment': 'Launch' })
    await must(
      'PATCH',
      `${flag}/rules/r2`,
      { serve: split(25) },
      { ...ANY, 'halyard-comment': 'Looks good, more of them' },
    )
    await must('PUT', `${flag}/kill`, { comment: 'Payments fail' })
    const { items, cursor, head } = await page('flag=checkout')
    expect(cursor).toBeNull()
    expect(items.map(({ action, comment }) => [action, comment])).toEqual([
      ['flag.kill', 'Payments fail'],
      ['flag.rule.update', 'Looks good, more of them'],
      ['flag.enable', 'Launch'],
      ['flag.rule.add', null],
      ['flag.create', null],
    ])
    expect(items[0]).toMatchObject({
      actor: { kind: 'api-key', id: 'admin' },
      summary: ['killed by configured admin key: Payments fail'],
      documents: [
        { kind: 'kill', key: 'checkout', diff: [{ pointer: '', after: { comment: 'Payments fail' } }] },
      ],
      hash: head.hash,
      revision: head.revision,
    })
    expect(items[1]?.summary).toEqual(['raised on from 10 % to 25 % in rule r2'])
    expect(items[1]?.documents).toMatchObject([
      {
        kind: 'flag',
        key: 'checkout',
        summary: items[1]?.summary,
        diff: expect.arrayContaining([
          {
            pointer: '/rules/0/serve/split/shares',
            before: [
              { variant: 'on', percent: 10 },
              { variant: 'off', percent: 90 },
            ],
            after: [
              { variant: 'on', percent: 25 },
              { variant: 'off', percent: 75 },
            ],
          },
        ]),
      },
    ])
    expect(items[2]?.documents).toMatchObject([
      { diff: [{ pointer: '/enabled', before: false, after: true }] },
    ])
    for (const [index, { previousHash }] of items.entries()) {
      const before = items[index + 1]
      if (before?.revision === (items[index]?.revision ?? 0) - 1) expect(previousHash).toBe(before.hash)
    }
  })

  it('and each of them is there by itself, with the document before and after', async () => {
    const [kill, edit] = await all('flag=checkout')
    const one = await must('GET', `${CHANGES}/${edit?.revision}`)
    expect(one).toMatchObject({
      revision: edit?.revision,
      comment: edit?.comment,
      summary: edit?.summary,
      head: { hash: kill?.hash },
    })
    const now = await must('GET', `${ENVIRONMENT}/flags/checkout`)
    const { before, after } = one.documents[0]
    expect(now).toMatchObject(after)
    expect(before.rules[0].serve.split.shares[0].percent).toBe(10)
    for (const missing of ['999999', '0', 'latest', '1.5', '-1', '99999999999999999999']) {
      const answer = await service.ask('GET', `${CHANGES}/${missing}`)
      expect([answer.status, answer.body.type]).toEqual([404, problemUri('revision-not-found')])
    }
  })

  it('fields are chosen, and what is not asked for is not read', async () => {
    const { items } = await page('flag=checkout&fields=action,at')
    for (const item of items) expect(Object.keys(item).sort()).toEqual(['action', 'at', 'revision'])
    const [withSummary] = (await page('flag=checkout&fields=summary')).items
    expect(Object.keys(withSummary ?? {}).sort()).toEqual(['revision', 'summary'])
  })

  it('a question that makes no sense says so', async () => {
    for (const [query, word] of [
      ['since=yesterday', 'since'],
      ['until=2027-02-30T00:00:00Z', 'until'],
      ['limit=0', 'limit'],
      ['limit=201', 'limit'],
      ['cursor=abc', 'cursor'],
      [`cursor=${Buffer.from('1:x').toString('base64url')}`, 'cursor'],
      ['flags=checkout', 'flags'],
    ] as const) {
      const answer = await service.ask('GET', `${CHANGES}?${query}`)
      expect([answer.status, answer.body.type], query).toEqual([400, problemUri('invalid-request')])
      expect(answer.body.detail).toContain(word)
    }
  })
})

describe('pages', () => {
  it('of thousands of changes have no gap and no repetition, while edits go on', async () => {
    const edit = (n: number) =>
      put('busy', { by: 'targetingKey', when: { attribute: 'n', op: 'in', values: [n] } })
    for (let n = 0; n < 2_000; n += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, more) => edit(n + more)))
    }
    const first = await page('limit=100')
    const revisions = first.items.map(({ revision }) => revision)
    let pages = 1
    for (let { cursor } = first; cursor !== null; pages += 1) {
      await Promise.all([edit(-pages), edit(-pages - 0.5)])
      const next = await page(`limit=100&cursor=${cursor}`)
      revisions.push(...next.items.map(({ revision }) => revision))
      cursor = next.cursor
    }
    expect(revisions).toEqual(Array.from({ length: first.head.revision }, (_, n) => first.head.revision - n))
    expect(pages).toBe(Math.ceil(first.head.revision / 100))
  })

  it('filter as a plain look at all changes would', async () => {
    const bob = await service.managementKey([{ role: 'editor' }])
    const segment = `${ENVIRONMENT}/segments/beta`
    const asBob = (method: string, path: string, body?: unknown) =>
      service.ask(method, path, { key: bob, headers: ANY, ...(body !== undefined && { body }) })
    await service.ask('PUT', segment, { key: bob, body: { when: null } })
    await must('PATCH', `${segment}/members`, { included: { add: ['u1', 'u2', 'u3'] } })
    await asBob('PATCH', `${segment}/members`, { included: { remove: ['u1'] }, excluded: { add: ['u9'] } })
    await asBob('DELETE', `${ENVIRONMENT}/flags/checkout/kill`)
    const everything = await all('limit=200')
    const at = everything[10]?.at ?? ''
    const bobs = everything.find(({ action }) => action === 'flag.unkill')?.actor.id ?? ''
    const documents = (item: Item) => item.documents as { kind: string; key: string }[]
    const questions: [string, (item: Item) => boolean][] = [
      [
        'flag=checkout',
        (item) =>
          documents(item).some(({ kind, key }) => ['flag', 'kill'].includes(kind) && key === 'checkout'),
      ],
      [
        'segment=beta',
        (item) =>
          documents(item).some(({ kind, key }) => ['segment', 'members'].includes(kind) && key === 'beta'),
      ],
      ['kind=members', (item) => documents(item).some(({ kind }) => kind === 'members')],
      [
        'kind=kill&key=checkout',
        (item) => documents(item).some(({ kind, key }) => kind === 'kill' && key === 'checkout'),
      ],
      ['key=other', (item) => documents(item).some(({ key }) => key === 'other')],
      [`actor=${bobs}`, ({ actor }) => actor.id === bobs],
      [
        `actor=${encodeURIComponent('a key of the tests')}`,
        ({ actor }) => actor.name === 'a key of the tests',
      ],
      ['action=segment', ({ action }) => action.startsWith('segment.')],
      ['action=flag.unkill', ({ action }) => action === 'flag.unkill'],
      [`since=${at}`, (item) => item.at >= at],
      [`until=${at}`, (item) => item.at <= at],
      [`flag=checkout&actor=${bobs}`, (item) => item.actor.id === bobs && item.action === 'flag.unkill'],
      [`segment=beta&action=segment.members&since=${at}`, ({ action }) => action === 'segment.members'],
    ]
    for (const [query, holds] of questions) {
      const expected = everything.filter(holds).map(({ revision }) => revision)
      const found = (await all(`limit=200&${query}`)).map(({ revision }) => revision)
      expect(expected.length, query).toBeGreaterThan(0)
      expect([query, found]).toEqual([query, expected])
    }
  })
})

describe('members', () => {
  it('are counted and the first named, whatever chunks they stand in', async () => {
    const [second, first] = await all('action=segment.members&segment=beta')
    expect(first).toMatchObject({
      summary: ['3 members included'],
      documents: [
        {
          kind: 'members',
          key: 'beta',
          members: { included: { added: 3, removed: 0 }, excluded: { added: 0, removed: 0 } },
        },
      ],
    })
    const [document] = (first?.documents ?? []) as { members: { included: { some: { added: string[] } } } }[]
    expect(document?.members.included.some.added.sort()).toEqual(['u1', 'u2', 'u3'])
    expect(second).toMatchObject({
      summary: ['1 member no longer included, 1 excluded'],
      documents: [
        {
          members: {
            included: { added: 0, removed: 1, some: { removed: ['u1'] } },
            excluded: { added: 1, removed: 0, some: { added: ['u9'] } },
          },
        },
      ],
    })
    expect(second?.documents[0]).not.toHaveProperty('diff')
  })

  it('of a large segment are left off in a list, and told of the change by itself', async () => {
    const units = Array.from(
      { length: 20_000 },
      (_, n) => `a-unit-with-a-rather-long-name-so-that-it-weighs-${n}`,
    )
    await must('PUT', `${ENVIRONMENT}/segments/large`, { when: null }, {})
    await service.ask('PATCH', `${ENVIRONMENT}/segments/large/members?mode=replace`, {
      body: units.join('\n'),
      headers: { 'content-type': 'text/csv' },
    })
    const [listed] = await all('segment=large&kind=members')
    expect(listed).toMatchObject({
      summary: ['members of segment large: changed, too large to be told here'],
      documents: [{ kind: 'members', key: 'large', summary: [], tooLarge: true }],
    })
    const one = await must('GET', `${CHANGES}/${listed?.revision}`)
    expect(one.summary).toEqual(['20000 members included'])
    expect(one.documents[0].members.included.added).toBe(20_000)
    expect(one.documents[0].members.included.some.added).toHaveLength(1_000)
  })
})

describe('a change of many documents', () => {
  it('shows the first of them in a list, and all by itself', async () => {
    const keys = Array.from({ length: 30 }, (_, n) => `many-${n}`)
    await must('POST', `${ENVIRONMENT}/commits`, {
      comment: 'All at once',
      changes: keys.map((key) => ({ op: 'put', kind: 'segment', key, definition: { when: null } })),
    })
    const [listed] = await all('segment=many-7')
    expect(listed).toMatchObject({ action: 'environment.commit', documentsLeftOff: 10 })
    expect(listed?.documents).toHaveLength(20)
    expect(listed?.summary.at(-1)).toBe('10 documents more changed')
    const one = await must('GET', `${CHANGES}/${listed?.revision}`)
    expect(one.documents).toHaveLength(30)
    expect(one).not.toHaveProperty('documentsLeftOff')
  })
})

describe('what comes and goes', () => {
  it('of an archived flag its configuration goes, and comes back as it was', async () => {
    await makeFlag('comes-and-goes')
    await must('POST', `${ENVIRONMENT}/flags/comes-and-goes/enable`)
    const [enabled] = await all('flag=comes-and-goes')
    await must('POST', `${PROJECT}/flags/comes-and-goes/archive`)
    await must('POST', `${PROJECT}/flags/comes-and-goes/unarchive`)
    const read = async (revision: number | undefined) =>
      (await must('GET', `${CHANGES}/${revision}`)).documents[0]
    const [back, gone] = await all('flag=comes-and-goes')
    const configuration = (await read(enabled?.revision)).after
    expect(await read(gone?.revision)).toMatchObject({ before: configuration, after: null })
    expect(await read(back?.revision)).toMatchObject({ before: null, after: configuration })
    const ofProject = await all('flag=comes-and-goes', `${PROJECT}/changes`)
    expect(ofProject.map(({ action, summary }) => [action, summary])).toEqual([
      ['flag.unarchive', [expect.stringContaining('unarchived')]],
      ['flag.archive', [expect.stringContaining('archived')]],
      ['flag.create', [expect.stringContaining('created')]],
    ])
    // What was put away with the archived flag is no business of its identity's history.
    expect(JSON.stringify(ofProject)).not.toContain('configurations')
  })

  it('a deleted flag is gone after, though its key stays reserved', async () => {
    await makeFlag('deleted')
    await must('POST', `${PROJECT}/flags/deleted/archive`)
    await must('DELETE', `${PROJECT}/flags/deleted`)
    const [change] = await all('flag=deleted', `${PROJECT}/changes`)
    const { documents } = await must('GET', `${PROJECT}/changes/${change?.revision}`)
    expect(documents).toMatchObject([{ kind: 'identity', before: { key: 'deleted' }, after: null }])
  })
})

describe('an environment as it was', () => {
  const at = (revision: number | string, query = '') =>
    must('GET', `${ENVIRONMENT}/revisions/${revision}?${query}`)

  it('is what server SDKs were given, at each revision and at each time', async () => {
    const key = await service.sdkKey('server', 'production')
    const seen: { revision: number; time: string; flags: unknown; kills: unknown }[] = []
    const definitions = (entries: Record<string, { definition: unknown }> = {}) =>
      Object.fromEntries(Object.entries(entries).map(([name, { definition }]) => [name, definition]))
    await makeFlag('told')
    const flag = `${ENVIRONMENT}/flags/told`
    for (const edit of [
      () => must('POST', `${flag}/enable`),
      () => must('PUT', `${flag}/kill`, {}),
      () => must('PUT', `${flag}/fallthrough`, { variant: 'on' }),
      () => must('DELETE', `${flag}/kill?acceptEdits=true`),
      () => must('POST', `${PROJECT}/flags/told/archive`),
    ]) {
      await edit()
      const { body } = await service.ask('GET', '/sdk/v1/ruleset', { key })
      const time = new Date().toISOString()
      seen.push({
        revision: body.revision,
        time,
        flags: definitions(body.entries.flag),
        kills: definitions(body.entries.kill),
      })
      // The next change comes later than the time that was noted.
      await sleep(2)
    }
    for (const { revision, time, flags, kills } of seen) {
      for (const state of [await at(revision), await at(time)]) {
        expect(state).toMatchObject({ revision, changedBy: { id: 'admin' } })
        expect(state.flags).toEqual(flags)
        expect(state.kills).toEqual(kills)
        expect(state).not.toHaveProperty('redacted')
      }
    }
    const latest = await at('latest')
    expect(latest).toEqual(await at(latest.revision))
  })

  it('can be told of some flags and segments alone, and with the members', async () => {
    const [later, earlier] = await all('action=segment.members&segment=beta')
    const some = await at(earlier?.revision ?? 0, 'flag=checkout,nowhere&segment=beta')
    expect([Object.keys(some.flags), Object.keys(some.segments)]).toEqual([['checkout'], ['beta']])
    expect(some.segments.beta.members).toEqual({ included: 3, excluded: 0 })
    const members = async (revision: number | undefined) =>
      (await at(revision ?? 0, 'segment=beta&members=true')).segments.beta.members
    const before = await members(earlier?.revision)
    expect(before.included.sort()).toEqual(['u1', 'u2', 'u3'])
    const after = await members(later?.revision)
    expect([after.included.sort(), after.excluded]).toEqual([['u2', 'u3'], ['u9']])
    expect(Object.keys((await at(earlier?.revision ?? 0, 'segment=beta')).flags)).toEqual([])
  })

  it('says where it never was so', async () => {
    for (const [revision, status] of [
      ['999999', 404],
      ['0', 404],
      ['2001-01-01T00:00:00Z', 404],
      ['newest', 400],
      ['-1', 400],
      ['2027-02-30T00:00:00Z', 400],
    ] as const) {
      expect([revision, (await service.ask('GET', `${ENVIRONMENT}/revisions/${revision}`)).status]).toEqual([
        revision,
        status,
      ])
    }
  })
})

describe('texts that are no longer as they were written', () => {
  it('are shown as redacted, or as not kept', async () => {
    await makeFlag('erased')
    const flag = `${ENVIRONMENT}/flags/erased`
    for (const unit of ['ann', 'bob', 'eve']) await must('PUT', `${flag}/targets/on`, { units: [unit] })
    const [third, second, first] = await all('flag=erased')
    const log = (await page()).head.log
    await sql(
      `UPDATE halyard.entries SET text = replace(text, '"bob"', '"erased-1"'), redacted_digest = 'x', redacted_at_revision = $3
       WHERE log_id = $1 AND kind = 'flag' AND key = 'erased' AND revision = $2`,
      [log, second?.revision, (third?.revision ?? 0) + 1],
    )
    await sql(
      `UPDATE halyard.entries SET text = NULL WHERE log_id = $1 AND kind = 'flag' AND key = 'erased' AND revision = $2`,
      [log, first?.revision],
    )
    const after = await all('flag=erased')
    expect(after[0]).toMatchObject({ documents: [{ redacted: true, diff: expect.anything() }] })
    expect(JSON.stringify(after)).not.toContain('bob')
    for (const change of [after[1], after[2]]) {
      expect(change).toMatchObject({
        summary: ['flag erased: changed, its texts were not kept'],
        documents: [{ kind: 'flag', key: 'erased', summary: [], dropped: true }],
      })
      expect(change?.documents[0]).not.toHaveProperty('diff')
    }
    const state = await must('GET', `${ENVIRONMENT}/revisions/${second?.revision}?flag=erased`)
    expect(state.redacted).toEqual([{ kind: 'flag', key: 'erased' }])
    expect(state.flags.erased.targets[0].units).toEqual(['erased-1'])
    const explained = await must('POST', `${ENVIRONMENT}/explain`, {
      flag: 'erased',
      context: { targetingKey: 'bob' },
      at: second?.revision,
    })
    expect(explained.redacted).toEqual([{ kind: 'flag', key: 'erased' }])
    const lost = await service.ask('GET', `${ENVIRONMENT}/revisions/${first?.revision}`)
    expect([lost.status, lost.body.type]).toEqual([410, problemUri('history-compacted')])
  })
})
