/**
 * What can go wrong between an SDK and its server, as one error type. It never holds a key: messages name the
 * address and the key's id at most.
 */

/**
 * - `network`: no connection, or it broke.
 * - `deadline`: no answer, or not all of it, in time.
 * - `silent`: a stream that stopped speaking without ending.
 * - `refused`: 401, 403 or 404.
 * - `status`: any other status that is no success.
 * - `invalid-answer`: a success whose content is not what it should be.
 * - `oversize`: more bytes than the bound allows.
 * - `key`: no key could be had from the function that gives it.
 */
export type TransportErrorCode =
  | 'network'
  | 'deadline'
  | 'silent'
  | 'refused'
  | 'status'
  | 'invalid-answer'
  | 'oversize'
  | 'key'

export type TransportErrorDetails = {
  readonly cause?: unknown
  /** The HTTP status, where one arrived. */
  readonly status?: number
  /** How long the server asks to be left alone, in milliseconds, within bounds. */
  readonly retryAfterMs?: number | undefined
}

export class TransportError extends Error {
  override readonly name = 'TransportError'
  readonly code: TransportErrorCode
  readonly status: number | undefined
  readonly retryAfterMs: number | undefined

  constructor(code: TransportErrorCode, message: string, details: TransportErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.status = details.status
    this.retryAfterMs = details.retryAfterMs
  }
}
