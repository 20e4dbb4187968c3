/**
 * Events of the app, counted by what was served. Attributed by evaluating now, and not by remembering: the same person
 * gets the same variants, and nothing of them is kept. Never throws.
 */
import type { Context } from '../core/index.ts'
import type { Evaluation } from './evaluation.ts'
import type { Complain } from './logger.ts'
import type { Telemetry } from './telemetry.ts'

/** What the server takes for an event's name, and for a value. */
const EVENT = /^[^\p{C}\p{Zl}\p{Zp}]{1,100}$/u
const MOST_VALUE = 1e12

export type Track = (event: string, context: Context, details?: { readonly value?: number }) => void

export function createTrack(telemetry: Telemetry, evaluation: Evaluation, complain: Complain): Track {
  return (event, context, details) => {
    if (typeof event !== 'string' || !EVENT.test(event)) {
      complain('the name of an event must be one to 100 visible characters: this one is not counted')
      return
    }
    try {
      const value: unknown = details?.value
      const added = typeof value === 'number' && Math.abs(value) <= MOST_VALUE ? value : 0
      if (value !== undefined && value !== added) {
        complain(`the value of ${event} is no number up to ${MOST_VALUE}: it counts as 0`)
      }
      evaluation.attribute(telemetry.read(), context, (key, decision) => {
        telemetry.happened(event, added, key, decision)
      })
    } catch (cause) {
      complain(`${event} could not be counted`, cause)
    }
  }
}
