import { createHmac } from 'node:crypto'
import { promisify } from 'node:util'
import { brotliCompress } from 'node:zlib'
import type { Json } from '@halyard/sdk/core'
import { emptyState } from '@halyard/sdk/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seal, unseal } from '../../../../server/live/snapshots/form.ts'
import { logOf, MARK_BYTES, markIn, markOf, nameOf } from '../../../../server/live/snapshots/shelf.ts'
import { boolean, edited, heldEnvironment, started } from '../support.ts'

const KEY = Buffer.alloc(32, 7)
const NAME = nameOf('env_1')
const environment = heldEnvironment(
  {
    ...edited(
      started({ 'flag/a': boolean(), 'kill/a': { id: 'k1', by: 'Ann', at: '2027-01-01T00:00:00Z' } }),
      {
        'flag/__proto__': boolean({ note: 'ünïcode' }),
      },
    ),
    pending: new Map([['a', [{ id: 'k2', by: 'Ann', at: '2027-01-01T00:00:00Z' }]]]),
    endedKills: new Set(['k0']),
  },
  undefined,
  1_800_000_000_123,
)
const refusal = (bytes: Buffer, { name = NAME, key = KEY } = {}) =>
  unseal(name, bytes, key).then(
    () => 'taken',
    ({ reason }: { reason: string }) => reason,
  )

describe('a snapshot', () => {
  it('gives back the log as it was: state, kills without a revision, and who wrote what', async () => {
    const { head, state, provenance } = environment
    const read = await unseal(NAME, await seal(environment, KEY), KEY)
    expect(read).toEqual({ ...head, state, provenance })
  })

  it('is of any log: the system’s, a project’s, one before its first revision', async () => {
    for (const head of [
      { log: 'system', kind: 'system', parent: null, epoch: 5, revision: 0 },
      { log: 'prj_1', kind: 'project', parent: 'system', epoch: 5, revision: 0 },
    ] as const) {
      const state = emptyState('', '', 5)
      const bytes = await seal({ head, state, provenance: new Map() }, KEY)
      expect(await unseal(nameOf(head.log), bytes, KEY)).toEqual({ ...head, state, provenance: new Map() })
    }
  })

  it('leaves out who wrote what is newer than its state', async () => {
    const by = { kind: 'system', id: 'x', name: 'x' } as const
    const provenance = new Map([...environment.provenance, [environment.state.revision + 1, { at: 1, by }]])
    const read = await unseal(NAME, await seal({ ...environment, provenance }, KEY), KEY)
    expect(read.provenance).toEqual(environment.provenance)
  })

  it('is refused whichever byte of it is changed, and however', async () => {
    const bytes = await seal(environment, KEY)
    await fc.assert(
      fc.asyncProperty(
        fc.nat(bytes.length - 1),
        fc.integer({ min: 1, max: 255 }),
        async (position, difference) => {
          const changed = Buffer.from(bytes)
          changed[position] = (changed[position] as number) ^ difference
          expect(await refusal(changed)).toBe(
            position < MARK_BYTES && markIn(changed) === '' ? 'garbage' : 'forged',
          )
        },
      ),
      { numRuns: 2_000 },
    )
  })

  it('is refused where anything of it is missing, added or taken from another', async () => {
    const bytes = await seal(environment, KEY)
    const other = await seal(heldEnvironment(started({ 'flag/b': boolean() })), KEY)
    for (let length = 0; length < bytes.length; length++) {
      expect(await refusal(bytes.subarray(0, length))).toMatch(/^(garbage|forged)$/)
    }
    expect(await refusal(Buffer.concat([bytes, Buffer.of(0)]))).toBe('forged')
    for (const cut of [MARK_BYTES, MARK_BYTES + 32]) {
      const spliced = Buffer.concat([bytes.subarray(0, cut), other.subarray(cut)])
      expect(await refusal(spliced)).toBe('forged')
    }
  })

  it('is refused where it is something else altogether', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        expect(await refusal(Buffer.from(bytes))).toBe('garbage')
      }),
    )
    expect(await refusal(Buffer.from('{"schema":1}'))).toBe('garbage')
  })

  it('is refused under another secret, under another log’s name, and under another release’s', async () => {
    const bytes = await seal(environment, KEY)
    expect(await refusal(bytes, { key: Buffer.alloc(32, 8) })).toBe('forged')
    expect(await refusal(bytes, { name: nameOf('env_2') })).toBe('misplaced')
    expect(await refusal(bytes, { name: 'env_1.v2' })).toBe('misplaced')
  })

  it('is refused where what was signed is no state, or not the one that its mark names', async () => {
    const sign = async (text: string, mark = markOf(environment.state)) => {
      const body = await promisify(brotliCompress)(Buffer.from(text))
      const signature = createHmac('sha256', KEY).update(mark).update(body).digest()
      return Buffer.concat([Buffer.from(mark), signature, body])
    }
    const { log, kind, parent } = environment.head
    const text = (ruleset: Json) => JSON.stringify({ log, kind, parent, provenance: [], ruleset })
    for (const bad of ['', 'null', '[]', '{', text({}), text({ schema: 2 })]) {
      expect(await refusal(await sign(bad))).toBe('unreadable')
    }
    const honest = await seal(environment, KEY)
    expect(await refusal(honest)).toBe('taken')
    const promoted = markOf({ epoch: 2 ** 40, revision: 1 })
    const signature = createHmac('sha256', KEY)
      .update(promoted)
      .update(honest.subarray(MARK_BYTES + 32))
    const claiming = Buffer.concat([
      Buffer.from(promoted),
      signature.digest(),
      honest.subarray(MARK_BYTES + 32),
    ])
    expect(await refusal(claiming)).toBe('misplaced')
  })
})

describe('the mark of a snapshot', () => {
  it('is what it begins with, and of the same length for every state', async () => {
    expect(markIn(await seal(environment, KEY))).toBe(markOf(environment.state))
    expect(markOf({ epoch: Number.MAX_SAFE_INTEGER, revision: Number.MAX_SAFE_INTEGER })).toHaveLength(
      MARK_BYTES,
    )
  })

  it('orders as states are ordered', () => {
    const position = fc.record({ epoch: fc.maxSafeNat(), revision: fc.maxSafeNat() })
    fc.assert(
      fc.property(position, position, (a, b) => {
        const order = a.epoch - b.epoch || a.revision - b.revision
        const [one, other] = [markOf(a), markOf(b)]
        expect(one < other ? -1 : one > other ? 1 : 0).toBe(Math.sign(order))
      }),
    )
  })

  it('goes with a name that says which log it is', () => {
    for (const log of ['system', 'prj_a1', 'env_b2']) expect(logOf(nameOf(log))).toBe(log)
    for (const name of ['system', 'system.v2', 'v1', '.v1x']) expect(logOf(name)).toBeUndefined()
  })
})
