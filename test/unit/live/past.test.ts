import { evaluate } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { createPasts } from '../../../server/live/past.ts'
import type { Past } from '../../../server/store/store.ts'
import { boolean, Clock, edited, heldEnvironment, started } from './support.ts'

const BY = { kind: 'system', id: 'tests', name: 'Tests' } as const
const old = started({ 'flag/a': boolean(), 'flag/b': boolean({ enabled: false }) })
const held = heldEnvironment(edited(old, { 'flag/a': null }), undefined, 5)

function pasts() {
  const asked: unknown[] = []
  const clock = new Clock()
  const past = createPasts({
    clock,
    held: (log) => (log === held.id ? held : undefined),
    store: {
      past: async (_, at): Promise<Past> => {
        asked.push(at)
        return { state: old, at: 1, by: BY, redacted: [] }
      },
    },
  })
  return { past, asked, clock }
}

describe('a past state', () => {
  it('that is held is answered from memory; a time is always the store’s to say', async () => {
    const { past, asked } = pasts()
    const now = await past(held.id, { revision: held.state.revision })
    expect(now).toMatchObject({ at: 5, redacted: [] })
    expect(now.compiled()).toBe(held.compiled)
    expect(asked).toEqual([])
    await past(held.id, { time: 7 })
    expect(asked).toEqual([{ time: 7 }])
  })

  it('is read once, and again after a while, since someone may be erased from it', async () => {
    const { past, asked, clock } = pasts()
    for (let n = 0; n < 3; n += 1) await past(held.id, { revision: old.revision })
    expect(asked).toHaveLength(1)
    clock.time += 60_001
    await past(held.id, { revision: old.revision })
    expect(asked).toHaveLength(2)
  })

  it('is compiled as far as it is asked about, and each part once', async () => {
    const { compiled } = await pasts().past(held.id, { revision: old.revision })
    const part = compiled(['a'])
    expect([...part.flags.keys()]).toEqual(['a'])
    expect(compiled(['a'])).toBe(part)
    expect(evaluate(compiled(['b']), 'b', {}, 0).reason).toBe('DISABLED')
    const whole = compiled()
    expect([...whole.flags.keys()].sort()).toEqual(['a', 'b'])
    expect(compiled(['a'])).toBe(whole)
  })
})
