/**
 * Links that kill one flag, or one group of them, and can do nothing else. What a link may do stands in its token, signed,
 * and nowhere else: every instance reads it without asking anybody, so that it works while the database is away. It is in
 * force for as long as the key that made it.
 */
import { createHmac } from 'node:crypto'
import type { FlagKey } from '@halyard/sdk/core'
import type { LogId } from '../domain/change.ts'
import type { Authenticate } from './authenticate.ts'
import type { Directory } from './directory.ts'
import type { Environment, Manager } from './live.ts'
import { signedText, signText } from './signed-text.ts'

/** One flag; or the flags of a tag, or of the whole environment, as many as were expected. */
export type KillTarget =
  | { readonly flag: FlagKey }
  | { readonly tag: string; readonly expect: number }
  | { readonly all: true; readonly expect: number }

export type KillLink = {
  /** Tells it from others in the history. */
  readonly id: string
  readonly environment: LogId
  readonly target: KillTarget
  readonly comment: string | undefined
  /** Epoch milliseconds; whole seconds are kept. */
  readonly expiresAt: number
  readonly keyId: string
  /** Of the key's text: a configured key that was changed has the id that it had. */
  readonly keyMark: string
}

const VERSION = 1
/** As many characters as a link has at most; addresses that are longer are cut by some who pass them on. */
export const LONGEST_TOKEN = 2_000

/**
 * The claims come last: they are JSON, and so never end in a `-` or `_` that whoever finds links in texts leaves off.
 * @param secret key of the HMAC-SHA256 (RFC 2104)
 */
export function mintKillLink(secret: Buffer, link: KillLink): string {
  const { id, environment, target, comment = '', expiresAt, keyId, keyMark } = link
  const seconds = Math.floor(expiresAt / 1_000)
  const claims = [VERSION, id, environment, target, comment, seconds, keyId, keyMark]
  const text = Buffer.from(JSON.stringify(claims)).toString('base64url')
  return signText(text, secret)
}

/** What the token was made for, expired or not; undefined for what was not made here. */
export function readKillLink(secret: Buffer, token: string): KillLink | undefined {
  const text = token.length > LONGEST_TOKEN ? undefined : signedText(token, secret)
  if (text === undefined) return undefined
  // It is signed, so it is as it was made, by this version or by a later one.
  const claims = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
  const [version, id, environment, target, comment, seconds, keyId, keyMark] = claims
  if (version !== VERSION) return undefined
  return {
    ...{ id, environment, target, keyId, keyMark },
    comment: comment === '' ? undefined : comment,
    expiresAt: seconds * 1_000,
  }
}

/** Tells nothing of the key's digest. */
function markOf(secret: Buffer, digest: string): string {
  return createHmac('sha256', secret)
    .update(`halyard kill link key\n${digest}`)
    .digest('base64url')
    .slice(0, 11)
}

export type KillLinkInForce = {
  readonly link: KillLink
  readonly environment: Environment
  /** Of the key that made it. */
  readonly manager: Manager
}

/**
 * `unknown`: not made here, or for an environment that is gone; `unloaded`: that cannot be told now; `expired`, and
 * `revoked` where it is the key that has ended.
 */
export type OpenedKillLink = KillLinkInForce | 'unknown' | 'unloaded' | 'expired' | 'revoked'

export type KillLinks = {
  /**
   * @param keyId of the key that makes it, which is in force
   * @returns the token, and when it ends: with its key at the latest; undefined where the key has just ended
   */
  make(
    keyId: string,
    asked: Pick<KillLink, 'id' | 'environment' | 'target' | 'comment' | 'expiresAt'>,
  ): Promise<{ readonly token: string; readonly expiresAt: number } | undefined>
  /** @param charge called before what was not made here is refused; what it throws is the answer */
  open(token: string, charge: () => void): Promise<OpenedKillLink>
}

export type KillLinksDeps = {
  readonly secret: Buffer
  readonly keys: Pick<Authenticate, 'find'>
  readonly directory: () => Directory
  /** Reads what is newer. */
  readonly refresh: () => Promise<void>
  /** Epoch milliseconds. */
  readonly clock: { now(): number }
}

export function createKillLinks({ secret, keys, directory, refresh, clock }: KillLinksDeps): KillLinks {
  /** Another instance may have made it a moment ago. */
  async function environmentOf(id: LogId): Promise<Environment | undefined> {
    const known = directory().environmentById(id)
    if (known !== undefined) return known
    await refresh().catch(() => undefined)
    return directory().environmentById(id)
  }

  return {
    async make(keyId, asked) {
      const key = await keys.find(keyId)
      if (typeof key === 'string') return undefined
      const end = Math.min(asked.expiresAt, key.expiresAt ?? Number.POSITIVE_INFINITY)
      const expiresAt = Math.floor(end / 1_000) * 1_000
      const token = mintKillLink(secret, { ...asked, expiresAt, keyId, keyMark: markOf(secret, key.digest) })
      return { token, expiresAt }
    },
    async open(token, charge) {
      const link = readKillLink(secret, token)
      if (link === undefined) {
        charge()
        return 'unknown'
      }
      if (link.expiresAt <= clock.now()) return 'expired'
      const key = await keys.find(link.keyId)
      if (key === 'unloaded') return 'unloaded'
      if (key === 'unknown' || markOf(secret, key.digest) !== link.keyMark) return 'revoked'
      if (key.principal.kind !== 'management') return 'revoked'
      const environment = await environmentOf(link.environment)
      if (environment === undefined) return directory().complete ? 'unknown' : 'unloaded'
      return { link, environment, manager: key.principal }
    },
  }
}
