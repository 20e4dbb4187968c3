/** Which origins' pages may evaluate in an environment: how that is written, and whether an origin is among them. */
import { at, type Faults } from './faults.ts'

const MOST_ORIGINS = 100
/** scheme://host, and a port, or `*` for any. */
const FORM = /^([a-z][a-z0-9+.-]*:\/\/(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+))(?::(\d{1,5}|\*))?$/
const ANY_PORT = ':*'

/** Origins as browsers send them (RFC 6454), `*`, or an origin with `*` for its port. */
export function readOrigins(value: unknown, pointer: string, faults: Faults): readonly string[] {
  if (!Array.isArray(value) || value.length > MOST_ORIGINS) {
    faults.add(pointer, `A list of at most ${MOST_ORIGINS} origins is expected.`)
    return []
  }
  for (const [index, origin] of value.entries()) {
    if (origin === '*' || (typeof origin === 'string' && FORM.test(origin))) continue
    faults.add(
      at(pointer, index),
      'An origin is as browsers send it: https://app.example.com, in small letters, without a path; the port may be *.',
    )
  }
  return [...new Set(value as string[])]
}

/**
 * Whether a browser's `Origin` is let in.
 * @param patterns an environment's `corsOrigins`.
 * @param origin the header as sent. An opaque origin (`null`) is let in by `*` alone.
 */
export function corsAllows(patterns: readonly string[], origin: string): boolean {
  const host = FORM.exec(origin)?.[1]
  return patterns.some(
    (pattern) => pattern === '*' || pattern === origin || (host !== undefined && pattern === host + ANY_PORT),
  )
}
