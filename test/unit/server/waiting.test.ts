import { getEventListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { pause, unlessLost } from '../../../server/waiting.ts'

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

it('a pause ends with the signal', async () => {
  const stopped = new AbortController()
  const pausing = pause(60_000, stopped.signal)
  stopped.abort()
  await pausing
  await pause(60_000, stopped.signal)
})
