import { getEventListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  inTime,
  keepTrying,
  patience,
  pause,
  TimeoutError,
  unlessLost,
  within,
} from '../../../server/waiting.ts'

const NEVER = new Promise<never>(() => {})

describe('work that a signal may end', () => {
  it('settles as the work does, and leaves nothing behind at the signal', async () => {
    const { signal } = new AbortController()
    for (let times = 0; times < 100; times++) {
      expect(await unlessLost(Promise.resolve(times), signal)).toBe(times)
      await expect(unlessLost(Promise.reject(new Error('no')), signal)).rejects.toThrow('no')
      await unlessLost(pause(0, signal), signal)
    }
    await sleep(0)
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  it('is given up with the signal’s reason, also where that fired before', async () => {
    const lost = new AbortController()
    const work = unlessLost(NEVER, lost.signal)
    lost.abort(new Error('the connection is lost'))
    await expect(work).rejects.toThrow('the connection is lost')
    await expect(unlessLost(NEVER, lost.signal)).rejects.toThrow('the connection is lost')
  })
})

describe('work that is tried again and again', () => {
  it('goes on after each try that fails or is over, until it is stopped', async () => {
    const seen: string[] = []
    const outcomes = [() => Promise.reject(new Error('no')), () => Promise.resolve(), () => NEVER]
    let lasting = (): void => {}
    const last = new Promise<void>((resolve) => {
      lasting = resolve
    })
    const stop = await keepTrying({
      once(stopped) {
        seen.push('try')
        const outcome = outcomes.shift()!
        if (outcomes.length === 0) lasting()
        return unlessLost(outcome(), stopped)
      },
      onFailure: (cause) => seen.push((cause as Error).message),
      pauseMs: () => 0,
    })
    await last
    // That it is stopped is no failure.
    await stop()
    expect(seen).toEqual(['try', 'no', 'try', 'try'])
  })

  it('is known to have begun when its first try is under way, or is over', async () => {
    const seldom = { onFailure: () => {}, pauseMs: () => 60_000 }
    const under = await keepTrying({
      ...seldom,
      once(stopped, works) {
        works()
        return unlessLost(NEVER, stopped)
      },
    })
    const over = await keepTrying({ ...seldom, once: () => Promise.reject(new Error('no')) })
    await Promise.all([under(), over()])
  })
})

it('a pause ends with the signal', async () => {
  const stopped = new AbortController()
  const pausing = pause(60_000, stopped.signal)
  stopped.abort()
  await pausing
  await pause(60_000, stopped.signal)
})

describe('work that has so much time', () => {
  // What was read meanwhile comes with the loop's own turn, as it does in a server.
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
  afterEach(() => void vi.useRealTimers())
  const answer = (ms: number) => new Promise<string>((resolve) => setTimeout(resolve, ms, 'answer'))
  const nextTurn = () => new Promise((resolve) => setImmediate(resolve))
  /** What became of the wait after so many milliseconds more. */
  async function atLast(ms: number, wait: Promise<unknown>) {
    await vi.advanceTimersByTimeAsync(ms)
    await nextTurn()
    return await Promise.race([wait, Promise.resolve('waiting')])
  }

  it('settles as the work does, and leaves no timer behind', async () => {
    expect(await within(Promise.resolve('answer'), 100)).toBe('answer')
    await expect(within(Promise.reject(new Error('no')), 100)).rejects.toThrow('no')
    expect(await inTime(Promise.resolve('answer'), 100)).toBe('answer')
    expect(await inTime(Promise.reject(new Error('no')), 100)).toBeUndefined()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('is given up when the time is up, and not before', async () => {
    const strict = within(NEVER, 100).catch((error: unknown) => error)
    const lenient = inTime(NEVER, 100)
    expect([await atLast(99, strict), await atLast(0, lenient)]).toEqual(['waiting', 'waiting'])
    expect(await atLast(1, strict)).toEqual(new TimeoutError('no answer within 100 ms'))
    expect(await atLast(0, lenient)).toBeUndefined()
  })

  it('counts where it has come in time and only could not be read', async () => {
    const read = answer(100).then(async (text) => {
      await nextTurn()
      return text
    })
    const waits = Promise.all([within(read, 100), inTime(read, 100)])
    expect(await atLast(100, waits)).toEqual(['answer', 'answer'])
  })

  it('is waited for less after it was late, until an answer comes', async () => {
    const soon = patience(100, 10)
    expect(await atLast(50, soon(answer(50)))).toBe('answer')
    const first = soon(NEVER)
    expect(await atLast(99, first)).toBe('waiting')
    expect(await atLast(1, first)).toBeUndefined()
    const second = soon(answer(50))
    expect(await atLast(9, second)).toBe('waiting')
    expect(await atLast(1, second)).toBeUndefined()
    // It comes all the same.
    await vi.advanceTimersByTimeAsync(40)
    expect(await atLast(50, soon(answer(50)))).toBe('answer')
    expect(await soon(Promise.reject(new Error('no')))).toBeUndefined()
    expect(await atLast(10, soon(NEVER))).toBeUndefined()
  })
})
