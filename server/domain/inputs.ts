/**
 * What callers give to the edits: documents as people write them, before anything is checked or filled in.
 * Plain types, so that the contract's schemas can be proved against them. Edits trust none of it.
 */
import type { FlagType, Json, Scalar, Visibility } from '@halyard/sdk/core'

/** Percent with at most three decimals. */
export type ShareInput = { readonly variant: string; readonly percent: number }
export type RangeInput = { readonly variant: string; readonly from: number; readonly to: number }

export type SplitInput = {
  /** Default: `targetingKey`. */
  readonly by?: string | undefined
  /** Default: the flag's key. */
  readonly salt?: string | undefined
  readonly shares: readonly ShareInput[]
  /** Read-only: ignored, unless the edit was asked to keep ranges. */
  readonly ranges?: readonly RangeInput[] | undefined
  /** In a fallthrough alone. */
  readonly missing?: string | undefined
}
export type ServeInput = { readonly variant: string } | { readonly split: SplitInput }

export type ConditionInput =
  | { readonly all: readonly ConditionInput[] }
  | { readonly any: readonly ConditionInput[] }
  | { readonly not: ConditionInput }
  | { readonly segment: string }
  | {
      readonly attribute: string
      readonly op: string
      /** May be left out for `exists`, which takes none. */
      readonly values?: readonly Scalar[] | undefined
      readonly ignoreCase?: boolean | undefined
    }

export type RuleInput = {
  /** Minted where it is left out. */
  readonly id?: string | undefined
  readonly description?: string | undefined
  readonly when?: ConditionInput | undefined
  readonly serve: ServeInput
}
export type TargetInput = {
  readonly variant: string
  /** Default: `targetingKey`. */
  readonly by?: string | undefined
  readonly units: readonly (string | number)[]
}
export type PrerequisiteInput = { readonly flag: string; readonly variants: readonly string[] }

/** A flag's configuration as people write it. */
export type FlagConfigInput = {
  /** May be left out; must agree with the flag's type where it is given. */
  readonly type?: FlagType | undefined
  /** Default: false. */
  readonly enabled?: boolean | undefined
  /** Default: `server`. */
  readonly visibility?: Visibility | undefined
  readonly variants: { readonly [variant: string]: Json }
  /** Left out or null: no value, the app's code default applies. */
  readonly offVariant?: string | null | undefined
  readonly prerequisites?: readonly PrerequisiteInput[] | undefined
  readonly targets?: readonly TargetInput[] | undefined
  readonly rules?: readonly RuleInput[] | undefined
  /** Left out or null: the app's code default. */
  readonly fallthrough?: ServeInput | null | undefined
  readonly valueSchema?: { readonly [keyword: string]: Json } | undefined
}

export type CreateFlagInput = {
  readonly key: string
  readonly type: FlagType
  readonly description?: string | undefined
  readonly tags?: readonly string[] | undefined
  readonly owner?: string | null | undefined
  readonly temporary?: boolean | undefined
  /** RFC 3339; of a temporary flag alone. */
  readonly expiresAt?: string | null | undefined
  /** A boolean flag may leave out variants, offVariant and fallthrough: `on` and `off`, off, off. */
  readonly variants?: { readonly [variant: string]: Json } | undefined
  /** Other types name it, null included. */
  readonly offVariant?: string | null | undefined
  readonly fallthrough?: ServeInput | null | undefined
  readonly visibility?: Visibility | undefined
  readonly valueSchema?: { readonly [keyword: string]: Json } | undefined
}

/** A JSON Merge Patch (RFC 7396) on the identity's own fields. */
export type FlagPatch = {
  /** Immutable: must agree where it is given. */
  readonly type?: FlagType | undefined
  readonly description?: string | null | undefined
  readonly tags?: readonly string[] | null | undefined
  readonly owner?: string | null | undefined
  readonly temporary?: boolean | null | undefined
  readonly expiresAt?: string | null | undefined
}

export type SegmentInput = {
  /** Default: `targetingKey`. */
  readonly by?: string | undefined
  readonly ignoreCase?: boolean | undefined
  /** Left out or null: its members alone. */
  readonly when?: ConditionInput | null | undefined
}

export type MemberListEdit = {
  readonly add?: readonly (string | number)[] | undefined
  readonly remove?: readonly (string | number)[] | undefined
}
export type MembersEdit = {
  readonly included?: MemberListEdit | undefined
  readonly excluded?: MemberListEdit | undefined
}
export type MembersInput = {
  readonly included?: readonly (string | number)[] | undefined
  readonly excluded?: readonly (string | number)[] | undefined
}

export type SettingsInput = {
  /** Origins as browsers send them, `*`, or an origin with `*` for its port: `http://localhost:*`. */
  readonly corsOrigins?: readonly string[] | undefined
  readonly requireComment?: boolean | undefined
  readonly confirmBulk?: boolean | undefined
}
export type ProjectInput = { readonly key: string; readonly name?: string | undefined }
export type EnvironmentInput = {
  readonly key: string
  readonly name?: string | undefined
  /** The key of another environment of the project, whose configurations and segments are copied. */
  readonly from?: string | undefined
  readonly settings?: SettingsInput | undefined
}
export type EnvironmentPatch = {
  readonly name?: string | undefined
  readonly settings?: SettingsInput | undefined
}

export type GrantInput = {
  readonly role: 'admin' | 'editor' | 'viewer' | 'killer'
  readonly projects?: readonly string[] | undefined
  /** As `<project>/<environment>`. */
  readonly environments?: readonly string[] | undefined
}
export type ApiKeyInput = {
  readonly name: string
  readonly grants: readonly GrantInput[]
  /** RFC 3339. */
  readonly expiresAt?: string | null | undefined
}
export type SdkKeyInput = {
  readonly kind: 'server' | 'client'
  readonly name: string
  /** RFC 3339. */
  readonly expiresAt?: string | null | undefined
}

export type RotateInput = {
  /** For how long the old key is good still; a day by default. */
  readonly graceSeconds?: number | undefined
}

/** One entry of a batch. `ifRevision` 0: there must be none yet. */
export type ChangeInput = {
  readonly op: 'put' | 'delete'
  readonly kind: 'flag' | 'segment'
  readonly key: string
  readonly ifRevision?: number | undefined
  readonly definition?: Json | undefined
}

/** Which documents go back. With neither list: all of the environment. */
export type RevertInput = {
  readonly flags?: readonly string[] | undefined
  /** With their members. */
  readonly segments?: readonly string[] | undefined
}

export type Part =
  /** With the off variant, the value schema and the visibility. */
  | 'variants'
  | 'prerequisites'
  | 'rules'
  | 'targets'
  | 'fallthrough'
  | 'enabled'
  /** The shares of rules that the target has already. */
  | 'shares'
export type PromotionInput = {
  readonly flags: readonly string[]
  /** Default: variants, prerequisites, rules and fallthrough. */
  readonly parts?: readonly Part[] | undefined
  /** What travels of the segments that the rules name. Default: `when`. */
  readonly segments?: 'when' | 'members' | 'none' | undefined
  /** As a dry run answered it. */
  readonly plan?: string | undefined
}

/** The raw `If-Match` header: `*`, or a list of ETags `"<epoch>-<revision>"`. */
export type Expectation = { readonly ifMatch?: string | undefined }
/** `keepRanges`: write the ranges that the input gives, rather than reweight the previous ones. */
export type RangesOption = { readonly keepRanges?: boolean | undefined }
