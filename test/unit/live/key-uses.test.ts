import { describe, expect, it } from 'vitest'
import { mintKey } from '../../../server/domain/keys.ts'
import { NAME_CHARACTERS } from '../../../server/live/caller.ts'
import { createConditions } from '../../../server/live/conditions.ts'
import { createKeyUses, KEYS_KEPT, USES_KEPT } from '../../../server/live/key-uses.ts'
import type { KeyUse } from '../../../server/store/store.ts'
import { Clock } from './support.ts'

/** Uses over a store that keeps what it is given, as one row each. */
function house() {
  const clock = new Clock(1_000)
  const logged: string[] = []
  const note = (_fields: object, message: string) => logged.push(message)
  const state = {
    answers: true,
    fails: false,
    saved: [] as KeyUse[][],
    pruned: [] as number[][],
    late: false,
  }
  const rows = new Map<string, KeyUse>()
  const nameOf = ({ key, app, version, sdk }: KeyUse) => JSON.stringify([key, app, version, sdk])
  const uses = createKeyUses({
    store: {
      async saveKeyUses(list) {
        if (state.fails) throw new Error('down')
        state.saved.push([...list])
        for (const use of list) rows.set(nameOf(use), use)
      },
      async keyUses(keys) {
        if (state.fails) throw new Error('down')
        if (state.late) await new Promise(() => undefined)
        return [...rows.values()].filter(({ key }) => keys.includes(key))
      },
      async pruneKeyUses(before, mostEach) {
        state.pruned.push([before, mostEach])
      },
    },
    clock,
    conditions: createConditions({ info: note, warn: note, error: note }),
    storeAnswers: () => state.answers,
  })
  const of = async (key: string) => (await uses.of([key])).uses.get(key) ?? []
  return { uses, clock, state, rows, logged, of }
}

describe('the uses of keys', () => {
  it('are told by app, version and SDK, each at its newest time, newest first', async () => {
    const { uses, clock, of } = house()
    uses.note('k1', 'shop/1.0.0', 'node/0.1.0')
    clock.time = 2_000
    uses.note('k1', 'till/7', undefined)
    clock.time = 3_000
    uses.note('k1', 'shop/1.0.0', 'node/0.1.0')
    uses.note('k2', undefined, undefined)
    expect(await of('k1')).toEqual([
      { key: 'k1', app: 'shop', version: '1.0.0', sdk: 'node/0.1.0', at: 3_000 },
      { key: 'k1', app: 'till', version: '7', sdk: '', at: 2_000 },
    ])
    expect(await of('k2')).toEqual([{ key: 'k2', app: '', version: '', sdk: '', at: 3_000 }])
    expect(await of('k3')).toEqual([])
  })

  it.each<[string, string, Partial<KeyUse>]>([
    [
      'percent-encoded names, as our SDKs send them',
      'shop%20%26%2Fco/2%2B1',
      { app: 'shop &/co', version: '2+1' },
    ],
    ['names without a version', 'shop', { app: 'shop', version: '' }],
    ['more slashes than one', 'shop/a/b', { app: 'shop', version: 'a/b' }],
    ['a percent that encodes nothing', '100%/1%zz', { app: '100%', version: '1%zz' }],
    ['UTF-8 that was not encoded', Buffer.from('läden/1').toString('latin1'), { app: 'läden', version: '1' }],
    [
      'control characters and marks that turn text round',
      'a%00b%0Ac%E2%80%AEd/1%7F',
      { app: 'abcd', version: '1' },
    ],
    ['nothing but those', '%00/%0A', { app: '', version: '' }],
    [
      'half a surrogate pair, at the cut',
      `${'x'.repeat(NAME_CHARACTERS - 1)}%F0%9F%A6%80/1`,
      { app: 'x'.repeat(NAME_CHARACTERS - 1) },
    ],
    [
      'names of any length',
      `${'n'.repeat(300)}/${'v'.repeat(9_000)}`,
      { app: 'n'.repeat(NAME_CHARACTERS), version: 'v'.repeat(NAME_CHARACTERS) },
    ],
  ])('take %s', async (_what, header, expected) => {
    const { uses, of } = house()
    for (let time = 0; time < 2; time++) uses.note('k1', header, header)
    expect(await of('k1')).toEqual([expect.objectContaining(expected)])
  })

  it('name no key, where one was sent in the wrong header', async () => {
    const { uses, of } = house()
    const secret = mintKey('server', new Uint8Array(32).fill(3), 'k1')
    uses.note('k1', `shop%20${encodeURIComponent(secret)}/${secret}`, secret)
    expect(await of('k1')).toEqual([expect.objectContaining({ app: '', version: '', sdk: '' })])
  })

  it('show ten of a key', async () => {
    const { uses, clock, of } = house()
    for (let version = 0; version < 15; version++) {
      clock.time++
      uses.note('k1', `shop/${version}`, undefined)
    }
    const versions = (await of('k1')).map(({ version }) => version)
    expect(versions).toEqual(['14', '13', '12', '11', '10', '9', '8', '7', '6', '5'])
  })

  it('are bounded, however many names a caller invents: the quietest are let go, but no open stream', async () => {
    const { uses, clock, state, of } = house()
    const ended = uses.opened('k1', 'stream/1', undefined)
    for (let version = 0; version < 10 * USES_KEPT; version++) {
      clock.time++
      uses.note('k1', `made-up/${version}`, undefined)
      uses.note('k1', 'shop/1', undefined)
    }
    await uses.save()
    expect(state.saved.flat()).toHaveLength(USES_KEPT)
    expect((await of('k1')).map(({ app }) => app)).toEqual(
      expect.arrayContaining(['stream', 'shop', 'made-up']),
    )
    ended()
  })

  it('are noted again of a caller that had been let go', async () => {
    const { uses, clock, of } = house()
    uses.note('k1', 'shop/1', undefined)
    for (let version = 0; version < USES_KEPT; version++) {
      clock.time++
      uses.note('k1', `other/${version}`, 'long'.repeat(1_000))
    }
    clock.time++
    uses.note('k1', 'shop/1', undefined)
    expect((await of('k1'))[0]).toMatchObject({ app: 'shop', at: clock.time })
  })

  it('are kept of a bounded number of keys', async () => {
    const { uses, state } = house()
    for (let key = 0; key < KEYS_KEPT + 5; key++) uses.note(`k${key}`, undefined, undefined)
    await uses.save()
    expect(state.saved.flat()).toHaveLength(KEYS_KEPT)
    expect(Math.max(...state.saved.map((list) => list.length))).toBeLessThanOrEqual(1_000)
  })
})

describe('an open stream', () => {
  it('is a use until it ends', async () => {
    const { uses, clock, of, rows } = house()
    const ended = uses.opened('k1', 'shop/1', 'node/1')
    clock.time = 60_000
    await uses.save()
    expect([...rows.values()].map(({ at }) => at)).toEqual([60_000])
    clock.time = 90_000
    expect((await of('k1'))[0]?.at).toBe(90_000)
    ended()
    clock.time = 120_000
    expect((await of('k1'))[0]?.at).toBe(90_000)
  })
})

describe('saving', () => {
  it('writes what is new since the last time, and nothing else', async () => {
    const { uses, clock, state } = house()
    uses.note('k1', 'shop/1', undefined)
    await uses.save()
    await uses.save()
    clock.time++
    uses.note('k1', 'shop/1', undefined)
    uses.note('k2', 'shop/1', undefined)
    await uses.save()
    expect(state.saved.map((list) => list.map(({ key, at }) => [key, at]))).toEqual([
      [['k1', 1_000]],
      [
        ['k1', 1_001],
        ['k2', 1_001],
      ],
    ])
  })

  it('keeps what could not be saved for the next time, and says so once', async () => {
    const { uses, state, logged } = house()
    state.fails = true
    uses.note('k1', 'shop/1', undefined)
    await uses.save()
    await uses.save()
    expect(logged).toEqual(['they could not be saved; they are kept here and saved later'])
    state.fails = false
    await uses.save()
    expect(state.saved).toEqual([[expect.objectContaining({ key: 'k1' })]])
    expect(logged).toHaveLength(2)
  })

  it('does not even ask a store that is known not to answer', async () => {
    const { uses, state } = house()
    state.answers = false
    uses.note('k1', undefined, undefined)
    await uses.save()
    expect([state.saved, state.pruned]).toEqual([[], []])
  })

  it('prunes now and then: ninety days, and the newest of each key', async () => {
    const { uses, clock, state } = house()
    clock.time = 100 * 86_400_000
    for (let time = 0; time < 21; time++) await uses.save()
    expect(state.pruned).toEqual([
      [10 * 86_400_000, USES_KEPT],
      [10 * 86_400_000, USES_KEPT],
    ])
  })
})

describe('what is shown', () => {
  const elsewhere = (at: number, version = '1'): KeyUse => ({ key: 'k1', app: 'shop', version, sdk: '', at })

  it('is what every instance has seen', async () => {
    const { uses, rows, clock } = house()
    rows.set('a', elsewhere(900)).set('b', elsewhere(500, '2'))
    uses.note('k1', 'shop/2', undefined)
    const { complete, uses: shown } = await uses.of(['k1', 'k2'])
    expect([complete, [...shown.keys()]]).toEqual([true, ['k1']])
    expect(shown.get('k1')).toEqual([elsewhere(clock.time, '2'), elsewhere(900)])
  })

  it.each<[string, (state: ReturnType<typeof house>['state']) => void]>([
    [
      'fails',
      (state) => {
        state.fails = true
      },
    ],
    [
      'does not answer in time',
      (state) => {
        state.late = true
      },
    ],
    [
      'is known not to answer',
      (state) => {
        state.answers = false
      },
    ],
  ])('is what this instance has seen where the store %s, and says so', async (_what, goAway) => {
    const { uses, rows, state } = house()
    rows.set('a', elsewhere(2_000, 'elsewhere'))
    uses.note('k1', 'shop/1', undefined)
    goAway(state)
    const { complete, uses: shown } = await uses.of(['k1'])
    expect([complete, shown.get('k1')]).toEqual([false, [elsewhere(1_000)]])
  })

  it('asks nobody where there is nothing to show', async () => {
    const { uses, state } = house()
    state.answers = false
    expect(await uses.of([])).toEqual({ complete: true, uses: new Map() })
  })
})
