/**
 * What apps call, on the hot path: synchronous, without I/O, and total. Whatever goes wrong, the caller's default is
 * the value, and `details` says why.
 */
import {
  type AttributePath,
  type Compiled,
  type Context,
  type Decision,
  type DecisionMetadata,
  type ErrorCode,
  type Explanation,
  evaluate,
  explain,
  type FlagKey,
  type Json,
  type SkippedRule,
  type VariantKey,
} from '../core/index.ts'
import type { FallbackOf, FlagKeyOf, ValueOf } from '../flags.ts'
import { dehydrate } from './dehydrate.ts'
import type { Source } from './holder.ts'
import type { Complain } from './logger.ts'
import { type PageData, pageContext } from './page-data.ts'
import type { Telemetry } from './telemetry.ts'

export type Details<T> = {
  /** The flag's value, or the caller's default. Objects are frozen. */
  readonly value: T
  /** Absent where the value is the caller's default. */
  readonly variant?: VariantKey
  readonly reason: Decision['reason']
  readonly errorCode?: ErrorCode | 'TYPE_MISMATCH' | 'PROVIDER_NOT_READY'
  readonly errorDetails?: string
  readonly metadata: DecisionMetadata & { readonly override?: true }
  /** Of the state that answered; 0 where there was none. */
  readonly revision: number
  readonly epoch: number
  /** Whose state it is, `<project>/<environment>`; absent where there was none. */
  readonly flagSetId?: string
  /** Milliseconds since the server last confirmed that state; absent where there was none. */
  readonly ageMs?: number
  readonly source: Source
  /** Rules of the flag that this version of the SDK does not understand, and passes over. */
  readonly skippedRules?: readonly SkippedRule[]
}

/** What is evaluated for; attributes are read, never kept. Keys and types are checked once `Flags` has any. */
export type Getters = {
  boolean(key: FlagKeyOf<'boolean'>, fallback: boolean, context?: Context): boolean
  string(key: FlagKeyOf<'string'>, fallback: string, context?: Context): string
  number(key: FlagKeyOf<'number'>, fallback: number, context?: Context): number
  /** The value is frozen, and not checked against its type: the flag's `valueSchema` is what keeps its shape. */
  object<T extends FallbackOf<K> & object, K extends FlagKeyOf<'object'> = FlagKeyOf<'object'>>(
    key: K,
    fallback: T,
    context?: Context,
  ): ValueOf<K, T>
  /** The type that is expected is the default's. */
  details<T extends FallbackOf<K>, K extends FlagKeyOf = FlagKeyOf>(
    key: K,
    fallback: T,
    context?: Context,
  ): Details<ValueOf<K, T>>
  /** Every step to the decision, by the same evaluator. */
  explain(key: FlagKeyOf, context?: Context): Explanation
  /** The same calls with a context already in them: for a request that asks for many flags. */
  for(context: Context): Getters
}

export type Facts = {
  readonly source: Source
  readonly epoch: number
  readonly revision: number
  readonly ageMs: number | undefined
}

export type Evaluation = {
  readonly getters: Getters
  /**
   * The flags that pages may see, for this context as a page gets it, so that the server answers the page the same. Not
   * counted: nobody has read them yet.
   *
   * @param complain told of what of the context no page can get
   */
  dehydrate(context: Context | undefined, complain: Complain): PageData
  /** From now on this is evaluated; undefined: nothing is, because of `why`. */
  serve(compiled: Compiled | undefined, why?: string): void
  /** What each of these flags gives this context now, uncounted. Overridden ones, and those that are unknown, are left out. */
  attribute(
    keys: Iterable<FlagKey>,
    context: Context | undefined,
    to: (key: FlagKey, decision: Decision) => void,
  ): void
  /** From now on the flag has this value; undefined lets the server's stand again. */
  override(key: FlagKey, value: Json | undefined): void
}

export type EvaluationOptions = {
  /** Attributes of every evaluation. */
  readonly base: Context | undefined
  /** Epoch milliseconds. */
  readonly clock: () => number
  /** Asked only by `details`. */
  readonly facts: () => Facts
  readonly telemetry: Telemetry
}

type Answer = Decision | Overridden | Unserved
type Overridden = {
  readonly value: Json
  readonly variant?: undefined
  readonly reason: 'STATIC'
  readonly errorCode?: undefined
  readonly errorDetails?: undefined
  readonly metadata: { readonly override: true }
}
type Unserved = {
  readonly value?: undefined
  readonly variant?: undefined
  readonly reason: 'ERROR'
  readonly errorCode: 'PROVIDER_NOT_READY' | 'GENERAL'
  readonly errorDetails: string
  readonly metadata: DecisionMetadata
}

const NOTHING: Context = Object.freeze({})
const NO_METADATA: DecisionMetadata = Object.freeze({})
const OVERRIDE = Object.freeze({ override: true } as const)

export function createEvaluation({ base, clock, facts, telemetry }: EvaluationOptions): Evaluation {
  let compiled: Compiled | undefined
  let dated = false
  let unserved = unservedBecause('No ruleset has arrived yet.')
  let overrides: Map<FlagKey, Overridden> | undefined
  /** A box: attributes that no flag reads are left out of it, so that most calls have nothing to merge. */
  const rooted: { context: Context | undefined } = { context: base }

  function decide(key: FlagKey, context: Context | undefined, within: Context | undefined): Answer {
    if (overrides !== undefined) {
      const overridden = overrides.get(key)
      if (overridden !== undefined) return overridden
    }
    const current = compiled
    if (current === undefined) return unserved
    try {
      const now = dated && current.flags.get(key)?.dated === true ? clock() : 0
      const decision = evaluate(current, key, merged(within, context), now)
      telemetry.counted(key, decision)
      return decision
    } catch (cause) {
      return crashed(cause)
    }
  }

  function gettersIn(box: { readonly context: Context | undefined }, whole: Context | undefined): Getters {
    return {
      boolean(key, fallback, context) {
        const { value } = decide(key, context, box.context)
        return typeof value === 'boolean' ? value : fallback
      },
      string(key, fallback, context) {
        const { value } = decide(key, context, box.context)
        return typeof value === 'string' ? value : fallback
      },
      number(key, fallback, context) {
        const { value } = decide(key, context, box.context)
        return typeof value === 'number' ? value : fallback
      },
      object<T extends FallbackOf<K> & object, K extends FlagKeyOf<'object'>>(
        key: K,
        fallback: T,
        context?: Context,
      ) {
        const { value } = decide(key, context, box.context)
        return (isObject(value) ? value : fallback) as ValueOf<K, T>
      },
      details(key, fallback, context) {
        return detailed(key, fallback, decide(key, context, box.context))
      },
      explain(key, context) {
        const current = compiled
        if (current === undefined) return { decision: asDecision(unserved), steps: [] }
        try {
          return explain(current, key, merged(whole, context), clock())
        } catch (cause) {
          return { decision: asDecision(crashed(cause)), steps: [] }
        }
      },
      for(context) {
        const inner = mergedOrUnreadable(whole, context)
        return gettersIn({ context: inner }, inner)
      },
    }
  }

  function detailed<K extends string, T>(key: K, fallback: T, answer: Answer): Details<ValueOf<K, T>> {
    const { value, variant, reason, errorCode, errorDetails, metadata } = answer
    const { source, epoch, revision, ageMs } = facts()
    const skipped = compiled?.flags.get(key)?.skipped
    const common = {
      metadata,
      epoch,
      revision,
      source,
      ...(compiled !== undefined && { flagSetId: `${compiled.state.project}/${compiled.state.environment}` }),
      ...(ageMs !== undefined && { ageMs }),
      ...(skipped !== undefined && skipped.length > 0 && { skippedRules: skipped }),
    }
    if (value === undefined) {
      return {
        value: fallback as ValueOf<K, T>,
        reason,
        ...(errorCode !== undefined && { errorCode }),
        ...(errorDetails !== undefined && { errorDetails }),
        ...common,
      }
    }
    const wanted = typeName(fallback)
    const found = typeName(value)
    if (wanted !== found) {
      return {
        value: fallback as ValueOf<K, T>,
        reason: 'ERROR',
        errorCode: 'TYPE_MISMATCH',
        errorDetails: `The flag's value is of type ${found}, and the default's type is ${wanted}.`,
        ...common,
      }
    }
    return { value: value as ValueOf<K, T>, ...(variant !== undefined && { variant }), reason, ...common }
  }

  return {
    getters: gettersIn(rooted, base),
    dehydrate(context, complain) {
      const whole = { ...pageContext(base, complain), ...pageContext(context, complain) }
      return dehydrate(compiled, whole, (key) => overrides?.get(key)?.value, clock())
    },
    serve(next, why) {
      compiled = next
      dated = next !== undefined && next.instants.length > 0
      rooted.context = next === undefined ? base : relevant(base, next.reads)
      if (why !== undefined) unserved = unservedBecause(why)
    },
    attribute(keys, context, to) {
      const current = compiled
      if (current === undefined) return
      const now = dated ? clock() : 0
      const whole = merged(rooted.context, context)
      for (const key of keys) {
        if (current.flags.has(key) && overrides?.has(key) !== true)
          to(key, evaluate(current, key, whole, now))
      }
    },
    override(key, value) {
      const next = new Map(overrides)
      if (value === undefined) next.delete(key)
      else next.set(key, { value, reason: 'STATIC', metadata: OVERRIDE })
      overrides = next.size > 0 ? next : undefined
    },
  }
}

/** `Object.assign` is ten times as fast as two spreads in V8, but takes `__proto__` for the prototype. */
function merged(base: Context | undefined, context: Context | undefined): Context {
  if (base === undefined) return context ?? NOTHING
  if (context === undefined || context === null) return base
  return Object.hasOwn(context, '__proto__') || Object.hasOwn(base, '__proto__')
    ? { ...base, ...context }
    : Object.assign({}, base, context)
}

/** What cannot be read now (a getter that throws, a revoked proxy) cannot be read by an evaluation, which says so. */
function mergedOrUnreadable(base: Context | undefined, context: Context | undefined): Context {
  try {
    return merged(base, context)
  } catch (cause) {
    const fail = (): never => {
      throw cause
    }
    return new Proxy({}, { getOwnPropertyDescriptor: fail, ownKeys: fail })
  }
}

/** The attributes of `base` that some flag reads; undefined where there are none. */
function relevant(base: Context | undefined, reads: readonly AttributePath[]): Context | undefined {
  if (base === undefined) return undefined
  const kept = Object.entries(base).filter(([name]) =>
    reads.some((path) => path === name || path.startsWith(`${name}.`)),
  )
  return kept.length > 0 ? Object.fromEntries(kept) : undefined
}

function unservedBecause(why: string): Unserved {
  return Object.freeze({
    reason: 'ERROR',
    errorCode: 'PROVIDER_NOT_READY',
    errorDetails: why,
    metadata: NO_METADATA,
  })
}

function crashed(cause: unknown): Unserved {
  return {
    reason: 'ERROR',
    errorCode: 'GENERAL',
    errorDetails: `The evaluation failed: ${cause instanceof Error ? cause.message : 'something was thrown'}`,
    metadata: NO_METADATA,
  }
}

/** An explanation knows only the evaluator's codes. */
function asDecision({ errorDetails, metadata }: Unserved): Decision {
  return { reason: 'ERROR', errorCode: 'GENERAL', errorDetails, metadata }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function typeName(value: unknown): string {
  return Array.isArray(value) ? 'array' : typeof value
}
