/**
 * For which keys streams may be open: a key of the stream's environment that is in force. Asked when one is opened by a
 * token, and again of all that are open, since a key may end meanwhile.
 */
import type { LogId } from '../domain/change.ts'
import type { Directory, KnownKey } from './directory.ts'
import type { Bearer, StreamTokens } from './stream-token.ts'
import type { Streams } from './streams.ts'

export type StreamKeys = {
  /** Whom a stream token speaks for; undefined for what was not made here, is past its time, or whose key has ended. */
  bearer(token: string): Bearer | undefined
  /** Ends the streams of keys that have ended. */
  sweep(): void
}

export type StreamKeysDeps = {
  readonly directory: () => Directory
  readonly tokens: Pick<StreamTokens, 'read'>
  readonly streams: Pick<Streams, 'counts' | 'sweep'>
  /** Epoch milliseconds. */
  readonly clock: { now(): number }
}

export function createStreamKeys({ directory, tokens, streams, clock }: StreamKeysDeps): StreamKeys {
  function inForce(key: KnownKey | undefined, environment: LogId): boolean {
    if (key === undefined || key.principal.kind === 'management') return false
    if (key.principal.environment.id !== environment) return false
    return key.expiresAt === undefined || clock.now() < key.expiresAt
  }

  return {
    bearer(token) {
      const bearer = tokens.read(token)
      if (bearer === undefined) return undefined
      const key = directory().key(bearer.keyId)
      return key?.kind === bearer.scope && inForce(key, bearer.environment) ? bearer : undefined
    },
    sweep() {
      const { server, refetch } = streams.counts()
      if (server + refetch === 0) return
      const keys = directory()
      streams.sweep((environment, keyId) => inForce(keys.key(keyId), environment))
    },
  }
}
