/** What the API answers, as far as this room reads it: the published package knows nothing else of the server. */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

export type FlagType = 'boolean' | 'string' | 'number' | 'object'
export const FLAG_TYPES: readonly FlagType[] = ['boolean', 'string', 'number', 'object']

export type Range = { readonly variant: string; readonly from: number; readonly to: number }
export type Split = {
  readonly by: string
  readonly salt: string
  readonly shares: readonly { readonly variant: string; readonly percent: number }[]
  readonly ranges: readonly Range[]
  readonly missing?: string
}
export type Serve = { readonly variant: string } | { readonly split: Split }
export type Rule = {
  readonly id: string
  readonly description?: string
  readonly when?: Json
  readonly serve: Serve
}
export type Config = {
  readonly type: FlagType
  readonly enabled: boolean
  readonly visibility: 'server' | 'client'
  readonly variants: Readonly<Record<string, Json>>
  readonly offVariant: string | null
  readonly prerequisites: readonly { readonly flag: string; readonly variants: readonly string[] }[]
  readonly targets: readonly {
    readonly variant: string
    readonly by: string
    readonly units: readonly string[]
  }[]
  readonly rules: readonly Rule[]
  readonly fallthrough: Serve | null
  readonly valueSchema?: { readonly [keyword: string]: Json }
}
export type Kill = {
  readonly id: string
  readonly by: string
  readonly at: string
  readonly comment?: string
}
type Stamp = {
  readonly revision: number
  readonly changedAt: string
  readonly changedBy: { readonly name: string }
}
export type Configuration = Config & Stamp & { readonly key: string; readonly kill: Kill | null }
export type Flag = Stamp & {
  readonly key: string
  readonly type: FlagType
  readonly description: string
  readonly tags: readonly string[]
  readonly owner: string | null
  readonly temporary: boolean
  readonly expiresAt?: string
  readonly initial: Config
  readonly archived: { readonly at: string; readonly by: string } | null
}
export type Segment = Stamp & {
  readonly key: string
  readonly by: string
  readonly ignoreCase?: true
  readonly when: Json
  readonly members: { readonly included: number; readonly excluded: number }
}
export type Warning = { readonly code: string; readonly message: string; readonly pointer?: string }
export type DocumentDiff = {
  readonly kind: string
  readonly key: string
  readonly summary: readonly string[]
  readonly before: Json
  readonly after: Json
}
/** What every write answers. */
export type Outcome = {
  readonly revision: number
  readonly warnings: readonly Warning[]
  readonly diff?: readonly DocumentDiff[]
}
