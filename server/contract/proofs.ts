/**
 * Proofs, at compile time, that the schemas describe the very types that the domain takes and the model has:
 * there is one shape, written twice only where the other writing is checked here.
 */
import type { FlagConfig, Kill } from '@halyard/sdk/core'
import type { z } from 'zod'
import type { Warning as DomainWarning } from '../domain/change.ts'
import type { DiffLine } from '../domain/diff.ts'
import type { EnvironmentDocument, GrantDocument, Settings as SettingsDocument } from '../domain/documents.ts'
import type * as input from '../domain/inputs.ts'
import type { EditedWhileKilled } from '../domain/problem.ts'
import type { READ_ONLY_FIELDS } from '../domain/read-only.ts'
import type * as cohorts from './cohorts.ts'
import type * as documents from './documents.ts'
import type * as flags from './flags.ts'
import type * as keys from './keys.ts'
import type * as kills from './kills.ts'
import type * as moves from './moves.ts'
import type * as projects from './projects.ts'
import type * as resources from './resources.ts'

/** `readonly` says who may write, not what the shape is. */
type Shape<T> = T extends readonly (infer Item)[]
  ? readonly Shape<Item>[]
  : T extends object
    ? { readonly [Field in keyof T]: Shape<T[Field]> }
    : T
type Same<A, B> = [Shape<A>] extends [Shape<B>] ? ([Shape<B>] extends [Shape<A>] ? true : false) : false
type Prove<Claims extends readonly true[]> = Claims
type Schema<S extends z.ZodType> = z.output<S>
/** A body without the read-only fields that it accepts and drops. */
type Writable<S extends z.ZodType> = Omit<z.output<S>, (typeof READ_ONLY_FIELDS)[number] | 'initial'>

export type Proofs = Prove<
  [
    Same<Schema<typeof documents.ConditionInput>, input.ConditionInput>,
    Same<Schema<typeof documents.RuleInput>, input.RuleInput>,
    Same<Schema<typeof documents.ServeInput>, input.ServeInput>,
    Same<Schema<typeof documents.TargetInput>, input.TargetInput>,
    Same<Schema<typeof documents.ConfigurationInput>, input.FlagConfigInput>,
    Same<Writable<typeof flags.ConfigurationBody>, input.FlagConfigInput>,
    Same<Schema<typeof documents.SegmentInput>, input.SegmentInput>,
    Same<Writable<typeof cohorts.SegmentBody>, input.SegmentInput>,
    Same<Schema<typeof flags.FlagInput>, input.CreateFlagInput>,
    Same<Writable<typeof flags.FlagPatch>, input.FlagPatch>,
    Same<Schema<typeof projects.ProjectInput>, input.ProjectInput>,
    Same<Schema<typeof projects.EnvironmentInput>, input.EnvironmentInput>,
    Same<Writable<typeof projects.EnvironmentPatch>, input.EnvironmentPatch>,
    Same<Schema<typeof keys.SdkKeyInput>, input.SdkKeyInput>,
    Same<Schema<typeof keys.ApiKeyInput>, input.ApiKeyInput>,
    Same<Schema<typeof keys.Grant>, GrantDocument>,
    Same<Omit<Schema<typeof keys.RotateBody>, 'comment'>, input.RotateInput>,
    Same<Schema<typeof cohorts.MembersPatch>, input.MembersEdit>,
    Same<Schema<typeof cohorts.CommitBody>['changes'][number], input.ChangeInput>,
    Same<Schema<typeof projects.Settings>, SettingsDocument>,
    Same<Schema<typeof projects.Environment>['settings'], EnvironmentDocument['settings']>,
    Same<Omit<Schema<typeof moves.RevertBody>, 'toRevision' | 'comment'>, input.RevertInput>,
    Same<Omit<Schema<typeof moves.PromotionBody>, 'from' | 'to' | 'comment'>, input.PromotionInput>,
    Same<Schema<typeof resources.Warning>, DomainWarning>,
    Same<Schema<typeof resources.DiffLine>, DiffLine>,
    Same<Schema<typeof kills.EditedWhileKilled>, EditedWhileKilled>,
    Same<Schema<typeof documents.FlagConfig>, FlagConfig>,
    Same<Schema<typeof documents.Kill>, Kill>,
  ]
>
