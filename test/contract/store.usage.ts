/** The store's contract: what apps told of their evaluations, as any number of instances add to it. */
import { expect, it } from 'vitest'
import type { UsageBatch, UsageCount } from '../../server/store/store.ts'
import { mint, NOW, type Subject } from './store.support.ts'

const DAY_MS = 86_400_000
const MINUTE = Math.floor(NOW / 60_000)
const at = (minute: number): number => minute * 60_000

export function usage(subject: () => Subject): void {
  const evaluated = (over: Partial<UsageCount> = {}): UsageCount => ({
    ...{ what: 'evaluated', name: '', flag: 'checkout', variant: 'on', version: 3 },
    ...{ minute: MINUTE, count: 1, sum: 0 },
    ...over,
  })
  const batch = (log: string, ...counts: UsageCount[]): UsageBatch => ({
    ...{ log, id: crypto.randomUUID(), app: 'shop', version: '1.0.0', counts },
  })
  const all = { from: MINUTE - 60, until: MINUTE + 60, step: 120 }
  const oldest = NOW - 30 * DAY_MS
  const total = async (log: string) =>
    (await subject().store.usage(log, 'checkout', all)).sums.reduce((sum, { count }) => sum + count, 0)

  it('adds up what many save at once, each batch once, however often it is saved', async () => {
    const { store } = subject()
    await store.turnUsage(oldest)
    const log = mint()
    const batches = Array.from({ length: 20 }, (_, index) =>
      batch(log, evaluated({ count: index + 1 }), evaluated({ variant: 'off', count: 100 })),
    )
    const saved = Array.from({ length: 6 }, (_, instance) =>
      store.saveUsage(instance % 2 === 0 ? batches : batches.toReversed()),
    )
    await Promise.all(saved)
    await store.saveUsage(batches.slice(0, 3))
    const { sums } = await store.usage(log, 'checkout', all)
    expect(sums.map(({ variant, count }) => [variant, count])).toEqual([
      ['off', 2_000],
      ['on', 210],
    ])
  })

  it('lets a batch count once in each environment', async () => {
    const { store } = subject()
    const [one, other] = [mint(), mint()]
    const first = batch(one, evaluated())
    await store.saveUsage([first, { ...first, log: other }])
    expect([await total(one), await total(other)]).toEqual([1, 1])
  })

  it('answers steps of time by variant, with what was fetched and an app’s own events', async () => {
    const { store } = subject()
    const log = mint()
    await store.saveUsage([
      batch(
        log,
        evaluated({ minute: MINUTE - 60, count: 2 }),
        evaluated({ minute: MINUTE - 51, count: 3, version: 4 }),
        evaluated({ minute: MINUTE - 50, count: 5 }),
        evaluated({ minute: MINUTE - 50, count: 7, variant: '' }),
        evaluated({ minute: MINUTE - 61, count: 1_000 }),
        evaluated({ minute: MINUTE + 60, count: 1_000 }),
        evaluated({ flag: 'other', count: 1_000 }),
        evaluated({ what: 'fetched', name: 'client', flag: '', variant: '', version: 0, count: 9 }),
        evaluated({ what: 'event', name: 'purchase', count: 2, sum: 39.5 }),
      ),
      batch(log, evaluated({ what: 'event', name: 'purchase', count: 1, sum: -0.5 })),
    ])
    const { sums, apps } = await store.usage(log, 'checkout', { ...all, step: 10 })
    expect(
      sums.map(({ what, name, variant, minute, count, sum }) => [
        what,
        name,
        variant,
        minute - MINUTE,
        count,
        sum,
      ]),
    ).toEqual([
      ['evaluated', '', 'on', -60, 5, 0],
      ['evaluated', '', '', -50, 7, 0],
      ['evaluated', '', 'on', -50, 5, 0],
      ['event', 'purchase', 'on', 0, 3, 39],
      ['fetched', 'client', '', 0, 9, 0],
    ])
    expect(apps).toEqual([{ app: 'shop', version: '1.0.0', count: 17 }])
  })

  it('knows when each flag was read first and last, and by whom', async () => {
    const { store } = subject()
    const [log, quiet] = [mint(), mint()]
    const newer = { ...batch(log, evaluated({ minute: MINUTE + 1 })), version: '2.0.0' }
    await store.saveUsage([batch(log, evaluated(), evaluated({ variant: 'off', minute: MINUTE - 9 }))])
    await store.saveUsage([newer, batch(log, evaluated({ minute: MINUTE - 5 }))])
    await store.saveUsage([batch(quiet, evaluated({ what: 'event', name: 'purchase' }))])
    const reads = await store.flagReads([log, quiet])
    expect(reads.map(({ variant, firstAt, lastAt }) => [variant, firstAt, lastAt]).sort()).toEqual([
      ['off', at(MINUTE - 9), at(MINUTE - 9)],
      ['on', at(MINUTE - 5), at(MINUTE + 1)],
    ])
    const readers = await store.readersOf(log, 'checkout', 2)
    expect(readers.map(({ app, version, variant, lastAt }) => [app, version, variant, lastAt])).toEqual([
      ['shop', '2.0.0', 'on', at(MINUTE + 1)],
      ['shop', '1.0.0', 'on', at(MINUTE)],
    ])
    expect(await store.flagReads([])).toEqual([])
  })

  it('lets go of old days whole, and keeps when each variant was read last', async () => {
    const { store, clock, rows } = subject()
    const log = mint()
    const yesterday = MINUTE - 1_440
    await store.saveUsage([
      batch(log, evaluated(), evaluated({ minute: yesterday })),
      { ...batch(log, evaluated({ minute: yesterday })), version: '0.9.0' },
      batch(log, evaluated({ minute: yesterday, variant: 'off' })),
    ])
    const days = async () =>
      (
        await rows<{ name: string }>(
          `SELECT c.relname AS name FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
           WHERE inhparent = 'halyard_usage.counts'::regclass ORDER BY 1`,
        )
      ).map(({ name }) => name)
    expect(await days()).toContain('counts_20260101')
    await store.turnUsage(NOW)
    expect((await days())[0]).toBe('counts_20260102')
    expect(await total(log)).toBe(1)
    const whole = { from: yesterday - 60, until: MINUTE + 60, step: 10_000 }
    expect((await store.usage(log, 'checkout', whole)).sums.map(({ count }) => count)).toEqual([1])
    expect(
      (await store.readersOf(log, 'checkout', 9)).map(({ version, variant }) => [version, variant]),
    ).toEqual([
      ['1.0.0', 'on'],
      ['1.0.0', 'off'],
    ])
    clock.now = () => NOW + 20 * DAY_MS
    await store.turnUsage(oldest)
    clock.now = () => NOW
    const later = { from: MINUTE + 20 * 1_440, until: MINUTE + 20 * 1_440 + 1, step: 1 }
    await store.saveUsage([batch(log, evaluated({ minute: later.from }))])
    expect((await store.usage(log, 'checkout', later)).sums.map(({ count }) => count)).toEqual([1])
  })

  it('forgets the names of batches after hours', async () => {
    const { store, clock, rows } = subject()
    const [log, later] = [mint(), mint()]
    await store.saveUsage([batch(log, evaluated())])
    const names = async () =>
      (await rows<{ log: string }>('SELECT log_id AS log FROM halyard_usage.batches')).map((row) => row.log)
    expect(await names()).toContain(log)
    clock.now = () => NOW + 4 * 3_600_000
    await store.saveUsage([batch(later, evaluated())])
    clock.now = () => NOW
    expect(await names()).toEqual([later])
  })

  it('is turned by many at once', async () => {
    const { store, clock } = subject()
    clock.now = () => NOW + 60 * DAY_MS
    await Promise.all(Array.from({ length: 8 }, () => store.turnUsage(NOW)))
    clock.now = () => NOW
  })
}
