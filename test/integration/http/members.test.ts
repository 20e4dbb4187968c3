import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ADMIN_KEY, startService, type TestService } from '../../support/start-service.ts'

const SEGMENT = '/api/v1/projects/default/environments/development/segments/beta'
const MEMBERS = `${SEGMENT}/members`
const CSV = { 'content-type': 'text/csv' }
const NDJSON = { 'content-type': 'application/x-ndjson; charset=utf-8' }

let service: TestService
const ask: TestService['ask'] = (...request) => service.ask(...request)
beforeAll(async () => {
  service = await startService()
})
afterAll(() => service.close())
beforeEach(async () => {
  await ask('DELETE', SEGMENT, { headers: { 'if-match': '*' } })
  const made = await ask('PUT', SEGMENT, { body: {} })
  expect(made.status, made.text).toBe(201)
})

async function listed(query = ''): Promise<Record<string, string>> {
  const { body } = await ask('GET', `${MEMBERS}?limit=10000${query}`)
  expect(body.cursor).toBeNull()
  return Object.fromEntries(body.items.map(({ unit, list }: { unit: string; list: string }) => [unit, list]))
}

describe('members of a segment', () => {
  it('are added and removed as JSON, in both lists, and counted', async () => {
    const added = await ask('PATCH', MEMBERS, {
      body: { included: { add: ['u1', 'u2', 3] }, excluded: { add: ['u4'] } },
    })
    expect(added.body).toMatchObject({
      added: 4,
      present: 0,
      members: { included: 3, excluded: 1 },
      invalid: [],
    })
    const changed = await ask('PATCH', MEMBERS, {
      body: { included: { add: ['u1', 'u5'], remove: ['u2', 'nobody'] } },
    })
    expect(changed.body).toMatchObject({ added: 1, present: 1, removed: 1, absent: 1 })
    expect(await listed()).toEqual({ u1: 'included', 3: 'included', u5: 'included', u4: 'excluded' })
    expect(await listed('&list=excluded')).toEqual({ u4: 'excluded' })
    expect((await ask('GET', SEGMENT)).body.members).toEqual({ included: 3, excluded: 1 })
  })

  it('are looked up, folded where the segment ignores case', async () => {
    await ask('PATCH', SEGMENT, { body: { ignoreCase: true }, headers: { 'if-match': '*' } })
    await ask('PATCH', MEMBERS, { body: { included: { add: ['Ada@Shop.example'] } } })
    const checked = await ask('POST', `${MEMBERS}/check`, {
      body: { units: ['ADA@shop.EXAMPLE', 'bob', 7, ''] },
    })
    expect(checked.body.items.map(({ list }: { list: string | null }) => list)).toEqual([
      'included',
      null,
      null,
      null,
    ])
  })

  it('come as CSV, with and without heading and quotes; useless lines are left out by number', async () => {
    const body = [
      'unit,list',
      'u1',
      '"u2, with a comma",excluded',
      '',
      '"he said ""hi"""',
      ',included',
      'u3,perhaps',
      'u4,included,more',
      'u5 , included ',
    ].join('\r\n')
    const answer = await ask('PATCH', MEMBERS, { body, headers: CSV })
    expect(answer.status, answer.text).toBe(200)
    expect(answer.body).toMatchObject({ added: 4, invalidCount: 3 })
    expect(answer.body.invalid.map(({ line }: { line: number }) => line)).toEqual([6, 7, 8])
    expect(await listed()).toEqual({
      u1: 'included',
      'u2, with a comma': 'excluded',
      'he said "hi"': 'included',
      u5: 'included',
    })
  })

  it('come as NDJSON, of units or of units with their list', async () => {
    const body = [
      '"u1"',
      '2',
      '{"unit": "u3", "list": "excluded"}',
      'not json',
      '{"unit": null}',
      '{"who": "u"}',
      '"a\\u0000"',
      '',
    ].join('\n')
    const answer = await ask('PATCH', MEMBERS, { body, headers: NDJSON })
    expect(answer.body).toMatchObject({ added: 3, invalidCount: 4 })
    expect(answer.body.invalid.map(({ line }: { line: number }) => line)).toEqual([4, 5, 6, 7])
    expect(await listed()).toEqual({ u1: 'included', 2: 'included', u3: 'excluded' })
  })

  it('are replaced by lines, in the lists that the lines name', async () => {
    await ask('PATCH', MEMBERS, { body: { included: { add: ['old', 'kept'] }, excluded: { add: ['out'] } } })
    const answer = await ask('PATCH', `${MEMBERS}?mode=replace`, { body: 'kept\nnew\n', headers: CSV })
    expect(answer.body).toMatchObject({ added: 1, present: 1, removed: 1 })
    expect(await listed()).toEqual({ kept: 'included', new: 'included', out: 'excluded' })
    const nothing = await ask('PATCH', `${MEMBERS}?mode=replace`, { body: '\n', headers: CSV })
    expect(nothing.body).toMatchObject({ added: 0, removed: 0 })
    expect(Object.keys(await listed())).toHaveLength(3)
  })

  it('refuses one unit in both lists, by the number of its line', async () => {
    const answer = await ask('PATCH', MEMBERS, { body: 'u1\nu2\n\nu2,excluded\n', headers: CSV })
    expect(answer.status).toBe(422)
    expect(answer.body.errors[0].message).toMatch(/^Line [24]: /)
    expect(await listed()).toEqual({})
  })

  it('takes 100,000 lines as one revision, and pages through them without loss', async () => {
    const units = Array.from({ length: 100_000 }, (_, number) => `user-${number}`)
    const replaced = await ask('PATCH', `${MEMBERS}?mode=replace`, { body: units.join('\n'), headers: CSV })
    expect(replaced.body).toMatchObject({ added: 100_000, members: { included: 100_000 } })
    const seen = new Set<string>()
    let cursor = ''
    for (;;) {
      const { body } = await ask('GET', `${MEMBERS}?limit=9999${cursor && `&cursor=${cursor}`}`)
      for (const { unit } of body.items) seen.add(unit)
      if (body.cursor === null) break
      cursor = body.cursor
    }
    expect(seen.size).toBe(100_000)
    const one = await ask('PATCH', MEMBERS, { body: { included: { add: ['one-more'] } } })
    expect(one.body.members.included).toBe(100_001)
    const dry = await ask('PATCH', `${MEMBERS}?dryRun=true`, { body: { included: { remove: ['one-more'] } } })
    expect(dry.body).toMatchObject({ removed: 1, dryRun: true })
    expect(dry.body.diff).toEqual([
      {
        kind: 'members',
        key: 'beta',
        environment: 'development',
        summary: ['1 member no longer included'],
        before: { included: 100_001, excluded: 0 },
        after: { included: 100_000, excluded: 0 },
        diff: [{ pointer: '/included', before: 100_001, after: 100_000 }],
      },
    ])
    expect((await ask('GET', SEGMENT)).body.members.included).toBe(100_001)
  })

  it('refuses more lines than a segment can have members while they come, with an answer', async () => {
    const url = await service.listen()
    const response = await fetch(url + MEMBERS, {
      method: 'PATCH',
      headers: { ...CSV, authorization: `Bearer ${ADMIN_KEY}` },
      body: Array.from({ length: 1_000_002 }, (_, number) => `u${number}`).join('\n'),
    })
    expect(response.status).toBe(413)
    expect(((await response.json()) as { detail: string }).detail).toContain('1000000')
    expect(await listed()).toEqual({})
  })

  it('refuses more changes than a request may hold, and lines for what is JSON alone', async () => {
    const add = Array.from({ length: 10_001 }, (_, number) => `user-${number}`)
    expect((await ask('PATCH', MEMBERS, { body: { included: { add } } })).status).toBe(422)
    expect((await ask('PATCH', `${MEMBERS}?mode=add`, { body: {} })).status).toBe(400)
    const elsewhere = await ask('PUT', SEGMENT, { body: 'u1', headers: { ...CSV, 'if-match': '*' } })
    expect(elsewhere.status).toBe(415)
  })
})
