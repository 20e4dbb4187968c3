/**
 * What every signal must do, whatever carries it; run by a short file for each. Signals may be lost, so a test tells
 * until it is heard.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LogId } from '../../server/domain/change.ts'
import type { Notice } from '../../server/domain/notice.ts'
import type { Signal } from '../../server/live/signal.ts'
import { until } from '../support/until.ts'

/** An instance on the line. */
export type Subject = {
  readonly signal: Signal
  /** Has something to tell of that log: for a store's own signal, a commit. */
  tell(log: LogId): Promise<void>
}
export type Line = {
  /** One more instance. */
  join(): Promise<Subject>
  /** Names a log that can be told of. */
  log(): Promise<LogId>
  close(): Promise<void>
}
/** A line that leaves the process. */
export type Wire = Line & {
  /** Cuts every connection that listens. */
  interrupt(): Promise<void>
  /** Puts text on the line that is no notice. */
  rubbish(text: string): Promise<void>
}

const listening = async ({ signal }: Subject) => {
  const heard: Notice[] = []
  const stop = await signal.listen((notice) => heard.push(notice))
  return { heard, stop, logs: () => heard.map(({ log }) => log) }
}
type Ears = Awaited<ReturnType<typeof listening>>

const toldUntilHeard = (by: Subject, log: LogId, { heard }: Ears): Promise<Notice> =>
  until(`${log} is heard of`, async () => {
    await by.tell(log)
    return heard.find((notice) => notice.log === log)
  })

function opened<L extends Line>(open: () => Promise<L>): { line: L; one: Subject; other: Subject } {
  const house = {} as { line: L; one: Subject; other: Subject }
  beforeAll(async () => {
    house.line = await open()
    house.one = await house.line.join()
    house.other = await house.line.join()
  })
  afterAll(() => house.line.close())
  return house
}

export function signalContract(open: () => Promise<Line>): void {
  describe('a signal', () => {
    const house = opened(open)

    it('brings what one instance tells to the others, and never to itself', async () => {
      const { line, one, other } = house
      const [log, back] = [await line.log(), await line.log()]
      const [mine, theirs] = [await listening(one), await listening(other)]
      const there = await toldUntilHeard(one, log, theirs)
      expect(there).toEqual({ log, epoch: expect.any(Number), revision: expect.any(Number) })
      const here = await toldUntilHeard(other, back, mine)
      expect(mine.heard).not.toContainEqual(there)
      expect(theirs.heard).not.toContainEqual(here)
      await Promise.all([mine.stop(), theirs.stop()])
    })

    it('reaches every listener until it stops, and then no more', async () => {
      const { line, one, other } = house
      const [first, second] = [await listening(other), await listening(other)]
      const log = await line.log()
      await Promise.all([toldUntilHeard(one, log, first), toldUntilHeard(one, log, second)])
      await first.stop()
      const before = first.heard.length
      await toldUntilHeard(one, await line.log(), second)
      expect(first.heard).toHaveLength(before)
      await second.stop()
    })
  })
}

export function wireContract(open: () => Promise<Wire>): void {
  describe('a signal between processes', () => {
    const house = opened(open)

    it('goes on by itself after it was interrupted', async () => {
      const { line, one, other } = house
      const theirs = await listening(other)
      await toldUntilHeard(one, await line.log(), theirs)
      await line.interrupt()
      await toldUntilHeard(one, await line.log(), theirs)
      await theirs.stop()
    })

    it('is not disturbed by rubbish', async () => {
      const { line, one, other } = house
      const theirs = await listening(other)
      await toldUntilHeard(one, await line.log(), theirs)
      for (const text of ['', '{', '[]', 'null', '{"log":1}', '{"log":"x","epoch":1,"revision":"2"}']) {
        await line.rubbish(text)
      }
      await toldUntilHeard(one, await line.log(), theirs)
      expect(theirs.logs()).not.toContain('x')
      await theirs.stop()
    })
  })
}
