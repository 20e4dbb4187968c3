/**
 * How hard pressed this process is, by the delay of its event loop and by its memory, and what it refuses for that, in
 * this order: telemetry, then new streams, then whole answers to callers who hold one already. Kills, edits, heartbeats,
 * health, single evaluations and first answers are never refused for it. Hides how signs become a level.
 */
import { Problem } from '../domain/problem.ts'
import type { Log } from './conditions.ts'

/** What can be read of a process's health. */
export type Signs = {
  /** By how much events came late since the last look, milliseconds. */
  delayMs(): number
  /** The memory in use, as a share of what there is. */
  memory(): number
}

/** From 0, where all is well, to 3. */
export type Level = 0 | 1 | 2 | 3

/** `bulk`: evaluations of all flags for who has such an answer. `rulesets`: downloads for who has an older one. */
export type Sheddable = 'telemetry' | 'streams' | 'bulk' | 'rulesets'

export type Pressure = {
  readonly level: Level
  /** Whether such requests are refused now; one that is refused for it is counted. */
  sheds(what: Sheddable): boolean
  /** @throws Problem `unavailable` where such requests are refused now */
  refuse(what: Sheddable): void
  readonly shed: Readonly<Record<Sheddable, number>>
  /** To be called twice a second. */
  look(): void
}

export type PressureDeps = {
  readonly signs: Signs
  readonly log: Log
  /** From 0 up to 1. */
  readonly random: () => number
}

/** The level from which on each is refused. */
const FROM: Readonly<Record<Sheddable, Level>> = { telemetry: 1, streams: 2, bulk: 3, rulesets: 3 }
/**
 * Each level's bounds: one sign is enough. A kill waits some five times for the event loop, and is to be answered
 * within a second; what is refused at 150 ms leaves it that.
 */
const BOUNDS: readonly { readonly level: Level; readonly delayMs: number; readonly memory: number }[] = [
  { level: 3, delayMs: 300, memory: 0.92 },
  { level: 2, delayMs: 150, memory: 0.85 },
  { level: 1, delayMs: 75, memory: 0.8 },
]
/** Looks in a row: one long task is no pressure, and one quiet moment no relief. */
const RISES_AFTER = 2
const FALLS_AFTER = 4
/** Seconds until those who were refused come again, spread over both. */
const RETRY = { least: 1, more: 10 }

/** A process that is never pressed. */
export const CALM: Signs = { delayMs: () => 0, memory: () => 0 }

export function createPressure({ signs, log, random }: PressureDeps): Pressure {
  const shed = { telemetry: 0, streams: 0, bulk: 0, rulesets: 0 }
  let latest: readonly Level[] = []
  let level: Level = 0

  function sheds(what: Sheddable): boolean {
    if (level < FROM[what]) return false
    shed[what]++
    return true
  }

  return {
    get level() {
      return level
    },
    shed,
    sheds,
    refuse(what) {
      if (!sheds(what)) return
      const retryAfter = RETRY.least + random() * RETRY.more
      throw new Problem('unavailable', 'This instance has more to do than it can. Try again later.', {
        retryAfter,
        routine: true,
      })
    },
    look() {
      const delayMs = signs.delayMs()
      const memory = signs.memory()
      const seen = BOUNDS.find((bound) => delayMs >= bound.delayMs || memory >= bound.memory)?.level ?? 0
      latest = [seen, ...latest].slice(0, FALLS_AFTER)
      const lowest = latest.length < RISES_AFTER ? 0 : least(latest.slice(0, RISES_AFTER))
      const highest = latest.length < FALLS_AFTER ? 3 : most(latest)
      const next = lowest > level ? lowest : highest < level ? highest : level
      if (next === level) return
      const told = { from: level, to: next, delayMs: Math.round(delayMs), memory: Number(memory.toFixed(2)) }
      level = next
      const refused = Object.entries(FROM).flatMap(([what, from]) => (from <= next ? [what] : []))
      if (next === 0) log.info(told, 'the pressure is over: nothing is refused for it any more')
      else log.warn(told, `under pressure: refused for now are ${refused.join(', ')}`)
    },
  }
}

const least = (levels: readonly Level[]): Level => levels.reduce((a, b) => (b < a ? b : a))
const most = (levels: readonly Level[]): Level => levels.reduce((a, b) => (b > a ? b : a))
