/**
 * The answers of an evaluation, made when a ruleset is compiled: frozen, shared, and allocated once.
 */
import type {
  Decided,
  Decision,
  DecisionMetadata,
  ErrorCode,
  Failed,
  Json,
  Undecided,
  VariantKey,
} from './ruleset.ts'

export function decided(
  variant: VariantKey,
  value: Json,
  reason: Decided['reason'],
  metadata: DecisionMetadata,
): Decided {
  return Object.freeze({ value, variant, reason, metadata: Object.freeze(metadata) })
}

export function undecided(reason: Undecided['reason'], metadata: DecisionMetadata): Undecided {
  return Object.freeze({ reason, metadata: Object.freeze(metadata) })
}

export function failed(errorCode: ErrorCode, errorDetails: string, metadata: DecisionMetadata): Failed {
  return Object.freeze({ reason: 'ERROR', errorCode, errorDetails, metadata: Object.freeze(metadata) })
}

export const NOT_FOUND: Decision = failed('FLAG_NOT_FOUND', 'there is no such flag in this environment', {})
