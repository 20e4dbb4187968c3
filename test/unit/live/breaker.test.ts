import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createBreaker } from '../../../server/live/redis/breaker.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A breaker whose probe works or fails as the test says. Chance is at its most, so that delays are too. */
function house() {
  const said: string[] = []
  const probe = { works: true, times: [] as number[] }
  const breaker = createBreaker({
    probe: async () => {
      probe.times.push(performance.now())
      if (!probe.works) throw new Error('probe')
    },
    random: () => 0.999,
    now: () => performance.now(),
    onFailure: (cause) => said.push((cause as Error).message),
    onClosed: () => said.push('closed'),
  })
  return { breaker, probe, said }
}
const advance = (ms: number) => vi.advanceTimersByTimeAsync(ms)

describe('the breaker', () => {
  it('is open until the first probe has succeeded', async () => {
    const { breaker, said } = house()
    expect(breaker.closed).toBe(false)
    breaker.tryNow()
    await advance(0)
    expect(breaker.closed).toBe(true)
    expect(said).toEqual(['closed'])
  })

  it('opens at the first failure, and closes by itself once a probe succeeds', async () => {
    const { breaker, probe, said } = house()
    breaker.tryNow()
    await advance(0)
    probe.works = false
    breaker.trip(new Error('late'))
    expect(breaker.closed).toBe(false)
    await advance(5_000)
    expect(probe.times.length).toBeGreaterThan(3)
    probe.works = true
    await advance(1_000)
    expect(breaker.closed).toBe(true)
    expect(said.filter((word) => word !== 'probe')).toEqual(['closed', 'late', 'closed'])
  })

  it('probes each second while nothing helps, and never gives up', async () => {
    const { breaker, probe } = house()
    probe.works = false
    breaker.tryNow()
    await advance(600_000)
    expect(probe.times.length).toBeGreaterThan(600)
    probe.works = true
    await advance(1_000)
    expect(breaker.closed).toBe(true)
  })

  it('probes at once when there is reason to hope, one probe at a time', async () => {
    const { breaker, probe } = house()
    probe.works = false
    breaker.tryNow()
    breaker.tryNow()
    expect(probe.times).toHaveLength(1)
    await advance(0)
    probe.works = true
    breaker.tryNow()
    await advance(0)
    expect(breaker.closed).toBe(true)
  })

  it('that flaps is tried ever more seldom, and after a minute of health as at first', async () => {
    const { breaker, probe } = house()
    breaker.tryNow()
    await advance(0)
    const reopened = async () => {
      const from = performance.now()
      breaker.trip(new Error('again'))
      await advance(40_000)
      return probe.times.at(-1)! - from
    }
    const delays = [await reopened(), await reopened(), await reopened(), await reopened()]
    expect(delays).toEqual([...delays].sort((a, b) => a - b))
    expect(delays[3]).toBeGreaterThan(1_000)
    await advance(60_001)
    expect(await reopened()).toBeLessThan(300)
  })

  it('stays open once it is stopped, and says nothing more', async () => {
    const { breaker, probe, said } = house()
    probe.works = false
    breaker.tryNow()
    breaker.stop()
    await advance(60_000)
    breaker.trip(new Error('late'))
    breaker.tryNow()
    await advance(60_000)
    expect([breaker.closed, probe.times.length, said]).toEqual([false, 1, []])
  })
})
