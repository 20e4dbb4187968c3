/** The store's contract: the log is append-only, tells who did what, and shows tampering. */
import { createHash } from 'node:crypto'
import { memberChunk } from '@halyard/sdk/core'
import canonicalize from 'canonicalize'
import { expect, it } from 'vitest'
import { ANN, edit, flag, loadOne, NOW, openEnvironment, type Subject, write } from './store.support.ts'

type Change = {
  readonly revision: string
  readonly epoch: string
  readonly change_id: string
  readonly actor_kind: string
  readonly actor_id: string
  readonly actor_name: string
  readonly action: string
  readonly comment: string | null
  readonly ms: string
  readonly documents: string
  readonly previous_hash: string
  readonly hash: string
}
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const canonical = canonicalize as unknown as (json: unknown) => string

export function history(subject: () => Subject): void {
  const changesOf = (log: string) =>
    subject().rows<Change>(
      `SELECT *, (extract(epoch FROM at) * 1000)::bigint::text AS ms FROM halyard.changes
       WHERE log_id = '${log}' ORDER BY revision`,
    )

  it('chains change records by hash, from the first to the head', async () => {
    const { store, rows } = subject()
    const log = await openEnvironment(store)
    await write(store, log, flag('b', 1), flag('a', { x: 'é' }), {
      kind: 'segment',
      key: 'a',
      definition: {},
    })
    await store.commit({
      scope: { path: [log] },
      actor: { kind: 'system', id: 'halyard', name: 'Halyard' },
      comment: 'spring cleaning \u{1f9f9}',
      edit: edit(log, flag('b', null)),
    })
    let previous = ''
    const changes = await changesOf(log)
    for (const change of changes) {
      const record = {
        log,
        epoch: Number(change.epoch),
        revision: Number(change.revision),
        change: change.change_id,
        actor: { kind: change.actor_kind, id: change.actor_id, name: change.actor_name },
        action: change.action,
        comment: change.comment,
        at: new Date(Number(change.ms)).toISOString(),
        documents: JSON.parse(change.documents),
        previous,
      }
      expect(change.previous_hash).toBe(previous)
      expect(change.hash).toBe(sha256(canonical(record)))
      previous = change.hash
    }
    expect(await rows(`SELECT head_hash FROM halyard.logs WHERE id = '${log}'`)).toEqual([
      { head_hash: previous },
    ])
    expect(changes.map(({ documents }) => JSON.parse(documents))).toEqual([
      [],
      [
        ['flag', 'a', sha256('{"x":"é"}')],
        ['flag', 'b', sha256('1')],
        ['segment', 'a', sha256('{}')],
      ],
      [['flag', 'b', null]],
    ])
    expect(changes[2]).toMatchObject({
      comment: 'spring cleaning \u{1f9f9}',
      actor_id: 'halyard',
      ms: String(NOW),
    })
  })

  it('logs the newest record of each log that a transaction writes to, and nothing for what changes nothing', async () => {
    const { store, logged } = subject()
    const seen = logged.length
    const log = await openEnvironment(store)
    await Promise.all([
      write(store, log, flag('a', 1)),
      write(store, log, flag('a', 2)),
      write(store, log, flag('a', 2)),
    ])
    await write(store, log, flag('a', 2))
    await store.commit({ scope: { path: [log] }, actor: ANN, edit: edit(log, flag('a', 3)), dryRun: true })
    const heads = logged.slice(seen).filter(({ detail }) => 'log' in detail && detail.log === log)
    const changes = await changesOf(log)
    const told = (index: number) => {
      const { revision, epoch, hash } = changes[index]!
      const names = { log, project: 'shop', environment: 'production' }
      return {
        message: 'committed',
        detail: { ...names, epoch: Number(epoch), revision: Number(revision), hash },
      }
    }
    // The edits of one moment went in one transaction, which tells its last.
    expect(heads).toEqual([told(0), told(2)])
  })

  it('closes old versions and keeps them: any revision can be read again', async () => {
    const { store, rows } = subject()
    const log = await openEnvironment(store)
    const states: unknown[] = []
    for (const value of [1, 2, null, 3]) {
      await write(store, log, flag('a', value), flag('steady', 'same'))
      const { state } = await loadOne(store, log)
      states.push(Object.fromEntries([...state.entries.get('flag')!].map(([key, e]) => [key, e.definition])))
    }
    for (const [index, state] of states.entries()) {
      const at = index + 2
      const then = await rows<{ key: string; text: string }>(
        `SELECT key, text FROM halyard.entries WHERE log_id = '${log}' AND revision <= ${at}
           AND (superseded_at_revision IS NULL OR superseded_at_revision > ${at}) AND digest IS NOT NULL`,
      )
      expect(Object.fromEntries(then.map(({ key, text }) => [key, JSON.parse(text)]))).toEqual(state)
    }
  })

  it('keeps texts out of change records, so that they can be erased with the chain whole', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    await write(store, log, flag('a', { email: 'canary@example.org' }))
    expect(JSON.stringify(await changesOf(log))).not.toContain('canary')
  })

  it('writes one chunk when one member of a hundred thousand changes', async () => {
    const { store, rows } = subject()
    const log = await openEnvironment(store)
    const chunks = new Map<string, string[]>()
    for (let n = 0; n < 100_000; n++) {
      const chunk = memberChunk(`user-${n}`)
      const members = chunks.get(chunk) ?? []
      members.push(`user-${n}`)
      chunks.set(chunk, members)
    }
    const chunkEdit = (chunk: string, included: readonly string[]) => ({
      kind: 'members',
      key: `beta/${chunk}`,
      definition: { included: [...included].sort(), excluded: [] },
    })
    await write(store, log, ...[...chunks].map(([chunk, members]) => chunkEdit(chunk, members)))
    const held = (await loadOne(store, log)).state
    const chunk = memberChunk('somebody-new')

    await store.commit({
      scope: { path: [log] },
      actor: ANN,
      known: () => held,
      edit: (logs) => {
        const current = logs.get(log)?.state.entries.get('members')?.get(`beta/${chunk}`)?.definition
        const { included } = current as { included: string[] }
        return edit(log, chunkEdit(chunk, [...included, 'somebody-new']))(logs, {
          now: NOW,
          actor: ANN,
          mint: () => '',
        })
      },
    })

    const written = await rows<{ key: string; size: number }>(
      `SELECT key, octet_length(text) AS size FROM halyard.entries WHERE log_id = '${log}' AND revision = 3`,
    )
    expect(written).toHaveLength(1)
    expect(written[0]!.size).toBeLessThan(10_000)
  })

  it('tells every editor a different identifier, each time', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    const { result } = await store.commit({
      scope: { path: [log] },
      actor: ANN,
      edit: (_logs, { mint, now, actor }) => {
        expect([now, actor]).toEqual([NOW, ANN])
        return {
          action: 'test.mint',
          edits: new Map(),
          warnings: [],
          result: Array.from({ length: 100 }, mint),
        }
      },
    })
    expect(new Set(result).size).toBe(100)
    for (const id of result) expect(id).toMatch(/^[a-z0-9]{20}$/)
  })
}
