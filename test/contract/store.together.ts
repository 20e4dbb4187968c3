/** The store's contract: commits that share a transaction are as good as commits that do not. */
import { expect, it } from 'vitest'
import { SYSTEM } from '../../server/domain/change.ts'
import { Problem } from '../../server/domain/problem.ts'
import type { CommitRequest } from '../../server/store/store.ts'
import {
  ANN,
  edit,
  flag,
  increment,
  loadOne,
  mint,
  openEnvironment,
  openFamily,
  type Subject,
} from './store.support.ts'

export function together(subject: () => Subject): void {
  /** All at once, so that they go together where they can. */
  const all = <R>(...requests: CommitRequest<R>[]) =>
    Promise.allSettled(requests.map((request) => subject().store.commit(request)))

  it('writes every version between, each closed by the next', async () => {
    const { store, rows } = subject()
    const log = await openEnvironment(store)
    const request = { scope: { path: [log] }, actor: ANN, edit: increment(log, 'n') }
    const answers = await all(...Array.from({ length: 10 }, () => request))
    expect(
      answers.map((answer) => answer.status === 'fulfilled' && answer.value.heads.get(log)?.revision),
    ).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    const versions = await rows<{ revision: string; next: string | null; text: string }>(
      `SELECT revision, superseded_at_revision AS next, text FROM halyard.entries WHERE log_id = '${log}' ORDER BY revision`,
    )
    expect(
      versions.map((row) => [Number(row.revision), row.next && Number(row.next), Number(row.text)]),
    ).toEqual(Array.from({ length: 10 }, (_, i) => [i + 2, i === 9 ? null : i + 3, i + 1]))
    const chain = await rows<{ previous_hash: string; hash: string; change_id: string }>(
      `SELECT previous_hash, hash, change_id FROM halyard.changes WHERE log_id = '${log}' ORDER BY revision`,
    )
    for (const [index, record] of chain.entries()) {
      expect(record.previous_hash).toBe(chain[index - 1]?.hash ?? '')
    }
    expect(new Set(chain.map((record) => record.change_id)).size).toBe(11)
  })

  it('lets a refusal, a dry run and an edit without effect touch none of the others', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    const scope = { path: [log] }
    const refusal = new Problem('flag-required', 'Another flag requires this one.')
    const answers = await all<unknown>(
      { scope, actor: ANN, edit: increment(log, 'n') },
      {
        scope,
        actor: ANN,
        edit: () => {
          throw refusal
        },
      },
      { scope, actor: ANN, edit: increment(log, 'n'), dryRun: true },
      { scope, actor: ANN, edit: edit(log, flag('n', 1)) },
      { scope, actor: ANN, edit: increment(log, 'n') },
    )
    expect(
      answers.map((answer) =>
        answer.status === 'rejected'
          ? answer.reason
          : [answer.value.result, answer.value.heads.get(log)?.revision],
      ),
    ).toEqual([[1, 2], refusal, [2, 2], ['done', 2], [2, 3]])
    expect((await loadOne(store, log)).revision).toBe(3)
  })

  it('does not let one request that the database chokes on fail the others', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    const request = { scope: { path: [log] }, actor: ANN, edit: increment(log, 'n') }
    const [first, poisoned, third] = await all(
      request,
      { ...request, comment: 'a NUL \u0000 that should not have come this far' },
      request,
    )
    expect(first).toMatchObject({ status: 'fulfilled', value: { result: 1 } })
    expect(poisoned?.status).toBe('rejected')
    expect(third).toMatchObject({ status: 'fulfilled', value: { result: 2 } })
  })

  it('locks anew after logs were opened or closed', async () => {
    const { store } = subject()
    const { project, environments } = await openFamily(store, 1)
    const scope = { path: [project], descendants: true }
    const id = `env_${mint()}`
    const opens: CommitRequest<number> = {
      scope,
      actor: ANN,
      edit: (logs) => ({
        action: 'test.open',
        edits: new Map(),
        opens: [{ id, kind: 'environment', parent: project, project: 'p', environment: 'e', entries: [] }],
        warnings: [],
        result: logs.size,
      }),
    }
    const closes: CommitRequest<number> = {
      scope,
      actor: ANN,
      edit: (logs) => ({
        action: 'test.close',
        edits: new Map(),
        closes: [environments[0]!],
        warnings: [],
        result: logs.size,
      }),
    }
    const counts: CommitRequest<number> = {
      scope,
      actor: ANN,
      edit: (logs) => ({ action: 'test.count', edits: new Map(), warnings: [], result: logs.size }),
    }
    const answers = await all(counts, opens, counts, closes, counts)
    expect(answers.map((answer) => answer.status === 'fulfilled' && answer.value.result)).toEqual([
      2, 2, 3, 3, 2,
    ])
  })

  it('keeps scopes apart that queue for the same log', async () => {
    const { store } = subject()
    const { project, environments } = await openFamily(store, 1)
    const log = environments[0]!
    const sees = (path: readonly string[]): CommitRequest<readonly string[]> => ({
      scope: { path },
      actor: ANN,
      edit: (logs) => ({
        action: 'test.look',
        edits: new Map([[log, [flag(`seen-${path.length}`, mint())]]]),
        warnings: [],
        result: [...logs.keys()],
      }),
    })
    const paths = [[log], [project, log], [log], [SYSTEM, project, log], [SYSTEM, project, log]]
    const answers = await all(...paths.map(sees))
    expect(answers.map((answer) => answer.status === 'fulfilled' && answer.value.result)).toEqual(paths)
  })

  it('takes large edits one at a time, with small ones in between', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    const scope = { path: [log] }
    const large = (n: number) => ({
      scope,
      actor: ANN,
      edit: edit(log, flag(`large-${n}`, 'x'.repeat(1_200_000))),
    })
    const small = (n: number) => ({ scope, actor: ANN, edit: edit(log, flag(`small-${n}`, n)) })
    const answers = await all(large(1), small(1), large(2), large(3), small(2))
    expect(
      answers.map((answer) => answer.status === 'fulfilled' && answer.value.heads.get(log)?.revision),
    ).toEqual([2, 3, 4, 5, 6])
    expect((await loadOne(store, log)).state.entries.get('flag')?.size).toBe(5)
  })
}
