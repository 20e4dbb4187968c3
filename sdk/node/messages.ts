/**
 * The events of `GET /sdk/v1/stream`, read and verified: pure, and total over whatever a stream may carry.
 */
import { type Delta, murmur3, type Ruleset } from '../core/index.ts'
import type { ServerEvent } from '../transport/sse.ts'

/** Names a state, within one environment. */
export type Position = { readonly epoch: number; readonly revision: number }

export type Message =
  | { readonly type: 'delta'; readonly delta: Delta }
  | {
      readonly type: 'pending'
      readonly pending: Ruleset['pending']
      readonly endedKills: readonly string[]
    }
  | { readonly type: 'heartbeat' | 'reload'; readonly at: Position }
  /** `retryMs`: when to come back, in milliseconds. */
  | { readonly type: 'goodbye'; readonly retryMs: number }
  /** Somebody wants to know who holds what. `withinMs`: over how long answers are to be spread. */
  | { readonly type: 'ask'; readonly withinMs: number }
  /** Of a later version of the wire. */
  | { readonly type: 'unknown' }
  /** A known event that is not what was sent, or not whole. */
  | { readonly type: 'damaged'; readonly why: string }

const KNOWN: ReadonlySet<string> = new Set(['delta', 'pending', 'heartbeat', 'reload', 'goodbye', 'ask'])

/**
 * An `id` is `<epoch>-<revision>-<murmur3 of the data, hexadecimal>`. Every event that is known must carry one that
 * holds: one that is damaged could as well have lost its id.
 */
export function messageOf({ type, data, id }: ServerEvent): Message {
  if (!KNOWN.has(type)) return { type: 'unknown' }
  if (id === undefined || !idHolds(id, data)) {
    return { type: 'damaged', why: `the id of an event "${type}" does not hold` }
  }
  let content: unknown
  try {
    content = JSON.parse(data)
  } catch {
    return { type: 'damaged', why: `an event "${type}" is not JSON` }
  }
  return isObject(content) ? read(type, content) : damaged(type)
}

function read(type: string, content: Readonly<Record<string, unknown>>): Message {
  switch (type) {
    case 'delta':
      // Its shape is checked where it is applied.
      return { type, delta: content as Delta }
    case 'heartbeat':
    case 'reload': {
      const { epoch, revision } = content
      return isCount(epoch) && isCount(revision) ? { type, at: { epoch, revision } } : damaged(type)
    }
    case 'pending': {
      const { pending, endedKills } = content
      return isPending(pending) && isTexts(endedKills) ? { type, pending, endedKills } : damaged(type)
    }
    case 'ask': {
      const { ackWithinMs } = content
      return isCount(ackWithinMs) ? { type, withinMs: ackWithinMs } : damaged(type)
    }
    default: {
      const { retryMs } = content
      return isCount(retryMs) ? { type: 'goodbye', retryMs } : { type: 'goodbye', retryMs: 0 }
    }
  }
}

function idHolds(id: string, data: string): boolean {
  const hash = /-([0-9a-f]{1,8})$/.exec(id)?.[1]
  return hash !== undefined && Number.parseInt(hash, 16) === murmur3(data, 0)
}

function damaged(type: string): Message {
  return { type: 'damaged', why: `an event "${type}" has not the right shape` }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((text) => typeof text === 'string')
}

function isPending(value: unknown): value is Ruleset['pending'] {
  return isObject(value) && Object.values(value).every((kills) => Array.isArray(kills) && kills.every(isKill))
}

function isKill(value: unknown): boolean {
  return isObject(value) && typeof value.id === 'string'
}
