/**
 * Edits of one flag's configuration in one environment. Scope: the environment's log (with the project's log
 * locked above it, an archived flag is told from an unknown one).
 */
import type { FlagConfig, FlagKey, Json } from '@halyard/sdk/core'
import type { Edit, LogId } from './change.ts'
import type { Expectation, FlagConfigInput, RangesOption, RuleInput, ServeInput } from './inputs.ts'

const later = (): never => {
  throw new Error('Not built yet.')
}
export const putConfiguration = (
  _environment: LogId,
  _flag: FlagKey,
  _input: FlagConfigInput,
  _expect: Expectation,
  _options: RangesOption = {},
): Edit<FlagConfig> => later
/** `patch`: a JSON Merge Patch (RFC 7396). */
export const patchConfiguration = (
  _environment: LogId,
  _flag: FlagKey,
  _patch: Json,
  _expect: Expectation,
  _options: RangesOption = {},
): Edit<FlagConfig> => later
/** `expect` is held where it is given, and asked for by none of the edits below. */
export const setEnabled = (
  _environment: LogId,
  _flag: FlagKey,
  _enabled: boolean,
  _expect: Expectation = {},
): Edit<FlagConfig> => later
export const putFallthrough = (
  _environment: LogId,
  _flag: FlagKey,
  _serve: ServeInput | null,
  _expect: Expectation = {},
  _options: RangesOption = {},
): Edit<FlagConfig> => later
export const putTargets = (
  _environment: LogId,
  _flag: FlagKey,
  _variant: string,
  _input: { readonly by?: string | undefined; readonly units: readonly (string | number)[] },
  _expect: Expectation = {},
): Edit<FlagConfig> => later
export const deleteTargets = (
  _environment: LogId,
  _flag: FlagKey,
  _variant: string,
  _expect: Expectation = {},
): Edit<FlagConfig> => later
/** Adds a rule before or after the named one; with neither, at the end. */
export const addRule = (
  _environment: LogId,
  _flag: FlagKey,
  _rule: RuleInput,
  _place: { readonly before?: string | undefined; readonly after?: string | undefined } = {},
  _expect: Expectation = {},
): Edit<FlagConfig> => later
/** `patch`: a JSON Merge Patch on the rule. */
export const patchRule = (
  _environment: LogId,
  _flag: FlagKey,
  _id: string,
  _patch: Json,
  _expect: Expectation = {},
): Edit<FlagConfig> => later
export const deleteRule = (
  _environment: LogId,
  _flag: FlagKey,
  _id: string,
  _expect: Expectation = {},
): Edit<FlagConfig> => later
