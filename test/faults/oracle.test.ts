/** An oracle that finds nothing proves nothing: each kind of lie, told to it, must be found. */
import type { Json } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import type { Outcome } from './rig/apps.ts'
import type { RemoteOutcome } from './rig/evaluations.ts'
import { type ChangeRecord, historyOf, type Row } from './rig/history.ts'
import { judge, type Seen } from './rig/oracle.ts'
import type { Write } from './rig/writer.ts'

const EPOCH = 1_700_000_000
const numbered = (current: number): string =>
  JSON.stringify({
    type: 'number',
    enabled: true,
    visibility: 'server',
    variants: { current, off: -1 },
    offVariant: 'off',
    prerequisites: [],
    targets: [],
    rules: [],
    fallthrough: { variant: 'current' },
  })
const flag = (revision: number, text: string | null): Row => ({
  kind: 'flag',
  key: 'number-0',
  revision,
  text,
})
const record = (revision: number, idempotencyKey: string | null, epoch = EPOCH): ChangeRecord => ({
  epoch,
  revision,
  action: 'flag.update',
  idempotencyKey,
})
/** Three revisions: the flag is 0, then 7, then 8. */
const HISTORY = historyOf(
  { epoch: EPOCH, revision: 3 },
  [record(1, null), record(2, 'write-7'), record(3, 'write-8')],
  [flag(1, numbered(0)), flag(2, numbered(7)), flag(3, numbered(8))],
)

const probe = { flag: 'number-0', fallback: -2, user: 0 }
const local = (revision: number, value: Json, more: Partial<Outcome> = {}): Outcome => ({
  probe,
  at: { epoch: EPOCH, revision },
  value,
  variant: 'current',
  reason: 'STATIC',
  errorCode: null,
  unserved: false,
  ...more,
})
const remote = (revision: number | null, value: Json): RemoteOutcome => ({
  flag: 'number-0',
  user: 0,
  revision,
  value,
  variant: 'current',
  reason: 'STATIC',
  errorCode: null,
  at: 0,
})
const write = (id: string, revision: number | undefined, value: number): Write => ({
  id,
  what: `value ${value}`,
  expectation: {
    kind: 'flag',
    key: 'number-0',
    holds: (definition) =>
      (definition as { variants?: { current?: number } } | null)?.variants?.current === value,
  },
  tries: [],
  ...(revision !== undefined && { acknowledged: { at: 0, epoch: EPOCH, revision, already: false } }),
})
const TRUTH: Seen = {
  local: [
    local(1, 0),
    local(2, 7),
    local(3, 8),
    local(0, -2, {
      at: { epoch: 0, revision: 0 },
      variant: null,
      reason: 'ERROR',
      errorCode: 'PROVIDER_NOT_READY',
      unserved: true,
    }),
  ],
  remote: [remote(1, 0), remote(3, 8)],
  writes: [write('write-7', 2, 7), write('write-8', 3, 8), write('never', undefined, 9)],
  wrong: [],
}
const faults = (lie: Partial<Seen>, histories = [HISTORY]) => {
  const { wrongEvaluations, lostWrites, wrong } = judge({ ...TRUTH, ...lie }, histories)
  return [...wrongEvaluations, ...lostWrites, ...wrong]
}

describe('the oracle', () => {
  it('finds nothing in the truth, and says what it looked at', () => {
    expect(faults({})).toEqual([])
    expect(judge(TRUTH, [HISTORY])).toMatchObject({
      checked: { local: 4, remote: 2, states: 3 },
      acknowledged: 2,
    })
  })

  it.each<[string, Partial<Seen>]>([
    ['an SDK that answers by an older state than it names', { local: [local(3, 7)] }],
    ['an SDK that answers the default while it holds a state', { local: [local(3, -2, { variant: null })] }],
    ['an SDK that gives another reason', { local: [local(3, 8, { reason: 'DEFAULT' })] }],
    ['an SDK that names a state that never was', { local: [local(4, 8)] }],
    [
      'an SDK that names an epoch that never was',
      { local: [local(3, 8, { at: { epoch: 5, revision: 3 } })] },
    ],
    ['an SDK without a state that does not give the default', { local: [local(0, 8, { unserved: true })] }],
    ['a server that answers by another state than it names', { remote: [remote(1, 8)] }],
    ['a server whose answer names no state', { remote: [remote(null, 8)] }],
    ['a server that names a state that never was', { remote: [remote(9, 8)] }],
    ['a write that was acknowledged and is not there', { writes: [write('write-7', 2, 6)] }],
    ['a write as a revision that is not in the history', { writes: [write('write-9', 4, 8)] }],
    ['a write that no change record tells of', { writes: [write('other', 2, 7)] }],
    ['a step back', { wrong: ['client 0 went back from 3 to 2'] }],
  ])('finds %s', (_, lie) => {
    expect(faults(lie)).not.toEqual([])
  })

  it('finds a write that was done twice, though nobody was told of the second', () => {
    const twice = historyOf(
      HISTORY.head,
      [record(1, null), record(2, 'write-7'), record(3, 'write-7')],
      [flag(1, numbered(0)), flag(2, numbered(7)), flag(3, numbered(7))],
    )
    expect(faults({ local: [], remote: [], writes: [write('write-7', 2, 7)] }, [twice])).toEqual([
      'value 7 was done 2 times',
    ])
  })

  it('finds by the ledger alone what database and evaluator agree on: a write that another one undid', () => {
    const undone = historyOf(HISTORY.head, HISTORY.records, [
      flag(1, numbered(0)),
      flag(2, numbered(7)),
      flag(3, numbered(0)),
    ])
    expect(
      faults({ local: [local(3, 0)], remote: [], writes: [write('write-7', 2, 7)] }, [undone]),
    ).toHaveLength(1)
  })

  it('keeps the histories of two epochs apart', () => {
    const restored = historyOf(
      { epoch: EPOCH + 60, revision: 3 },
      [record(1, null), record(2, 'write-7'), record(3, null, EPOCH + 60)],
      [flag(1, numbered(0)), flag(2, numbered(7)), flag(3, numbered(1))],
    )
    const both = [restored, HISTORY]
    const after = local(3, 1, { at: { epoch: EPOCH + 60, revision: 3 } })
    expect(faults({ local: [local(3, 8), after] }, both)).toEqual([])
    expect(faults({ local: [local(3, 1)] }, both)).not.toEqual([])
  })

  describe('of a kill that is kept before the log has it', () => {
    const dead = { value: -1, variant: 'off', reason: 'DISABLED' }
    const kill = (more: Partial<Write['acknowledged']> = {}): Write => ({
      id: 'kill-1',
      what: 'kill number-0',
      expectation: { kind: 'kill', key: 'number-0', holds: (definition) => definition !== null },
      tries: [],
      acknowledged: { at: 0, epoch: EPOCH, revision: 2, already: false, journaled: true, ...more },
    })
    const settled = historyOf(
      HISTORY.head,
      [record(1, null), record(2, 'write-7'), record(3, 'kill-1')],
      [
        flag(1, numbered(0)),
        flag(2, numbered(7)),
        { kind: 'kill', key: 'number-0', revision: 3, text: '{}' },
      ],
    )
    const of = (outcome: Outcome, writes: readonly Write[], histories = [settled]) =>
      faults({ local: [outcome], remote: [], writes }, histories)

    it('takes both for true, until the log has it', () => {
      for (const outcome of [local(2, 7), local(2, -1, dead), local(3, -1, dead)])
        expect(of(outcome, [kill()])).toEqual([])
      expect(of(local(3, 7), [kill()])).toHaveLength(1)
    })

    it('takes both for true, until the log of a newer epoch has it at a lower revision', () => {
      const NEWER = EPOCH + 60
      const restored = historyOf(
        { epoch: NEWER, revision: 3 },
        [record(1, null), record(2, null, NEWER), record(3, 'kill-1', NEWER)],
        [flag(1, numbered(0)), { kind: 'kill', key: 'number-0', revision: 3, text: '{}' }],
      )
      const before = historyOf(
        { epoch: EPOCH, revision: 9 },
        [record(1, null), record(2, 'write-7'), record(9, null)],
        [flag(1, numbered(0)), flag(2, numbered(7))],
      )
      const kept = kill({ revision: 9 })
      const newer = (revision: number) => ({ at: { epoch: NEWER, revision } })
      const found = (outcome: Outcome) => of(outcome, [kept], [restored, before])
      for (const outcome of [local(9, 7), local(9, -1, dead), local(2, 0, newer(2))])
        expect(found(outcome)).toEqual([])
      for (const revision of [2, 3]) expect(found(local(0, -1, { ...dead, ...newer(revision) }))).toEqual([])
      expect(found(local(3, 0, newer(3)))).toHaveLength(1)
    })

    it('finds a flag that is off where nobody killed it', () => {
      expect(of(local(2, -1, dead), [])).toHaveLength(1)
      expect(of(local(2, -1, dead), [kill({ journaled: false, revision: 3 })])).toHaveLength(1)
    })

    it('finds one that never came into the log', () => {
      expect(of(local(1, 0), [kill()], [HISTORY])).toEqual([
        'kill number-0, kept before the log had it, never came there',
      ])
    })
  })
})
