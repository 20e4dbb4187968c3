/**
 * What a person would want to know of a document that is in order: nothing here refuses. Warnings that need to know
 * which SDKs are connected are added where that is known.
 */
import type { Condition, FlagConfig, Segment, Serve } from '@halyard/sdk/core'
import type { Warning } from './change.ts'
import { at, placed } from './faults.ts'
import { TARGETING_KEY } from './reading.ts'

/** A split that was started afresh, and the share of users (0 to 1) that it may move. */
export type Moved = { readonly pointer: string; readonly share: number }

/** The warnings of a flag's configuration; pointers are into the document. */
export function flagWarnings(config: FlagConfig, moved: readonly Moved[]): Warning[] {
  return [
    ...servesOnlyOff(config),
    ...config.rules.flatMap(({ when }, index) =>
      when === undefined ? [] : conditionWarnings(when, `${at('/rules', index)}/when`),
    ),
    ...moved.map(userMove),
    ...unitOftenMissing(config),
  ]
}

export const segmentWarnings = ({ when }: Segment): Warning[] =>
  when === null ? [] : conditionWarnings(when, '/when')

/** The warnings of a document that the caller did not send: told where it was named, if it was. */
export const namedWarnings = (warnings: readonly Warning[], pointer: string, what: string): Warning[] =>
  warnings.map(({ pointer: within = '', ...warning }) => ({
    ...warning,
    ...(pointer === '' ? {} : { pointer }),
    message: `${placed(what, within)} ${warning.message}`,
  }))

function servesOnlyOff({ enabled, offVariant, targets, rules, fallthrough }: FlagConfig): Warning[] {
  const serves = [...rules.map(({ serve }) => serve), ...(fallthrough === null ? [] : [fallthrough])]
  const another =
    targets.some(({ variant }) => variant !== offVariant) ||
    serves.some((serve) => variantsServed(serve).some((variant) => variant !== offVariant))
  if (!enabled || another) return []
  const off = offVariant === null ? 'the code default' : `the off variant ${JSON.stringify(offVariant)}`
  return [
    {
      code: 'serves-only-off',
      message: `The flag is enabled, but everybody gets ${off}: add a target, a rule or a fallthrough that serves another variant.`,
    },
  ]
}

function variantsServed(serve: Serve): string[] {
  if ('variant' in serve) return [serve.variant]
  const { shares, missing } = serve.split
  const served = shares.filter(({ percent }) => percent > 0).map(({ variant }) => variant)
  return missing === undefined ? served : [...served, missing]
}

function userMove({ pointer, share }: Moved): Warning {
  const percent = Math.round(share * 1_000) / 10
  return {
    code: 'users-may-move',
    pointer,
    share,
    message: `About ${percent} percent of the users may get another variant than before: the salt, the attribute or a variant's key is new, so buckets are drawn afresh.`,
  }
}

function unitOftenMissing({ fallthrough }: FlagConfig): Warning[] {
  if (fallthrough === null || 'variant' in fallthrough) return []
  const { by, missing } = fallthrough.split
  if (by === TARGETING_KEY || missing !== undefined) return []
  return [
    {
      code: 'unit-often-missing',
      pointer: '/fallthrough/split',
      message: `A context without ${JSON.stringify(by)} gets the code default and an error: name a variant in "missing" if that can happen.`,
    },
  ]
}

/** Each `not` that holds just because an attribute is missing, in a condition that can hold then. */
function conditionWarnings(condition: Condition, pointer: string): Warning[] {
  return negations(condition, pointer).flatMap(({ inner, pointer: where }) => {
    const attribute = attributesOf(inner).find(
      (name) => holdsWithout(name, inner) === false && holdsWithout(name, condition) !== false,
    )
    if (attribute === undefined) return []
    return [
      {
        code: 'not-matches-missing' as const,
        pointer: where,
        message: `A context without ${JSON.stringify(attribute)} matches this: add "exists" beside it, or use "notIn", which asks for the attribute to be there.`,
      },
    ]
  })
}

type Negation = { readonly inner: Condition; readonly pointer: string }

function negations(condition: Condition, pointer: string): Negation[] {
  if ('not' in condition) {
    const inner = { inner: condition.not, pointer: `${pointer}/not` }
    return [inner, ...negations(condition.not, inner.pointer)]
  }
  return branches(condition).flatMap(([step, branch]) => negations(branch, pointer + step))
}

function branches(condition: Condition): [step: string, branch: Condition][] {
  if ('all' in condition) return condition.all.map((branch, index) => [at('/all', index), branch])
  if ('any' in condition) return condition.any.map((branch, index) => [at('/any', index), branch])
  return []
}

/** The attributes whose absence a person may not have thought of. */
function attributesOf(condition: Condition): string[] {
  if ('not' in condition) return attributesOf(condition.not)
  if ('attribute' in condition) {
    return condition.op === 'exists' || condition.attribute === '$now' ? [] : [condition.attribute]
  }
  return branches(condition).flatMap(([, branch]) => attributesOf(branch))
}

/** Whether a condition holds for a context without that attribute; undefined where other things decide. */
function holdsWithout(attribute: string, condition: Condition): boolean | undefined {
  if ('attribute' in condition) return condition.attribute === attribute ? false : undefined
  if ('segment' in condition) return undefined
  if ('not' in condition) {
    const inner = holdsWithout(attribute, condition.not)
    return inner === undefined ? undefined : !inner
  }
  const results = branches(condition).map(([, branch]) => holdsWithout(attribute, branch))
  const decisive = 'any' in condition
  if (results.includes(decisive)) return decisive
  return results.includes(undefined) ? undefined : !decisive
}
