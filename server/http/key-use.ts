/** Notes whose key a request carries, and which app says that it is the caller. */
import type { FastifyRequest } from 'fastify'
import type { Caller } from '../live/key-uses.ts'
import type { Live, StreamHandle } from '../live/live.ts'

type Headers = FastifyRequest['headers']

export function noteUse({ keyUses }: Live, keyId: string, headers: Headers): Caller {
  return keyUses.note(keyId, told(headers['halyard-app']), told(headers['halyard-sdk']))
}

/** An open stream is a use until it ends. */
export function noteStream(
  { keyUses }: Live,
  keyId: string,
  headers: Headers,
  stream: StreamHandle,
): StreamHandle {
  const ended = keyUses.opened(keyId, told(headers['halyard-app']), told(headers['halyard-sdk']))
  return {
    close() {
      stream.close()
      ended()
    },
  }
}

/** Node joins a header of ours that comes twice; its type does not say so. */
const told = (header: string | string[] | undefined) => header as string | undefined

type Shown = { readonly id: string }
const USES = ['lastUsedAt', 'lastUses', 'lastUsesIncomplete']

/**
 * Keys as shown, with when they were last used and by whom.
 * @param fields as the query names those that are wanted: the store is asked for nothing that is not shown
 */
export async function withUses<K extends Shown>(
  { keyUses }: Live,
  keys: readonly K[],
  fields?: string,
): Promise<readonly K[]> {
  if (fields !== undefined && !USES.some((name) => fields.includes(name))) return keys
  const { complete, uses } = await keyUses.of(keys.map(({ id }) => id))
  return keys.map((key) => {
    const ofKey = uses.get(key.id) ?? []
    const lastUses = ofKey.map(({ app, version, sdk, at }) => ({
      app: app || null,
      version: version || null,
      sdk: sdk || null,
      at: instant(at),
    }))
    const lastUsedAt = lastUses[0]?.at ?? null
    return { ...key, lastUsedAt, lastUses, ...(complete ? {} : { lastUsesIncomplete: true }) }
  })
}

const instant = (at: number): string => new Date(at).toISOString()
