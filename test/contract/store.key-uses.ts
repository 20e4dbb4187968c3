/** The store's contract: who used which key, as any number of instances have seen it. */
import { expect, it } from 'vitest'
import type { KeyUse } from '../../server/store/store.ts'
import { mint, NOW, type Subject } from './store.support.ts'

const MOST = 10

export function keyUses(subject: () => Subject): void {
  const use = (key: string, at: number, over: Partial<KeyUse> = {}): KeyUse => ({
    ...{ key, app: 'shop', version: '1.0.0', sdk: 'node/0.1.0', at },
    ...over,
  })

  it('keeps the newest time of each, in whatever order instances save', async () => {
    const { store } = subject()
    const key = mint()
    await store.saveKeyUses([use(key, NOW + 2), use(key, NOW, { version: '' })])
    await store.saveKeyUses([use(key, NOW + 1)])
    await store.saveKeyUses([use(key, NOW + 2)])
    await store.saveKeyUses([use(key, NOW + 3, { version: '' })])
    expect(await store.keyUses([key], MOST)).toEqual([use(key, NOW + 3, { version: '' }), use(key, NOW + 2)])
  })

  it('shows the newest of each key that is asked for, and of no other', async () => {
    const { store } = subject()
    const [one, other, unused] = [mint(), mint(), mint()]
    const versions = ['1', '2', '3'].map((version, index) => use(one, NOW + index, { version }))
    await store.saveKeyUses([...versions, use(other, NOW), use(mint(), NOW)])
    const shown = await store.keyUses([one, other, unused], 2)
    expect(shown.filter(({ key }) => key === one).map(({ version }) => version)).toEqual(['3', '2'])
    expect(shown.filter(({ key }) => key !== one)).toEqual([use(other, NOW)])
    expect(await store.keyUses([], 2)).toEqual([])
  })

  it('takes nothing, and any text that is one', async () => {
    const { store } = subject()
    const key = mint()
    await store.saveKeyUses([])
    const odd = use(key, NOW, { app: `'; DROP "{,}\\ \u{1f980}`, sdk: 'null' })
    await store.saveKeyUses([odd])
    expect(await store.keyUses([key], MOST)).toEqual([odd])
  })

  it('lets many instances save the same at once', async () => {
    const { store } = subject()
    const keys = Array.from({ length: 50 }, () => mint())
    const seenBy = (instance: number) => keys.map((key) => use(key, NOW + instance))
    const saved = Array.from({ length: 8 }, (_, instance) =>
      store.saveKeyUses(instance % 2 === 0 ? seenBy(instance) : seenBy(instance).reverse()),
    )
    await Promise.all(saved)
    expect((await store.keyUses(keys, MOST)).map(({ at }) => at)).toEqual(keys.map(() => NOW + 7))
  })

  it('forgets what is old, and of each key what is not among its newest', async () => {
    const { store } = subject()
    const [busy, quiet] = [mint(), mint()]
    const versions = ['1', '2', '3', '4'].map((version, index) => use(busy, NOW + index, { version }))
    await store.saveKeyUses([...versions, use(quiet, NOW), use(quiet, NOW - 1, { version: 'old' })])
    await store.pruneKeyUses(NOW, 3)
    expect((await store.keyUses([busy], MOST)).map(({ version }) => version)).toEqual(['4', '3', '2'])
    expect(await store.keyUses([quiet], MOST)).toEqual([use(quiet, NOW)])
  })
}
