/**
 * The flags that an app knows by name and type, or none: types alone. `halyard types` writes a file that adds them to
 * `Flags`; from then on a key that is unknown, or a default of another type, is a compile error in every entry. Until
 * then every text is a key.
 */

/**
 * Value types by flag key. Empty here; added to by declaration merging, by any number of files:
 * `declare module '@halyard/sdk/flags' { interface Flags { checkout: boolean } }`
 */
// biome-ignore lint/suspicious/noEmptyInterface: apps fill it.
export interface Flags {}

type Values = { boolean: boolean; string: string; number: number; object: object }
export type FlagKind = keyof Values

type Known = keyof Flags & string
type KnownOf<Kind extends FlagKind> = {
  [K in Known]: Flags[K] extends Values[Kind] ? K : never
}[Known]

/** The keys of flags of this type; without one, of all flags. Where no flag was added: any text. */
export type FlagKeyOf<Kind extends FlagKind = FlagKind> = [Known] extends [never] ? string : KnownOf<Kind>

/** What may be the default of a flag. */
export type FallbackOf<K extends string> = K extends Known ? Flags[K] : Values[FlagKind] | null

/** What a call for this flag gives: the flag's type; where that is not known, the default's. */
export type ValueOf<K extends string, Fallback> = K extends Known ? Flags[K] : Widened<Fallback>

/** `useFlag('a', false)` is about booleans, not about `false`. */
export type Widened<T> = T extends boolean
  ? boolean
  : T extends number
    ? number
    : T extends string
      ? string
      : T
