/**
 * What is wrong right now, by subject. Each change of a condition is logged once, with its cause; a failure that
 * repeats says nothing new. Hides how changes are told apart.
 */
import { Problem } from '../domain/problem.ts'

export type Log = {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export type Conditions = {
  /** The subject fails, for that reason. Logged when it did not, or did for another reason. */
  fail(subject: string, message: string, cause: unknown): void
  /** The subject works (again). */
  clear(subject: string): void
  /** Why the subject fails; undefined where it works. */
  of(subject: string): string | undefined
}

export function createConditions(log: Log): Conditions {
  const reasons = new Map<string, string>()
  return {
    fail(subject, message, cause) {
      const reason = `${message}: ${reasonOf(cause)}`
      if (reasons.get(subject) === reason) return
      reasons.set(subject, reason)
      // A problem's is a sentence for people, and says what to do.
      log.error({ subject, err: cause }, cause instanceof Problem ? reason : message)
    },
    clear(subject) {
      if (reasons.delete(subject)) log.info({ subject }, `${subject} works again`)
    },
    of: (subject) => reasons.get(subject),
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
