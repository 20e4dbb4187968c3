import type { Json } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { type DocumentChange, membersInWords, summaryOf, wordsOf } from '../../../../server/domain/index.ts'
import { flag, pro } from './documents.ts'

type Fields = { readonly [field: string]: Json }
type Case = [before: Json | null, after: Json | null, ...words: string[]]
/** A table of changes of documents of one kind. */
const tells = (kind: string, cases: readonly Case[]): void => {
  it.each(cases)('%j → %j', (before, after, ...words) => {
    expect(wordsOf(kind, before, after)).toEqual(words)
  })
}
const DIGEST = 'a'.repeat(64)

describe('a segment in words', () => {
  const segment: Fields = { by: 'targetingKey', when: null }
  tells('segment', [
    [null, segment, 'created: members alone'],
    [null, { by: 'account', when: pro }, 'created by account: members, or plan is pro'],
    [null, {}, 'created: members alone'],
    [segment, null, 'deleted'],
    [segment, { ...segment, when: pro }, 'condition changed: none → plan is pro'],
    [segment, { ...segment, by: 'account' }, 'members are now by account (were by targetingKey)'],
    [segment, { ...segment, ignoreCase: true }, 'now ignores case of members'],
    [{ ...segment, ignoreCase: true }, segment, 'no longer ignores case of members'],
    [segment, { ...segment, later: 1 }, 'later changed'],
    [segment, 'broken', 'changed'],
    ['broken', segment, 'changed'],
  ])
})

describe('an epoch in words', () => {
  const document: Fields = { seen: { epoch: 1, revision: 60 }, found: { epoch: 1, revision: 50 } }
  tells('epoch', [
    [null, document, 'the database went back to 1-50, what came after it is lost; 1-60 was seen before'],
    [document, { ...document, seen: { epoch: 1, revision: 61 } }, '1-61 was seen before'],
    [
      document,
      { seen: document.seen!, found: { epoch: 1, revision: 40 } },
      'the database went back to 1-40, what came after it is lost',
    ],
    [null, { seen: 7 }, 'the database went back to none, what came after it is lost; 7 was seen before'],
    [document, null, 'that the database once went back is forgotten'],
  ])

  it('needs no name of its own in a summary', () => {
    expect(summaryOf([{ kind: 'epoch', key: 'opened', before: null, after: document }])).toEqual([
      'the database went back to 1-50, what came after it is lost; 1-60 was seen before',
    ])
  })
})

describe('members in words', () => {
  const members = (included: Json, excluded: Json = []): Json => ({ included, excluded })
  tells('members', [
    [null, members(['a']), '1 member included'],
    [members(['a', 'b'], ['c']), null, '2 members no longer included, 1 no longer excluded'],
    [
      members(['a'], ['c']),
      members(['b', 'd', 'e'], ['f']),
      '3 members included, 1 no longer included, 1 excluded, 1 no longer excluded',
    ],
    [members([], ['c']), members([], []), '1 member no longer excluded'],
    [members(['a', 'b']), members(['b', 'a']), 'members changed'],
    [members('a'), members(['a']), 'members changed'],
    [members(['b', 'a', 'b']), members(['c', 'b']), '1 member included, 1 no longer included'],
    [members([7]), 'broken', 'members changed'],
  ])

  it('are one sentence for all chunks of a segment', () => {
    const chunks = [
      { before: null, after: members(['a', 'b']) },
      { before: members(['c']), after: members(['c']) },
      { before: members([], ['d']), after: members(['d'], []) },
    ]
    expect(membersInWords(chunks)).toEqual(['3 members included, 1 no longer excluded'])
    expect(membersInWords(chunks.slice(1, 2))).toEqual([])
  })
})

describe('a flag’s identity in words', () => {
  const identity: Fields = {
    key: 'checkout',
    type: 'boolean',
    description: '',
    tags: [],
    owner: null,
    temporary: false,
    initial: flag({ enabled: false }),
    archived: null,
  }
  const expiresAt = '2027-01-01T00:00:00.000Z'
  tells('identity', [
    [null, identity, 'created, boolean'],
    [
      null,
      { ...identity, temporary: true, owner: 'web team' },
      'created, boolean, temporary, owned by "web team"',
    ],
    [null, 5, 'created, none'],
    [identity, null, 'deleted'],
    [identity, { ...identity, deleted: true }, 'deleted, its key stays reserved'],
    [identity, { ...identity, deleted: 'yes' }, 'deleted changed'],
    [
      identity,
      { ...identity, archived: { at: expiresAt, by: 'Anna', configurations: {} } },
      'archived by Anna',
    ],
    [identity, { ...identity, archived: {} }, 'archived'],
    [{ ...identity, archived: {} }, identity, 'unarchived'],
    [identity, { ...identity, description: 'new' }, 'description is now "new"'],
    [
      { ...identity, description: 'old' },
      { ...identity, description: 'new' },
      'description is now "new" (was "old")',
    ],
    [{ ...identity, description: 'old' }, identity, 'description removed (was "old")'],
    [identity, { ...identity, description: 5 }, 'description changed'],
    [
      { ...identity, tags: ['a', 'b'] },
      { ...identity, tags: ['b', 'c', 'two words'] },
      'tags: c and "two words" added, a removed',
    ],
    [{ ...identity, tags: ['a', 'b'] }, { ...identity, tags: ['b', 'a'] }, 'tags changed'],
    [identity, { ...identity, tags: 'a' }, 'tags changed'],
    [identity, { ...identity, owner: 'web' }, 'owner is now "web" (was nobody)'],
    [{ ...identity, owner: 'web' }, identity, 'owner is now nobody (was "web")'],
    [identity, { ...identity, temporary: true, expiresAt }, 'now temporary', 'expires 2027-01-01T00:00:00Z'],
    [
      { ...identity, temporary: true, expiresAt },
      identity,
      'now permanent',
      'no longer expires (was to expire 2027-01-01T00:00:00Z)',
    ],
    [
      { ...identity, expiresAt },
      { ...identity, expiresAt: 'soon' },
      'expires "soon" (was 2027-01-01T00:00:00Z)',
    ],
    [identity, { ...identity, initial: flag() }, 'in new environments: enabled'],
    [identity, { ...identity, initial: [] }, 'initial changed'],
  ])
})

describe('projects and environments in words', () => {
  tells('project', [
    [null, { id: 'prj_1', key: 'shop', name: 'shop' }, 'created'],
    [null, { id: 'prj_1', key: 'shop', name: 'Web shop' }, 'created, named "Web shop"'],
    [null, {}, 'created'],
    [{ name: 'Shop' }, null, 'deleted'],
    [{ name: 'Shop' }, { name: 'Web shop' }, 'renamed from "Shop" to "Web shop"'],
  ])
  const settings: Fields = { corsOrigins: ['http://localhost:*'], requireComment: false, confirmBulk: false }
  const set = (more: Fields): Json => ({ settings: { ...settings, ...more } })
  tells('environment', [
    [null, { key: 'eu', name: 'Europe' }, 'created, named "Europe"'],
    [{ key: 'eu' }, null, 'deleted'],
    [{ name: 'EU' }, { name: 'Europe' }, 'renamed from "EU" to "Europe"'],
    [
      set({}),
      set({ requireComment: true, confirmBulk: true }),
      'changes now need a comment',
      'bulk changes now need to be confirmed',
    ],
    [
      set({ requireComment: true, confirmBulk: true }),
      set({}),
      'changes no longer need a comment',
      'bulk changes no longer need to be confirmed',
    ],
    [
      set({}),
      set({ corsOrigins: ['https://shop.example'] }),
      'CORS origins: https://shop.example added, http://localhost:* removed',
    ],
    [set({}), set({ later: 1 }), 'later changed in the settings'],
    [set({}), { settings: 1 }, 'settings changed'],
    [{ id: 'env_1' }, { id: 'env_2' }, 'id changed'],
  ])
})

describe('keys in words', () => {
  const expiresAt = '2027-01-01T00:00:00.000Z'
  const sdkKey: Fields = { id: 'k1', kind: 'server', environment: 'env_1', name: 'web', digest: DIGEST }
  tells('sdk-key', [
    [null, sdkKey, 'server key "web" created'],
    [
      null,
      { ...sdkKey, kind: 'client', expiresAt },
      'client key "web" created, expires 2027-01-01T00:00:00Z',
    ],
    [sdkKey, null, 'server key "web" revoked'],
    [
      null,
      { ...sdkKey, replaces: 'k0', expiresAt },
      'server key "web" created in place of key k0, expires 2027-01-01T00:00:00Z',
    ],
    [
      sdkKey,
      { ...sdkKey, replacedBy: 'k2', expiresAt },
      'server key "web" expires 2027-01-01T00:00:00Z',
      'server key "web" is replaced by key k2',
    ],
    [{ ...sdkKey, replacedBy: 'k2' }, sdkKey, 'server key "web" replacedBy changed'],
    [null, DIGEST, 'SDK key created'],
    [sdkKey, { ...sdkKey, expiresAt }, 'server key "web" expires 2027-01-01T00:00:00Z'],
    [sdkKey, { ...sdkKey, name: 'shop' }, 'server key "shop" renamed from "web" to "shop"'],
    [sdkKey, { ...sdkKey, digest: 'b'.repeat(64) }, 'server key "web" has another secret'],
  ])
  const apiKey: Fields = { id: 'k1', name: 'ci', digest: DIGEST, grants: [{ role: 'admin' }] }
  const granted = (...grants: Json[]): Json => ({ ...apiKey, grants })
  tells('api-key', [
    [null, apiKey, 'management key "ci" created: admin everywhere'],
    [
      null,
      granted({ role: 'editor', environments: ['shop/production', 'odd one/x'] }),
      'management key "ci" created: editor in shop/production and "odd one"/x',
    ],
    [
      null,
      granted(
        { role: 'viewer', projects: ['a', 'b'] },
        { role: 'killer', projects: ['a'], environments: ['a/eu'] },
      ),
      'management key "ci" created: viewer in projects a and b and killer in a/eu within project a',
    ],
    [null, { name: 'ci' }, 'management key "ci" created: without a role'],
    [apiKey, null, 'management key "ci" revoked'],
    [
      apiKey,
      granted({ role: 'viewer' }),
      'management key "ci" is now viewer everywhere (was admin everywhere)',
    ],
    [null, granted('root', { role: 5 }), 'management key "ci" created: none everywhere and 5 everywhere'],
  ])
})

describe('documents of a kind that is not known', () => {
  tells('later', [
    [null, null],
    [null, 1, 'created'],
    [1, null, 'deleted'],
    [1, 2, 'changed'],
    [{ a: 1, b: 2 }, { a: 1, b: 3 }, 'b changed'],
    [
      { a: 1, b: 2 },
      { b: 2, a: 1 },
    ],
  ])
})

describe('the summary of a commit', () => {
  const enabled = (key: string): DocumentChange => ({
    kind: 'flag',
    key,
    before: flag({ enabled: false }),
    after: flag(),
  })
  const chunk = (key: string, ...included: string[]): DocumentChange => ({
    kind: 'members',
    key,
    before: null,
    after: { included, excluded: [] },
  })

  it('of one document does not name it', () => {
    expect(summaryOf([enabled('checkout')])).toEqual(['enabled'])
    expect(summaryOf([])).toEqual([])
  })

  it('of several names each, and folds the chunks of members', () => {
    expect(
      summaryOf([
        enabled('checkout'),
        chunk('beta/00', 'a'),
        { kind: 'kill', key: 'search', before: null, after: { id: 'k', by: 'ops' } },
        chunk('beta/7f', 'b', 'c'),
        chunk('odd/name/01', 'd'),
        { kind: 'sdk-key', key: 'k1', before: { kind: 'server', name: 'web', digest: DIGEST }, after: null },
        { kind: 'later', key: 'x y', before: null, after: 1 },
        { kind: 'flag', key: 'same', before: flag(), after: flag() },
      ]),
    ).toEqual([
      'flag checkout: enabled',
      'segment beta: 3 members included',
      'flag search: killed by ops',
      'segment "odd/name": 1 member included',
      'server key "web" revoked',
      'later "x y": created',
    ])
  })

  it('of one segment and its members is of one thing', () => {
    expect(
      summaryOf([
        { kind: 'segment', key: 'beta', before: null, after: { by: 'targetingKey', when: null } },
        chunk('beta/00', 'a'),
      ]),
    ).toEqual(['created: members alone', '1 member included'])
  })

  it('of very many counts what does not fit', () => {
    const many = Array.from({ length: 60 }, (_, index) => enabled(`f${index}`))
    expect(summaryOf(many)).toHaveLength(50)
    expect(summaryOf(many).at(-1)).toBe('and 11 more')
    expect(summaryOf(many, 2)).toEqual(['flag f0: enabled', 'and 59 more'])
  })
})
