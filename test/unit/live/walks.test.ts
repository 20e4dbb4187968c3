import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { createWalk } from '../../../server/live/walks.ts'
import { Clock, settled } from './support.ts'

/** Visits of so many; each takes a millisecond of a clock that stands otherwise. */
function walk(size: number) {
  const clock = new Clock()
  const all = new Set(Array.from({ length: size }, (_, index) => index))
  const visits: number[] = []
  const { wake } = createWalk(
    all,
    (one) => {
      visits.push(one)
      clock.time += 1
    },
    clock,
  )
  return { all, wake, visits }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => {
    vi.useRealTimers()
  })
})

describe('a walk past many', () => {
  it('visits all of them once, in slices between which other work has its turn', async () => {
    const { wake, visits } = walk(600)
    wake(false)
    wake(false)
    await new Promise(setImmediate)
    expect(visits.length).toBe(256)
    await settled()
    expect(new Set(visits).size).toBe(600)
  })

  it('rests for as long as it took, and then makes one walk of all that was asked for meanwhile', async () => {
    const { wake, visits } = walk(600)
    wake(false)
    await settled(2)
    wake(false)
    await settled()
    wake(false)
    await settled()
    expect(visits.length).toBe(600)
    vi.advanceTimersByTime(599)
    await settled()
    expect(visits.length).toBe(600)
    vi.advanceTimersByTime(1)
    await settled()
    expect(visits.length).toBe(1_200)
    vi.advanceTimersByTime(10_000)
    await settled()
    expect(visits.length).toBe(1_200)
  })

  it('rests for a second at most, and walks at once when it has rested', async () => {
    const { wake, visits } = walk(5_000)
    wake(false)
    await settled(30)
    vi.advanceTimersByTime(1_000)
    wake(false)
    await settled(30)
    expect(visits.length).toBe(10_000)
  })

  it('does not rest before what is urgent, whether that comes during the walk or during the rest', async () => {
    const { wake, visits } = walk(600)
    wake(false)
    await settled(2)
    wake(true)
    wake(false)
    await settled(16)
    expect(visits.length).toBe(1_200)
    wake(false)
    wake(true)
    await settled()
    expect(visits.length).toBe(1_800)
    // The rest that it cut short wakes nobody.
    vi.advanceTimersByTime(600)
    await settled()
    expect(visits.length).toBe(1_800)
  })
})

it('a walk past few does not rest', async () => {
  const { wake, visits } = walk(256)
  wake(false)
  await settled(1)
  wake(false)
  await settled()
  expect(visits.length).toBe(512)
})

it('a walk past nobody is none', async () => {
  const { all, wake, visits } = walk(0)
  wake(true)
  all.add(1)
  await settled()
  expect(visits).toEqual([])
})
