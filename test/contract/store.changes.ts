/** The store's contract: pages of change records, by every condition, as a plain filter of all of them would give. */
import { expect, it } from 'vitest'
import type { Actor, EntryEdit, LogId } from '../../server/domain/change.ts'
import type { Changes, ChangesQuery, RecordedChange, Store } from '../../server/store/store.ts'
import { ANN, flag, NOW, openEnvironment, type Subject } from './store.support.ts'

const BOB: Actor = { kind: 'api-key', id: 'key_bob', name: 'Bob' }
const SECOND_BOB: Actor = { kind: 'api-key', id: 'key_bob_2', name: 'Bob' }
const ALL = { documents: 100, bytesEach: 1_000_000, bytes: 1_000_000 }

type Made = {
  readonly revision: number
  readonly actor: Actor
  readonly action: string
  readonly at: number
  readonly documents: readonly (readonly [kind: string, key: string])[]
}

const put = (kind: string, key: string, n: number): EntryEdit => ({ kind, key, definition: { n } })

/** A log of every sort of change, and what was done, from revision 1 on. */
async function busyLog({ store, clock }: Subject, count: number): Promise<{ log: LogId; made: Made[] }> {
  const log = await openEnvironment(store)
  const made: Made[] = [{ revision: 1, actor: ANN, action: 'test.open', at: NOW, documents: [] }]
  const commit = async (actor: Actor, action: string, edits: readonly EntryEdit[]) => {
    clock.now = () => NOW + made.length * 1_000
    await store.commit({
      scope: { path: [log] },
      actor,
      edit: () => ({ action, edits: new Map([[log, edits]]), warnings: [], result: undefined }),
    })
    made.push({
      revision: made.length + 1,
      actor,
      action,
      at: clock.now(),
      documents: edits.map(({ kind, key }) => [kind, key]),
    })
  }
  for (let n = 1; n < count; n++) {
    const actor = n % 7 === 0 ? BOB : n % 11 === 0 ? SECOND_BOB : ANN
    if (n % 13 === 0) await commit(actor, 'flag.kill', [put('kill', `f${n % 3}`, n)])
    else if (n % 17 === 0) await commit(actor, 'segment.put', [put('segment', 'f1', n)])
    else if (n % 19 === 0)
      await commit(actor, 'segment.members', [put('members', 'f1/0a', n), put('members', 'f1/ff', n)])
    else if (n % 23 === 0)
      await commit(actor, 'flagship.put', [put('flag', 'f1.more', n), put('flag', 'f1', n)])
    else await commit(actor, n % 2 === 0 ? 'flag.enable' : 'flag.put', [put('flag', `f${n % 4}`, n)])
  }
  clock.now = () => NOW
  return { log, made }
}

function matches(
  query: Omit<ChangesQuery, 'limit'>,
  { revision, actor, action, at, documents }: Made,
): boolean {
  const {
    before = Number.POSITIVE_INFINITY,
    flag,
    segment,
    kind,
    key,
    since = 0,
    until = Number.POSITIVE_INFINITY,
  } = query
  const names = (name: string) =>
    documents.some(
      ([itsKind, itsKey]) =>
        (name === itsKey || (itsKind === 'members' && itsKey.startsWith(`${name}/`))) &&
        (kind === undefined || kind === itsKind) &&
        (flag === undefined || ['flag', 'kill', 'identity'].includes(itsKind)) &&
        (segment === undefined || ['segment', 'members'].includes(itsKind)),
    )
  return (
    revision < before &&
    at >= since &&
    at <= until &&
    [flag, segment, key].every((name) => name === undefined || names(name)) &&
    (kind === undefined || documents.some(([itsKind]) => itsKind === kind)) &&
    (query.actor === undefined || query.actor === actor.id || query.actor === actor.name) &&
    (query.action === undefined || `${action}.`.startsWith(`${query.action}.`))
  )
}

/** Every page of a question, one after another. */
async function* pagesOf(store: Store, log: LogId, query: ChangesQuery): AsyncIterable<Changes> {
  let before = query.before
  for (;;) {
    const page = await store.changes(log, { ...query, before })
    yield page
    if (page.next === null) return
    before = page.next
  }
}
async function all(store: Store, log: LogId, query: ChangesQuery): Promise<RecordedChange[]> {
  const records: RecordedChange[] = []
  for await (const page of pagesOf(store, log, query)) {
    expect(page.records.length).toBeLessThanOrEqual(query.limit)
    records.push(...page.records)
  }
  return records
}

const QUESTIONS: readonly Omit<ChangesQuery, 'limit'>[] = [
  {},
  { before: 40 },
  { before: 0 },
  { flag: 'f1' },
  { flag: 'nowhere' },
  { flag: 'f1', kind: 'kill' },
  { flag: 'f1', key: 'f1' },
  { flag: 'f1', key: 'f2' },
  { segment: 'f1' },
  { segment: 'f1', kind: 'members' },
  { kind: 'kill' },
  { kind: 'members' },
  { kind: 'members', key: 'f1' },
  { kind: 'members', key: 'f1/ff' },
  { kind: 'nothing' },
  { key: 'f1' },
  { actor: 'ann' },
  { actor: 'key_bob_2' },
  { actor: 'Bob' },
  { actor: 'nobody' },
  { action: 'flag' },
  { action: 'flag.kill' },
  { action: 'fla' },
  { action: 'flagship' },
  { since: NOW + 30_000 },
  { until: NOW + 30_000 },
  { since: NOW + 30_001, until: NOW + 59_999 },
  { since: NOW + 10_000_000 },
  { until: NOW - 1 },
  { since: NOW + 60_000, until: NOW + 30_000 },
  { flag: 'f1', actor: 'Bob' },
  { flag: 'f1', action: 'flag.kill', since: NOW + 20_000 },
  { segment: 'f1', actor: 'ann', until: NOW + 100_000 },
  { kind: 'flag', actor: 'key_bob' },
  { kind: 'kill', action: 'flag', actor: 'Bob' },
  { actor: 'Bob', action: 'segment' },
  { actor: 'ann', action: 'flag.kill', flag: 'f0' },
]

export function changes(subject: () => Subject): void {
  it('are those that a filter of all of them finds, newest first, on pages of any size', async () => {
    const { store } = subject()
    const { log, made } = await busyLog(subject(), 150)
    for (const question of QUESTIONS) {
      const expected = made
        .filter((one) => matches(question, one))
        .map(({ revision }) => revision)
        .reverse()
      for (const limit of [1, 7, 1_000]) {
        if (limit === 1 && expected.length > 40) continue
        const found = (await all(store, log, { ...question, limit })).map(({ revision }) => revision)
        expect([question, found]).toEqual([question, expected])
      }
    }
  })

  it('say who did what, why and when, with the texts before and after, and the head of the log', async () => {
    const { store, clock, rows } = subject()
    const log = await openEnvironment(store)
    const commit = (...edits: EntryEdit[]) =>
      store.commit({
        scope: { path: [log] },
        actor: BOB,
        comment: 'because',
        edit: () => ({ action: 'flag.put', edits: new Map([[log, edits]]), warnings: [], result: undefined }),
      })
    await commit(flag('a', 1))
    await commit(flag('a', null), flag('b', 'new'))
    clock.now = () => NOW + 1_000
    await commit(flag('a', 2))
    clock.now = () => NOW
    const { head, records, next } = await store.changes(log, { limit: 2, texts: ALL })
    const [row] = await rows<{ epoch: string; head_hash: string }>(
      `SELECT * FROM halyard.logs WHERE id = '${log}'`,
    )
    expect(head).toEqual({ epoch: Number(row?.epoch), revision: 4, hash: row?.head_hash })
    expect(next).toBe(3)
    const absent = { is: 'absent' }
    const kept = (definition: unknown) => ({ is: 'kept', definition, redacted: false })
    expect(records).toMatchObject([
      {
        revision: 4,
        actor: BOB,
        action: 'flag.put',
        comment: 'because',
        at: NOW + 1_000,
        hash: row?.head_hash,
        documents: [{ kind: 'flag', key: 'a', before: absent, after: kept(2) }],
        documentsLeftOff: 0,
      },
      {
        revision: 3,
        at: NOW,
        documents: [
          { kind: 'flag', key: 'a', before: kept(1), after: absent },
          { kind: 'flag', key: 'b', before: absent, after: kept('new') },
        ],
      },
    ])
    expect(records[0]?.previousHash).toBe(records[1]?.hash)
    const without = await store.changes(log, { limit: 2 })
    expect(without.records.map(({ documents }) => documents)).toEqual([[], []])
  })

  it('tell a text that was redacted from one that was not kept', async () => {
    const { store, rows } = subject()
    const log = await openEnvironment(store)
    for (const n of [1, 2, 3])
      await store.commit({
        scope: { path: [log] },
        actor: ANN,
        edit: () => ({
          action: 'flag.put',
          edits: new Map([[log, [flag('a', n)]]]),
          warnings: [],
          result: undefined,
        }),
      })
    await rows(`UPDATE halyard.entries SET text = NULL WHERE log_id = '${log}' AND revision = 2 RETURNING 1`)
    await rows(
      `UPDATE halyard.entries SET text = '"gone"', redacted_digest = 'x' WHERE log_id = '${log}' AND revision = 3 RETURNING 1`,
    )
    const { records } = await store.changes(log, { limit: 3, texts: ALL })
    const dropped = { is: 'dropped' }
    const redacted = { is: 'kept', definition: 'gone', redacted: true }
    expect(records.map(({ documents }) => documents[0])).toMatchObject([
      { before: redacted, after: { is: 'kept', definition: 3 } },
      { before: dropped, after: redacted },
      { before: { is: 'absent' }, after: dropped },
    ])
  })

  it('leave off what is too large or too much, members of a segment together, and count it', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    const large = 'x'.repeat(1_000)
    const members = (chunk: string): EntryEdit => ({
      kind: 'members',
      key: `s/${chunk}`,
      definition: { included: [large], excluded: [] },
    })
    await store.commit({
      scope: { path: [log] },
      actor: ANN,
      edit: () => ({
        action: 'test.put',
        edits: new Map([
          [log, [flag('a', 1), flag('b', large), flag('c', 3), members('00'), members('01'), members('02')]],
        ]),
        warnings: [],
        result: undefined,
      }),
    })
    const of = async (texts: ChangesQuery['texts']) => {
      const { records } = await store.changes(log, { limit: 1, texts })
      return [
        ...records[0]!.documents.map(({ key, after }) => `${key} ${after.is}`),
        records[0]!.documentsLeftOff,
      ]
    }
    const kept = ['a kept', 'b kept', 'c kept', 's/00 kept', 's/01 kept', 's/02 kept']
    const off = (...keys: string[]) =>
      kept.map((one) => (keys.some((key) => one.startsWith(key)) ? one.replace('kept', 'left-off') : one))
    expect(await of(ALL)).toEqual([...kept, 0])
    expect(await of({ ...ALL, bytesEach: 500 })).toEqual([...off('b', 's'), 0])
    expect(await of({ ...ALL, bytesEach: 2_000 })).toEqual([...off('s'), 0])
    expect(await of({ ...ALL, bytes: 10 })).toEqual([...off('b', 'c', 's'), 0])
    expect(await of({ ...ALL, documents: 2 })).toEqual([...kept.slice(0, 2), 2])
  })

  it('have no head but that of a log', async () => {
    await expect(subject().store.changes('env_nowhere', { limit: 1 })).rejects.toThrow('no log env_nowhere')
  })
}
