/** Kill and un-kill: they work on a flag of any shape, broken ones too. Scope: the environment's log. */
import type { FlagKey, Json, Kill } from '@halyard/sdk/core'
import type { Edit, LogId } from './change.ts'

const later = (): never => {
  throw new Error('Not built yet.')
}
export type Killed = {
  readonly kill: Kill
  /** The flag was killed before; `kill` is the first one. */
  readonly already: boolean
  /** What apps get from now on. */
  readonly serves: { readonly variant: string; readonly value: Json } | { readonly codeDefault: true }
  /** Flags that require this one, directly or not, sorted: they serve their off variant now. */
  readonly alsoOff: readonly FlagKey[]
}
export const kill = (
  _environment: LogId,
  _flag: FlagKey,
  _input: { readonly comment?: string | undefined } = {},
): Edit<Killed> => later
export const unkill = (_environment: LogId, _flag: FlagKey): Edit<{ readonly ended: Kill }> => later
