/**
 * A queue in front of each log, so that editors in one process wait here in order and not on connections. Two of
 * a log go ahead at once: one holds the row, the next waits at its door, where Postgres hands over without us.
 */
import { Problem } from '../domain/problem.ts'

/** Waiting commits of one log, before more are turned away. */
const MOST_WAITING = 1000

type Lane = { running: number; readonly waiting: (() => void)[] }
export type Lanes = {
  /**
   * Resolves when it is this caller's turn, with the function that ends it.
   * @param withinMs rejects with `unavailable` when the turn has not come by then
   */
  enter(log: string, withinMs: number): Promise<() => void>
  /** Whether anyone of this log is running or waiting. */
  busy(log: string): boolean
}

/** @param width how many of one log go ahead at once */
export function createLanes(width: number): Lanes {
  const lanes = new Map<string, Lane>()

  const leave = (log: string, lane: Lane) => {
    const next = lane.waiting.shift()
    if (next !== undefined) return next()
    lane.running -= 1
    if (lane.running === 0) lanes.delete(log)
  }
  return {
    busy: (log) => lanes.has(log),
    enter: (log, withinMs) => {
      const lane = lanes.get(log) ?? { running: 0, waiting: [] }
      lanes.set(log, lane)
      const turn = () => {
        let left = false
        return () => {
          if (!left) leave(log, lane)
          left = true
        }
      }
      if (lane.running < width) {
        lane.running += 1
        return Promise.resolve(turn())
      }
      if (lane.waiting.length >= MOST_WAITING) return Promise.reject(crowded())
      return new Promise((resolve, reject) => {
        const go = () => {
          clearTimeout(timer)
          resolve(turn())
        }
        const timer = setTimeout(() => {
          lane.waiting.splice(lane.waiting.indexOf(go), 1)
          reject(crowded())
        }, withinMs)
        lane.waiting.push(go)
      })
    },
  }
}

const crowded = () =>
  new Problem('unavailable', 'Too many edits wait for the same lock. Nothing was written; try again.', {
    retryAfter: 1,
  })
