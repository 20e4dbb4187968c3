/**
 * Kills that were accepted without the database: what is kept and sent of them until they are in its log, as a text
 * that is believed wherever it comes from. Whoever changed it, or signed it with another secret, is refused.
 */
import type { FlagKey, Kill } from '@halyard/sdk/core'
import type { Actor, LogId } from '../../domain/change.ts'
import type { Idempotency } from '../../store/store.ts'
import { signedText, signText } from '../signed-text.ts'

/** One request's kills. */
export type AcceptedKills = {
  /** Unlike all others', of the alphabet `[a-z0-9]`. */
  readonly id: string
  readonly environment: LogId
  readonly actor: Actor
  readonly comment?: string
  /** The log knows the request by it, so that whoever brings it there again changes nothing. */
  readonly idempotency: Omit<Idempotency, 'fresh'>
  readonly kills: Readonly<Record<FlagKey, Kill>>
}

/** @param key 32 bytes, for accepted kills alone */
export function seal(accepted: AcceptedKills, key: Buffer): string {
  return signText(JSON.stringify(accepted), key)
}

/** What was sealed; undefined where the signature does not hold. */
export function unseal(sealed: string, key: Buffer): AcceptedKills | undefined {
  const text = signedText(sealed, key)
  return text === undefined ? undefined : (JSON.parse(text) as AcceptedKills)
}
