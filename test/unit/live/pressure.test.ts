import { describe, expect, it } from 'vitest'
import { createPressure, type Sheddable } from '../../../server/live/pressure.ts'

const CLASSES: readonly Sheddable[] = ['telemetry', 'streams', 'bulk', 'rulesets']

function pressed() {
  const signs = { delay: 0, memory: 0 }
  const lines: string[] = []
  const log = (_: object, message: string) => void lines.push(message)
  const pressure = createPressure({
    signs: { delayMs: () => signs.delay, memory: () => signs.memory },
    log: { info: log, warn: log, error: log },
    random: () => 0.5,
  })
  const see = (looks: number, delay: number, memory = 0) => {
    Object.assign(signs, { delay, memory })
    for (let look = 0; look < looks; look++) pressure.look()
    return CLASSES.filter((what) => pressure.sheds(what))
  }
  return { pressure, lines, see }
}

describe('pressure', () => {
  it('refuses telemetry first, then new streams, then whole answers to those who have one', () => {
    const { see, pressure } = pressed()
    expect(see(2, 74)).toEqual([])
    expect(see(2, 75)).toEqual(['telemetry'])
    expect(see(2, 150)).toEqual(['telemetry', 'streams'])
    expect(see(2, 300)).toEqual(CLASSES)
    expect(pressure.shed).toEqual({ telemetry: 3, streams: 2, bulk: 1, rulesets: 1 })
  })

  it.each([
    [0.79, []],
    [0.8, ['telemetry']],
    [0.85, ['telemetry', 'streams']],
    [0.92, CLASSES],
  ])('does the same with %d of the memory in use', (memory, refused) => {
    expect(pressed().see(2, 0, memory)).toEqual(refused)
  })

  it('is not seen in one long task, nor gone with one quiet moment', () => {
    const { see } = pressed()
    expect(see(1, 900)).toEqual([])
    expect(see(1, 0)).toEqual([])
    expect(see(2, 200)).toEqual(['telemetry', 'streams'])
    expect(see(3, 0)).toEqual(['telemetry', 'streams'])
    expect(see(1, 0)).toEqual([])
  })

  it('falls no further than what the last looks saw', () => {
    const { see } = pressed()
    expect(see(2, 400)).toEqual(CLASSES)
    expect(see(4, 80)).toEqual(['telemetry'])
  })

  it('tells of each change once, and answers who is refused when to come again', () => {
    const { see, lines, pressure } = pressed()
    see(10, 400)
    expect(() => pressure.refuse('bulk')).toThrow(
      expect.objectContaining({ type: 'unavailable', details: { retryAfter: 6, routine: true } }),
    )
    see(10, 0)
    pressure.refuse('bulk')
    expect(lines).toEqual([
      'under pressure: refused for now are telemetry, streams, bulk, rulesets',
      'the pressure is over: nothing is refused for it any more',
    ])
  })
})
