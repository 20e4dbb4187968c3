/**
 * Edits of one flag's configuration in one environment. Scope: the environment's log (with the project's log
 * locked above it, an archived flag is told from an unknown one). Whatever the edit, the whole document that
 * results is checked.
 */
import { entryOf, type FlagConfig, type FlagKey, type Json } from '@halyard/sdk/core'
import type { Change, Edit, LockedLogs, LogId, LogView } from './change.ts'
import { currentConfiguration, draftConfiguration, whyNotHere } from './current-configuration.ts'
import { asJson, lockedLog } from './documents.ts'
import { expectMatch } from './expectations.ts'
import { at, collectFaults, nearest, quote, refuse } from './faults.ts'
import type { Expectation, FlagConfigInput, RangesOption, RuleInput, ServeInput } from './inputs.ts'
import { mergePatch } from './merge-patch.ts'
import { Problem } from './problem.ts'
import { type Fields, fieldOf, isObject, listOf, startReading } from './reading.ts'
import { settle } from './settle.ts'
import { flagWarnings } from './warnings.ts'

/** Replaces the whole configuration. */
export function putConfiguration(
  environment: LogId,
  flag: FlagKey,
  input: FlagConfigInput,
  expect: Expectation,
  options: RangesOption = {},
): Edit<FlagConfig> {
  return configure(environment, flag, 'flag.configure', options, (logs, view) => {
    const refusal = entryOf(view.state, 'flag', flag) === undefined && whyNotHere(logs, view, flag)
    if (refusal) throw refusal
    expectMatch(view.state, 'flag', flag, expect)
    return { input }
  })
}

/** `patch`: a JSON Merge Patch (RFC 7396). */
export function patchConfiguration(
  environment: LogId,
  flag: FlagKey,
  patch: Json,
  expect: Expectation,
  options: RangesOption = {},
): Edit<FlagConfig> {
  return configure(environment, flag, 'flag.configure', options, (logs, view) => {
    const current = currentConfiguration(logs, view, flag)
    expectMatch(view.state, 'flag', flag, expect)
    return { input: mergePatch(current, patch) }
  })
}

/** Turns a flag on or off. `expect` holds where it is given, and may be left out: the action says all it means. */
export function setEnabled(
  environment: LogId,
  flag: FlagKey,
  enabled: boolean,
  expect: Expectation = {},
): Edit<FlagConfig> {
  return amend(
    environment,
    flag,
    enabled ? 'flag.enable' : 'flag.disable',
    expect,
    (current) => ({
      input: { ...current, enabled },
    }),
    { expected: 'optional' },
  )
}

export function putFallthrough(
  environment: LogId,
  flag: FlagKey,
  serve: ServeInput | null,
  expect: Expectation,
  options: RangesOption = {},
): Edit<FlagConfig> {
  return amend(
    environment,
    flag,
    'flag.fallthrough',
    expect,
    (current) => ({ input: { ...current, fallthrough: serve }, within: '/fallthrough' }),
    options,
  )
}

/** Replaces the units that get a variant whatever the rules say. No units: as `deleteTargets`. */
export function putTargets(
  environment: LogId,
  flag: FlagKey,
  variant: string,
  input: { readonly by?: string | undefined; readonly units: readonly (string | number)[] },
  expect: Expectation,
): Edit<FlagConfig> {
  return amend(environment, flag, 'flag.target', expect, (current) => {
    expectVariant(current, flag, variant)
    const targets = listOf(current.targets)
    const place = targets.findIndex((target) => fieldOf(target, 'variant') === variant)
    const index = place === -1 ? targets.length : place
    const others = targets.filter((target) => fieldOf(target, 'variant') !== variant)
    return {
      input: { ...current, targets: others.toSpliced(index, 0, { variant, ...input }) },
      within: at('/targets', Math.min(index, others.length)),
    }
  })
}

export function deleteTargets(
  environment: LogId,
  flag: FlagKey,
  variant: string,
  expect: Expectation,
): Edit<FlagConfig> {
  return amend(environment, flag, 'flag.untarget', expect, (current) => {
    expectVariant(current, flag, variant)
    const targets = listOf(current.targets).filter((target) => fieldOf(target, 'variant') !== variant)
    return { input: { ...current, targets } }
  })
}

/** Adds a rule before or after the named one; with neither, at the end. It replaces nothing, so `expect` may be left out. */
export function addRule(
  environment: LogId,
  flag: FlagKey,
  rule: RuleInput,
  place: { readonly before?: string | undefined; readonly after?: string | undefined } = {},
  expect: Expectation = {},
): Edit<FlagConfig> {
  return amend(
    environment,
    flag,
    'flag.rule.add',
    expect,
    (current) => {
      const { before, after } = place
      const rules = listOf(current.rules)
      if (before !== undefined && after !== undefined) {
        refuse('/after', 'A rule stands before one or after one: give one of them.', 'invalid-request')
      }
      const named = before ?? after
      const index =
        named === undefined ? rules.length : ruleIndex(rules, flag, named) + (before === undefined ? 1 : 0)
      return { input: { ...current, rules: rules.toSpliced(index, 0, rule) }, within: at('/rules', index) }
    },
    { expected: 'optional' },
  )
}

/** `patch`: a JSON Merge Patch on the rule. Its id stays. */
export function patchRule(
  environment: LogId,
  flag: FlagKey,
  id: string,
  patch: Json,
  expect: Expectation,
): Edit<FlagConfig> {
  return amend(environment, flag, 'flag.rule.update', expect, (current) => {
    const rules = listOf(current.rules)
    const index = ruleIndex(rules, flag, id)
    const rule = mergePatch(rules[index], patch)
    const given = fieldOf(patch, 'id')
    if (given !== undefined && given !== id) {
      refuse('/id', `A rule keeps its id, ${quote(id)}: by it its users keep their variants.`)
    }
    return { input: { ...current, rules: rules.with(index, rule) }, within: at('/rules', index) }
  })
}

export function deleteRule(
  environment: LogId,
  flag: FlagKey,
  id: string,
  expect: Expectation,
): Edit<FlagConfig> {
  return amend(environment, flag, 'flag.rule.delete', expect, (current) => {
    const rules = listOf(current.rules)
    return { input: { ...current, rules: rules.toSpliced(ruleIndex(rules, flag, id), 1) } }
  })
}

/** The document as the edit would have it. `within`: the part of it that the caller sent, for the pointers of faults. */
type Plan = { readonly input: unknown; readonly within?: string }

function amend(
  environment: LogId,
  flag: FlagKey,
  action: string,
  expect: Expectation,
  plan: (current: Fields) => Plan,
  { expected = 'required', ...options }: RangesOption & { readonly expected?: 'required' | 'optional' } = {},
): Edit<FlagConfig> {
  return configure(environment, flag, action, options, (logs, view) => {
    const current = currentConfiguration(logs, view, flag)
    expectMatch(view.state, 'flag', flag, expect, expected)
    return plan(current)
  })
}

function configure(
  environment: LogId,
  flag: FlagKey,
  action: string,
  { keepRanges = false }: RangesOption,
  plan: (logs: LockedLogs, view: LogView) => Plan,
): Edit<FlagConfig> {
  return (logs, moment): Change<FlagConfig> => {
    const view = lockedLog(logs, environment, 'environment-not-found')
    const { input, within = '' } = plan(logs, view)
    const reading = startReading(
      input,
      collectFaults((pointer) => relative(pointer, within)),
    )
    const { faults } = reading
    const { config, moved } = draftConfiguration(logs, view, flag, input, moment, { ...reading, keepRanges })
    faults.refuse()
    const edits = settle(view, [{ kind: 'flag', key: flag, definition: asJson(config), pointer: '' }], faults)
    return {
      action,
      edits: new Map(edits),
      warnings: flagWarnings(config, moved),
      result: config,
    }
  }
}

const relative = (pointer: string, within: string): string =>
  `${pointer}/`.startsWith(`${within}/`) ? pointer.slice(within.length) : pointer

function expectVariant(current: Fields, flag: FlagKey, variant: string): void {
  const { variants } = current
  if (fieldOf(variants, variant) !== undefined) return
  const didYouMean = isObject(variants) ? nearest(variant, Object.keys(variants)) : undefined
  throw new Problem('variant-not-found', `The flag ${quote(flag)} has no variant ${quote(variant)}.`, {
    didYouMean,
  })
}

function ruleIndex(rules: readonly unknown[], flag: FlagKey, id: string): number {
  const ids = rules.map((rule) => fieldOf(rule, 'id'))
  const index = ids.indexOf(id)
  if (index !== -1) return index
  const didYouMean = nearest(
    id,
    ids.filter((known) => typeof known === 'string'),
  )
  throw new Problem('rule-not-found', `The flag ${quote(flag)} has no rule ${quote(id)}.`, { didYouMean })
}
