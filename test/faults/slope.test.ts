/** The judge of the soak: it tells a leak from noise. */
import { describe, expect, it } from 'vitest'
import { slopeOf } from './rig/slope.ts'

/** Fixed numbers between -1 and 1 that look like noise. */
const noise = Array.from({ length: 60 }, (_, index) => Math.sin(index * 12.9898) * Math.cos(index * 78.233))

describe('the slope of measurements', () => {
  it('is that of the line that they lie on, without doubt', () => {
    const { slope, within, growth, mean } = slopeOf([0, 1, 2, 3].map((at) => ({ at, value: 10 + 2 * at })))
    expect(slope).toBeCloseTo(2)
    expect(within).toBeCloseTo(0)
    expect(growth).toBeCloseTo(6)
    expect(mean).toBeCloseTo(13)
  })

  it('finds a leak in noise that is larger than its steps', () => {
    const { slope, within } = slopeOf(noise.map((more, at) => ({ at, value: 1_000 + at + 20 * more })))
    expect(slope - within).toBeGreaterThan(0)
    expect(Math.abs(slope - 1)).toBeLessThan(within)
  })

  it('finds none where there is only noise', () => {
    const { slope, within } = slopeOf(noise.map((more, at) => ({ at, value: 1_000 + 20 * more })))
    expect(Math.abs(slope)).toBeLessThan(within)
  })
})
