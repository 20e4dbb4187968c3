/**
 * The `Retry-After` header of RFC 9110, section 10.2.3, read within bounds: no server can ask a client to hammer it
 * or to go away for good.
 */

/** The bounds, in milliseconds. */
export const RETRY_AFTER = { leastMs: 1_000, mostMs: 300_000 } as const

/**
 * @param header whole seconds, or an HTTP date
 * @param now epoch milliseconds, for a date
 * @returns milliseconds within the bounds; undefined where the header is absent or says nothing
 */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  const text = header?.trim()
  if (text === undefined || text === '') return undefined
  const wanted = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - now
  if (Number.isNaN(wanted)) return undefined
  return Math.min(RETRY_AFTER.mostMs, Math.max(RETRY_AFTER.leastMs, wanted))
}
