/**
 * What a failing database means to a user: `unavailable`, with a sentence and a time to wait; never their fault.
 * Errors that only a bug of ours can cause stay errors. Nothing of a statement or its values gets out.
 */
import { DrizzleQueryError } from 'drizzle-orm'
import { MissingLog } from '../domain/epochs.ts'
import { Problem } from '../domain/problem.ts'

/** Thrown by a driver where no answer came in time; the connection is destroyed. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError'
}

/** The SQLSTATE of an error of pg or PGlite. */
export function sqlState(error: unknown): string | undefined {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}

/** The driver's own error inside drizzle's, which carries the statement and its values. */
export function driverError(error: unknown): unknown {
  return error instanceof DrizzleQueryError ? error.cause : error
}

/** Whether the connection went with the error, so that nothing is known of what was last sent on it. */
export function isLost(driver: unknown): boolean {
  const state = sqlState(driver)
  return state === undefined || /^(08|57P|25P03)/.test(state)
}

/**
 * What only whoever wrote the database's URL can mend, however often it is tried: `login`, its user is not let in;
 * `database`, the one that it names does not exist; `plain`, it asks for TLS and the server has none; `certificate`, the
 * server's is not trusted. Undefined for every other failure.
 */
export type Misdirection = 'login' | 'database' | 'plain' | 'certificate'
export function misdirectionOf(driver: unknown): Misdirection | undefined {
  const state = sqlState(driver)
  if (state === '3D000') return 'database'
  if (driver instanceof Error) {
    if (driver.message === 'The server does not support SSL connections') return 'plain'
    if ('code' in driver && DISTRUST.has(driver.code)) return 'certificate'
  }
  // The client itself refuses to go on without a password that it is asked for.
  const unasked = driver instanceof Error && /^SASL: .*client password/.test(driver.message)
  return unasked || state?.startsWith('28') ? 'login' : undefined
}

/** Node.js, "TLS: X509 certificate error codes", as far as they do not come by themselves, or with time. */
const DISTRUST: ReadonlySet<unknown> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
])

const READ_ONLY = '25006'
/** Whether a write was refused since the database takes none. @param error as the store throws it */
export const isReadOnly = (error: unknown): boolean =>
  error instanceof Problem && sqlState(error.cause) === READ_ONLY

type Meaning = { readonly detail: string; readonly retryAfter: number }

const MISDIRECTIONS: Readonly<Record<Misdirection, Meaning>> = {
  login: {
    detail:
      'The database does not let the service in: its operator should check the user and the password of DATABASE_URL.',
    retryAfter: 5,
  },
  database: {
    detail:
      'The database that the service should use does not exist: its operator should check DATABASE_URL, or create it.',
    retryAfter: 5,
  },
  plain: {
    detail: 'The database takes no TLS: its operator should check sslmode in DATABASE_URL.',
    retryAfter: 5,
  },
  certificate: {
    detail:
      'The database’s certificate is not trusted: its operator should check sslrootcert in DATABASE_URL.',
    retryAfter: 5,
  },
}
/** PostgreSQL's error codes, appendix A of its manual. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  [READ_ONLY]: { detail: 'The database takes no writes at the moment: it is read-only.', retryAfter: 5 },
  '42501': {
    detail: 'The database refuses the service a right that it needs: its operator should run the migrations.',
    retryAfter: 30,
  },
  '53100': { detail: 'The database has no disk space left, so nothing can be written.', retryAfter: 30 },
  '53300': { detail: 'The database has no connection free.', retryAfter: 1 },
  '55P03': {
    detail: 'Other edits hold the lock that this one needs. Nothing was written; try again.',
    retryAfter: 1,
  },
  '57014': { detail: 'The database took too long to answer.', retryAfter: 1 },
}
/** Tables, columns, indexes or functions that migrations made are not there. */
const NOT_WHOLE = /^(3F000|42P01|42P10|42703|42883)$/
const UNWHOLE: Meaning = {
  detail:
    'The database has not all that it should have: it is being restored, or was changed past the service. Nothing was written; try again.',
  retryAfter: 5,
}
/** Data exceptions, constraints and syntax: the store's own mistake, and no reason to try again. */
const OUR_BUGS = /^(22|23|42(?!501))/

function meaningOf(cause: unknown): Meaning {
  if (cause instanceof DeadlineError) {
    return { detail: 'The database did not answer in time.', retryAfter: 1 }
  }
  if (cause instanceof MissingLog || NOT_WHOLE.test(sqlState(cause) ?? '')) return UNWHOLE
  const misdirection = misdirectionOf(cause)
  if (misdirection !== undefined) return MISDIRECTIONS[misdirection]
  return (
    MEANINGS[sqlState(cause) ?? ''] ?? {
      detail: 'The database cannot be reached at the moment.',
      retryAfter: 1,
    }
  )
}

/**
 * The error to throw for a failed database call.
 * @param error as caught; one that is not the database's (a `Problem` of an edit, a bug) comes back as it is
 */
export function faultOf(error: unknown): unknown {
  if (error instanceof DeadlineError) return unavailable(error)
  return error instanceof DrizzleQueryError ? unavailable(error.cause) : error
}

/**
 * `unavailable` for an error of the driver; where the error can only be a bug of ours, an `Error` that says so.
 * @param cause the driver's error
 */
export function unavailable(cause: unknown): Error {
  if (cause instanceof Problem) return cause
  const state = sqlState(cause) ?? ''
  if (OUR_BUGS.test(state) && !NOT_WHOLE.test(state)) {
    return new Error(`The database refused a statement of the store (SQLSTATE ${state})`, { cause })
  }
  return new Problem('unavailable', meaningOf(cause).detail, {
    retryAfter: meaningOf(cause).retryAfter,
    cause,
  })
}

/** The answer to COMMIT was lost: whether the change is in the log is not known here. */
export function uncertain(cause: unknown): Problem {
  return new Problem(
    'unavailable',
    'The database did not confirm the commit: the change may have been applied. Read before repeating it, or repeat it with the same Idempotency-Key.',
    { retryAfter: 1, cause },
  )
}
