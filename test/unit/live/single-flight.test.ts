import { describe, expect, it } from 'vitest'
import { singleFlight } from '../../../server/live/single-flight.ts'

/** Runs that end when they are told to. */
function gated() {
  const runs: { resolve: (value: number) => void; reject: (cause: Error) => void }[] = []
  const fly = singleFlight(() => new Promise<number>((resolve, reject) => runs.push({ resolve, reject })))
  return { runs, fly }
}
const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('a single flight', () => {
  it('lets all who ask during a run share the one run that begins after it', async () => {
    const { runs, fly } = gated()
    const first = fly()
    const later = [fly(), fly(), fly()]
    expect(runs).toHaveLength(1)
    runs[0]?.resolve(1)
    await turn()
    expect(runs).toHaveLength(2)
    runs[1]?.resolve(2)
    expect(await Promise.all([first, ...later])).toEqual([1, 2, 2, 2])
  })

  it('never runs twice at once, whenever it is asked', async () => {
    const { runs, fly } = gated()
    const asked: Promise<number>[] = [fly(), fly()]
    runs[0]?.resolve(1)
    for (let ask = 0; ask < 5; ask++) {
      asked.push(fly())
      await Promise.resolve()
    }
    expect(runs).toHaveLength(2)
    runs[1]?.resolve(2)
    await turn()
    for (const run of runs) run.resolve(3)
    await Promise.all(asked)
  })

  it('goes on after a failure, which is only for those who waited for it', async () => {
    const { runs, fly } = gated()
    const first = fly()
    const second = fly()
    runs[0]?.reject(new Error('down'))
    await expect(first).rejects.toThrow('down')
    runs[1]?.resolve(2)
    expect(await second).toBe(2)
  })
})
