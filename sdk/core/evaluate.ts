/**
 * (compiled, key, context, now) -> Decision: synchronous, pure and total. It never throws, whatever the context is,
 * and never changes it. With a trace it records every step; there is no second evaluator.
 */
import { type Attributes, attributesOf } from './attributes.ts'
import { unitOf } from './bucket.ts'
import type { Compiled, CompiledFlag } from './compiled.ts'
import { failed, NOT_FOUND } from './decisions.ts'
import type { CompiledFallthrough, CompiledPrerequisite, CompiledRule, TargetGroup } from './flags.ts'
import type { Context, Decision, FlagKey, VariantKey } from './ruleset.ts'
import { pick, splitStep } from './splits.ts'
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
  if (trace === null && flag.program.settled !== null) return flag.program.settled
  try {
    const required = flag.program.deep ? answerRequired(flag, compiled, context, now) : null
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
    for (const { flag: key } of flag.program.prerequisites) {
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
  const { program } = flag
  if (trace !== null) begin(flag, trace)
  if (program.settled !== null) return program.settled
  for (const required of program.prerequisites) {
    if (!isSatisfied(required, compiled, context, now, known, trace)) return required.off
  }
  const attributes = attributesOf(context)
  for (const group of program.targets) {
    const decision = target(group, attributes, trace)
    if (decision !== undefined) return decision
  }
  for (const rule of program.rules) {
    const decision = follow(rule, attributes, now, compiled, trace)
    if (decision !== undefined) return decision
  }
  return fallThrough(program.fallthrough, attributes, trace)
}

function begin({ killed, error, linked }: CompiledFlag, trace: Step[]): void {
  trace.push({ step: 'kill', killed })
  if (error !== undefined) trace.push({ step: 'compile', error })
  else if (linked.content.kind === 'whole')
    trace.push({ step: 'enabled', enabled: linked.content.body.enabled })
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
  const steps: Step[] | null = trace && known === null ? [] : null
  const decision =
    flag === undefined ? NOT_FOUND : (known?.get(flag) ?? decide(flag, compiled, context, now, known, steps))
  const satisfied =
    decision.reason !== 'DISABLED' &&
    decision.variant !== undefined &&
    required.variants.has(decision.variant)
  trace?.push({
    step: 'prerequisite',
    flag: required.flag,
    variants: [...required.variants],
    satisfied,
    decision,
    ...(steps && { steps }),
  })
  return satisfied
}

function target(group: TargetGroup, attributes: Attributes, trace: Step[] | null): Decision | undefined {
  const unit = unitOf(group.read(attributes))
  const decision = unit === undefined ? undefined : group.units.get(unit)
  trace?.push({ step: 'targets', by: group.by, ...(unit !== undefined && { unit }), ...served(decision) })
  return decision
}

/** The decision of a rule; undefined where the next one has its turn. */
function follow(
  rule: CompiledRule,
  attributes: Attributes,
  now: number,
  { segments }: Compiled,
  trace: Step[] | null,
): Decision | undefined {
  const { id, skipped, test, decision, split } = rule
  if (skipped !== undefined) {
    trace?.push({ step: 'rule', rule: id, skipped, matched: false })
    return undefined
  }
  const conditions: ConditionStep[] | null = trace && []
  const matched = test === null || test(attributes, now, segments, conditions)
  const answer = !matched ? undefined : split === null ? decision : (pick(split, attributes) ?? undefined)
  trace?.push({
    step: 'rule',
    rule: id,
    ...(conditions?.[0] && { when: conditions[0] }),
    matched,
    ...(matched && split !== null && { split: splitStep(split, attributes) }),
    ...served(answer),
  })
  return answer
}

function fallThrough(
  fallthrough: CompiledFallthrough,
  attributes: Attributes,
  trace: Step[] | null,
): Decision {
  const { skipped, split, missing } = fallthrough
  let { decision } = fallthrough
  if (split !== null) {
    const picked = pick(split, attributes)
    decision = picked === null ? missing : (picked ?? decision)
  }
  trace?.push({
    step: 'fallthrough',
    ...(skipped !== undefined && { skipped }),
    ...(split !== null && { split: splitStep(split, attributes) }),
    ...served(decision),
  })
  return decision
}

function served(decision: Decision | undefined): { readonly variant?: VariantKey } {
  return decision?.variant === undefined ? {} : { variant: decision.variant }
}
