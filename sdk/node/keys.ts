/**
 * The SDK's key: given, or asked for again when the server refuses it. Nothing here ever puts a secret into a
 * message.
 */
import { TransportError } from '../transport/errors.ts'

export type KeyFunction = () => string | Promise<string>

export type Keys = {
  /** The key to use now. Rejects with `TransportError` `key` where the function fails, hangs or gives none. */
  current(): Promise<string>
  /** The server refused this key: a function is asked again before the next use. */
  refused(key: string): void
  /** The id of the key in use, for people to find it by; undefined before the first. */
  id(): string | undefined
}

/** What is wrong with a key, in a sentence; undefined where nothing is. */
export function keyFault(key: unknown): string | undefined {
  if (typeof key !== 'string' || key === '') return 'The key must be a non-empty string.'
  if (!/^[\x21-\x7e]{1,512}$/.test(key))
    return 'The key has characters that no key has (spaces, or a line end?).'
  if (key.startsWith('hly_pub_'))
    return `${keyId(key)} is a client key; @halyard/sdk/node needs a server key (hly_srv_…).`
  if (key.startsWith('hly_api_'))
    return `${keyId(key)} is a management key; @halyard/sdk/node needs a server key (hly_srv_…).`
  return undefined
}

/** The part of a key that is not secret: `hly_srv_<id>`. */
export function keyId(key: string): string {
  return /^hly_[a-z]{3}_[a-z0-9]{1,64}(?=_)/.exec(key)?.[0] ?? '(a key of unknown form)'
}

/**
 * @param withinMs how long a key function may take, in milliseconds
 * @param signal ends waiting for a key function
 */
export function createKeys(key: string | KeyFunction, withinMs: number, signal: AbortSignal): Keys {
  let known = typeof key === 'string' ? key : undefined
  let asking: Promise<string> | undefined

  async function ask(give: KeyFunction): Promise<string> {
    let timer: NodeJS.Timeout | undefined
    let abort: (() => void) | undefined
    const late = new Promise<never>((_, reject) => {
      abort = () => reject(signal.reason)
      signal.addEventListener('abort', abort, { once: true })
      timer = setTimeout(() => {
        reject(new TransportError('key', `The key function gave no key within ${withinMs} ms.`))
      }, withinMs).unref()
    })
    try {
      signal.throwIfAborted()
      const given = await Promise.race([give(), late])
      const fault = keyFault(given)
      if (fault !== undefined) throw new TransportError('key', `The key function gave no good key. ${fault}`)
      known = given
      return given
    } catch (cause) {
      if (cause instanceof TransportError) throw cause
      throw new TransportError('key', 'The key function failed.', { cause })
    } finally {
      clearTimeout(timer)
      if (abort !== undefined) signal.removeEventListener('abort', abort)
    }
  }

  return {
    async current() {
      if (known !== undefined) return known
      if (typeof key === 'string') return key
      asking ??= ask(key).finally(() => {
        asking = undefined
      })
      return asking
    },
    refused(which) {
      if (typeof key !== 'string' && which === known) known = undefined
    },
    id: () => (known === undefined ? undefined : keyId(known)),
  }
}
