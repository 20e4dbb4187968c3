import { createHistogram } from 'node:perf_hooks'
import { describe, expect, it } from 'vitest'
import { openVitalSigns } from '../../../server/vital-signs.ts'

/** A loop whose turns are as long as the test says, by a clock that only they move. */
function loop() {
  const turns = createHistogram()
  const clock = { at: 0, now: () => clock.at }
  const signs = openVitalSigns(turns, clock)
  return {
    turn(ms: number, sampled = true) {
      clock.at += ms
      if (sampled) turns.record(ms * 1e6)
    },
    look: () => Math.round(signs.delayMs()),
  }
}

describe('the delay of the event loop', () => {
  it('is by how much turns were late since the last look, and nothing where none was', () => {
    const { turn, look } = loop()
    for (const ms of [20, 20, 20]) turn(ms)
    expect(look()).toBe(0)
    for (const ms of [20, 220]) turn(ms)
    expect(look()).toBe(100)
    turn(20)
    expect(look()).toBe(0)
  })

  it('is seen where every turn is longer than the time between two looks, so that none is sampled', () => {
    const { turn, look } = loop()
    for (let times = 0; times < 3; times++) {
      turn(320, false)
      expect(look()).toBe(300)
    }
  })

  it('is a number for this very process from the first look on', () => {
    const signs = openVitalSigns()
    for (let times = 0; times < 3; times++) expect(signs.delayMs()).toBeGreaterThanOrEqual(0)
  })
})
