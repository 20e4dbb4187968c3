/**
 * Answers of remote evaluation, as OFREP writes them and as pages carry them: types alone, which the node, browser
 * and React entries share.
 */
import type { Context, Decision, ErrorCode, FlagKey, Json, VariantKey } from './core/index.ts'

/** One flag's answer. `value` and `variant` are absent together: then the caller's default applies. */
export type FlagAnswer = {
  readonly key: FlagKey
  readonly value?: Json
  readonly variant?: VariantKey
  readonly reason?: Decision['reason']
  readonly errorCode?: ErrorCode
  readonly errorDetails?: string
  readonly metadata?: AnswerMetadata
}

/** Flat, as OpenFeature has it. `version` is the revision of the flag itself. */
export type AnswerMetadata = {
  readonly version?: number
  readonly killed?: boolean
  readonly [name: string]: string | number | boolean | undefined
}

/** What a server puts into a page, so that the page's first frame has its values: see `dehydrate`. */
export type Dehydrated = {
  /** What the flags were evaluated for. */
  readonly context: Context
  /** The state that they were evaluated on, in quotes: a page asks for that one or a newer. */
  readonly etag: string
  readonly flags: readonly FlagAnswer[]
}
