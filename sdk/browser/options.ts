/** The options of `connect`, and what a page's address overrides. */
import type { Dehydrated } from '../answers.ts'
import type { Context, FlagKey, Json } from '../core/index.ts'

export type ConnectOptions = {
  /** The server's address; may be relative to the page's, where a proxy leads to it. */
  readonly url: string
  /** A client key (`hly_pub_…`). It may be public. */
  readonly key: string
  /** Who evaluates: shown to people by the server. */
  readonly app?: { readonly name: string; readonly version?: string | undefined } | undefined
  /** What is evaluated for, as JSON. Default: the bootstrap's context, else none. */
  readonly context?: Context | undefined
  /** What `dehydrate` of the Node SDK gave. It is not used for another context than its own. */
  readonly bootstrap?: Dehydrated | undefined
  /** Without a bootstrap or a stored answer `connect` resolves within so many milliseconds. Default: 3000. */
  readonly startTimeoutMs?: number | undefined
  /** For development: allows `override`, and `?halyard.checkout=on` in the page's address. */
  readonly overrides?: boolean | undefined
}

/** Durations in milliseconds. Not options: these are promises between SDK and server. */

/** Told of a change, pages ask again within this time, spread evenly. */
export const REFETCH_MS = 500
/** Between polls where no stream works. */
export const POLL_MS = 30_000
/** Between polls beside a stream that works, and while the key is refused. */
export const SELDOM_MS = 300_000
/** How long an answer may take. */
export const ANSWER_MS = 10_000
/** Between sends of what was counted. */
export const FLUSH_MS = 10_000

/** What the client takes from its surroundings. */
export type Surroundings = {
  /** Epoch milliseconds. */
  readonly clock: () => number
  /** Uniform over [0, 1). */
  readonly random: () => number
  /** What every wait is multiplied by: tests need not take as long. */
  readonly pace: number
}

const PREFIX = 'halyard.'

/**
 * Overrides in the query of a page's address: `halyard.<flag>=<value>`, where `on` and `off` are booleans, and what is
 * no JSON is text.
 */
export function overridesIn(query: string, override: (key: FlagKey, value: Json) => void): void {
  for (const [name, text] of new URLSearchParams(query)) {
    if (name.startsWith(PREFIX)) override(name.slice(PREFIX.length), parsed(text))
  }
}

function parsed(text: string): Json {
  if (text === 'on' || text === 'off') return text === 'on'
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
