/**
 * (compiled, key, context, now) -> Decision: synchronous, pure and total. It never throws, whatever the context is,
 * and never changes it. With a trace it records every step; there is no second evaluator.
 */
import { attributesOf } from './attributes.ts'
import { unitOf } from './bucket.ts'
import type { Compiled, CompiledFlag } from './compiled.ts'
import { failed, NOT_FOUND } from './decisions.ts'
import type { CompiledPrerequisite } from './flags.ts'
import { begin, fallthroughStep, prerequisiteStep, ruleStep, targetsStep } from './recorder.ts'
import type { Context, Decision, FlagKey } from './ruleset.ts'
import { pick } from './splits.ts'
import type { ConditionStep, Step } from './steps.ts'

/**
 * Evaluates one flag for one context.
 *
 * @param context what the app evaluates for; anything but an object has no attributes
 * @param now epoch milliseconds, whole; read by dated rules alone
 * @returns a frozen decision, perhaps the same one as for other contexts
 */
export function evaluate(compiled: Compiled, key: FlagKey, context: Context, now: number): Decision {
  return answer(compiled, key, context, now, null)
}

/** `evaluate`, with a trace to add steps to, or null. */
export function answer(
  compiled: Compiled,
  key: FlagKey,
  context: unknown,
  now: number,
  trace: Step[] | null,
): Decision {
  const flag = compiled.flags.get(key)
  if (flag === undefined) return NOT_FOUND
  if (trace === null && flag.settled !== null) return flag.settled
  try {
    const required = flag.deep ? answerRequired(flag, compiled, context, now) : null
    return decide(flag, compiled, context, now, required, trace)
  } catch (cause) {
    return failed('GENERAL', `the context could not be read: ${messageOf(cause)}`, { version: flag.version })
  }
}

/** An error of a context's getter or proxy can be anything. */
function messageOf(cause: unknown): string {
  try {
    return String(cause).slice(0, 200)
  } catch {
    return 'something was thrown that has no text'
  }
}

/** The decisions of flags that are required, known beforehand. */
type Known = ReadonlyMap<CompiledFlag, Decision>

/** Answers what a flag requires, directly or not: each flag once, those first that others require. */
function answerRequired(top: CompiledFlag, compiled: Compiled, context: unknown, now: number): Known {
  const known = new Map<CompiledFlag, Decision>()
  const open = [top]
  for (let flag = open.at(-1); flag !== undefined; flag = open.at(-1)) {
    const before = open.length
    for (const { flag: key } of flag.prerequisites) {
      const required = compiled.flags.get(key)
      if (required !== undefined && !known.has(required)) open.push(required)
    }
    if (open.length > before) continue
    open.pop()
    if (flag !== top && !known.has(flag)) known.set(flag, decide(flag, compiled, context, now, known, null))
  }
  return known
}

function decide(
  flag: CompiledFlag,
  compiled: Compiled,
  context: unknown,
  now: number,
  known: Known | null,
  trace: Step[] | null,
): Decision {
  if (trace !== null) begin(flag, trace)
  if (flag.settled !== null) return flag.settled
  for (const required of flag.prerequisites) {
    if (!isSatisfied(required, compiled, context, now, known, trace)) return required.off
  }
  const attributes = attributesOf(context)
  for (const group of flag.targets) {
    const unit = unitOf(group.read(attributes))
    const decision = unit === undefined ? undefined : group.units.get(unit)
    if (trace !== null) trace.push(targetsStep(group, unit, decision))
    if (decision !== undefined) return decision
  }
  for (let rule = flag.rules; rule !== null; rule = rule.next) {
    const { test, split } = rule
    const conditions: ConditionStep[] | null = trace === null ? null : []
    const matched = test === null || test(attributes, now, compiled.segments, conditions)
    const decision = !matched ? null : split === null ? rule.decision : pick(split, attributes, null)
    if (trace !== null) trace.push(ruleStep(rule, attributes, matched, conditions, decision))
    if (decision !== null) return decision
  }
  const { decision: plain, split, missing } = flag.fallthrough
  const decision = split === null ? plain : (pick(split, attributes, missing) ?? plain)
  if (trace !== null) trace.push(fallthroughStep(flag.fallthrough, attributes, decision))
  return decision
}

function isSatisfied(
  required: CompiledPrerequisite,
  compiled: Compiled,
  context: unknown,
  now: number,
  known: Known | null,
  trace: Step[] | null,
): boolean {
  const flag = compiled.flags.get(required.flag)
  const steps: Step[] | null = trace !== null && known === null ? [] : null
  const decision =
    flag === undefined ? NOT_FOUND : (known?.get(flag) ?? decide(flag, compiled, context, now, known, steps))
  const satisfied =
    decision.reason !== 'DISABLED' &&
    decision.variant !== undefined &&
    required.variants.has(decision.variant)
  if (trace !== null) trace.push(prerequisiteStep(required, satisfied, decision, steps))
  return satisfied
}
