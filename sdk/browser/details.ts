/** What an answer is worth to a caller with a default: total over any answer, for pages and for server rendering. */
import type { AnswerMetadata, FlagAnswer } from '../answers.ts'
import type { Decision, ErrorCode, VariantKey } from '../core/index.ts'
import type { FallbackOf, FlagKeyOf, ValueOf } from '../flags.ts'

/** Where the answers come from, or were last confirmed by. `default`: there are none. */
export type Source = 'stream' | 'poll' | 'cache' | 'bootstrap' | 'default'

export type Facts = {
  /** Of the environment's state that answered; 0 where it is not known. */
  readonly revision: number
  /** Milliseconds since the server last confirmed the answer; absent where it never did. */
  readonly ageMs?: number | undefined
  readonly source: Source
}

export type Details<T> = Facts & {
  /** The flag's value, or the caller's default. Objects are frozen. */
  readonly value: T
  /** Absent where the value is the caller's default. */
  readonly variant?: VariantKey | undefined
  readonly reason: Decision['reason']
  readonly errorCode?: ErrorCode | 'TYPE_MISMATCH' | 'PROVIDER_NOT_READY' | undefined
  readonly errorDetails?: string | undefined
  readonly metadata: AnswerMetadata
}

/** Keys and types are checked once `Flags` has any. None of these ever throws. */
export type Getters = {
  boolean(key: FlagKeyOf<'boolean'>, fallback: boolean): boolean
  string(key: FlagKeyOf<'string'>, fallback: string): string
  number(key: FlagKeyOf<'number'>, fallback: number): number
  /** The value is frozen, and not checked against its type: the flag's `valueSchema` is what keeps its shape. */
  object<T extends FallbackOf<K> & object, K extends FlagKeyOf<'object'> = FlagKeyOf<'object'>>(
    key: K,
    fallback: T,
  ): ValueOf<K, T>
  /** The type that is expected is the default's. */
  details<T extends FallbackOf<K>, K extends FlagKeyOf = FlagKeyOf>(
    key: K,
    fallback: T,
  ): Details<ValueOf<K, T>>
}

export const typeName = (value: unknown): string => (Array.isArray(value) ? 'array' : typeof value)

/** @param answer undefined: the flag is not known, or nothing is */
export function detailsOf<T>(answer: FlagAnswer | undefined, fallback: T, facts: Facts): Details<T> {
  const { value = fallback, variant, reason = 'ERROR', errorCode, errorDetails, metadata = {} } = answer ?? {}
  if (answer && typeName(value) === typeName(fallback)) {
    return {
      value: value as T,
      variant,
      reason,
      errorCode,
      errorDetails,
      metadata,
      ...facts,
    }
  }
  return {
    value: fallback,
    reason: 'ERROR',
    errorCode: answer
      ? 'TYPE_MISMATCH'
      : facts.source === 'default'
        ? 'PROVIDER_NOT_READY'
        : 'FLAG_NOT_FOUND',
    metadata,
    ...facts,
  }
}
