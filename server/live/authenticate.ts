/**
 * Whose key is this? Answered from memory: a key verified once is recognised without hashing for as long as the
 * directory holds it. An unknown one costs at most a shared, rationed read of the store. Hides both memories.
 */
import { CONFIGURED_KEY } from '../domain/api-keys.ts'
import { digestOfKey, type KeyKind, parseKey, sameDigest } from '../domain/keys.ts'
import type { Directory, KnownKey } from './directory.ts'
import type { Principal } from './live.ts'

export type AuthenticateDeps = {
  readonly directory: () => Directory
  /** The configured admin key, if there is one. */
  readonly adminKey: string | undefined
  readonly clock: { now(): number }
  /** Whether any truth is held. */
  readonly loaded: () => boolean
  /** Whether the store has told, since this process began, what there is: before, all that is held are snapshots. */
  readonly confirmed: () => boolean
  /** Whether the store answered when it was last asked: else a fresh read would only keep the caller waiting. */
  readonly storeAnswers: () => boolean
  /** Reads what is newer, single flight. */
  readonly refresh: () => Promise<void>
}

export type Authenticate = {
  /** @param charge called before a key that is not known here is looked for or refused; what it throws is the answer */
  (secret: string, charge?: () => void): Promise<Principal | 'unknown' | 'unloaded'>
  /** Of a key that was verified before and is in force still: without a wait. */
  recognise(secret: string): Principal | undefined
  /** A key by its id, if it is in force: for what was signed here on its behalf, and comes without its text. */
  find(id: string): Promise<Found | 'unknown' | 'unloaded'>
}
export type Found = Pick<KnownKey, 'digest' | 'expiresAt' | 'principal'>

/** Verified keys that are remembered, and ids that are known to be unknown. */
const REMEMBERED = 10_000
/** For how long an id that a fresh read did not find is not looked for again; the least time between reads. */
const UNKNOWN_FOR_MS = 2_000
const READS_APART_MS = 200

type Verified = { known: KnownKey; id: string; directory: Directory }

export function createAuthenticate(deps: AuthenticateDeps): Authenticate {
  const { directory, clock, loaded, confirmed, storeAnswers, refresh } = deps
  const admin = deps.adminKey === undefined ? undefined : adminOf(deps.adminKey)
  // By the key's text: a map compares hashes before texts, and its hash is seeded, so timing tells nothing of a text.
  const verified = new Map<string, Verified>()
  const unknownUntil = new Map<string, number>()
  let lastRead = Number.NEGATIVE_INFINITY
  let nextRead: Promise<boolean> | undefined

  const inForce = ({ expiresAt }: KnownKey): boolean => expiresAt === undefined || clock.now() < expiresAt

  /** The key if it was verified before, and the directory still holds it. */
  function recognise(secret: string): Principal | undefined {
    const memory = verified.get(secret)
    if (memory === undefined) return undefined
    const now = directory()
    if (memory.directory !== now) {
      const known = now.key(memory.id)
      if (known === undefined || known.digest !== memory.known.digest || known.kind !== memory.known.kind) {
        verified.delete(secret)
        return undefined
      }
      memory.known = known
      memory.directory = now
    }
    return inForce(memory.known) ? memory.known.principal : undefined
  }

  function verify(secret: string, id: string, kind: string): Principal | 'refused' | 'missing' {
    const now = directory()
    const known = now.key(id)
    if (known === undefined) return 'missing'
    if (known.kind !== kind || !inForce(known) || !sameDigest(digestOfKey(secret), known.digest))
      return 'refused'
    remember(verified, secret, { known, id, directory: now })
    return known.principal
  }

  /**
   * Another instance may have minted the key a moment ago. All who ask share the next read, which begins after they
   * asked; reads keep their distance, so a flood of unknown keys is a few reads a second. False where it failed.
   */
  function freshRead(): Promise<boolean> {
    if (nextRead !== undefined) return nextRead
    const wait = Math.min(READS_APART_MS, Math.max(0, lastRead + READS_APART_MS - clock.now()))
    const reading = (): Promise<boolean> => {
      nextRead = undefined
      lastRead = clock.now()
      return refresh().then(
        () => true,
        () => false,
      )
    }
    if (wait === 0) return reading()
    nextRead = new Promise<void>((resolve) => setTimeout(resolve, wait)).then(reading)
    return nextRead
  }

  /** A key that is newer than a snapshot, or of a project that could not be loaded, is not found, and may yet be good. */
  function missing(kind: KeyKind): 'unknown' | 'unloaded' {
    return confirmed() && (kind === 'management' || directory().complete) ? 'unknown' : 'unloaded'
  }

  const authenticate: (...asked: Parameters<Authenticate>) => ReturnType<Authenticate> = async (
    secret,
    charge,
  ) => {
    const recognised = recognise(secret)
    if (recognised !== undefined) return recognised
    // Nor may the configured admin see an empty service where nothing is loaded yet: absence is no truth.
    if (!loaded()) return 'unloaded'
    if (admin !== undefined && sameDigest(digestOfKey(secret), admin.digest)) return admin.principal
    const parsed = parseKey(secret)
    const first = parsed === undefined ? 'refused' : verify(secret, parsed.id, parsed.kind)
    if (typeof first !== 'string') return first
    charge?.()
    if (parsed === undefined || first === 'refused') return 'unknown'
    const { id, kind } = parsed
    if (!storeAnswers() || clock.now() < (unknownUntil.get(id) ?? 0)) return missing(kind)
    const answered = await freshRead()
    const second = verify(secret, id, kind)
    if (second === 'missing' && answered) remember(unknownUntil, id, clock.now() + UNKNOWN_FOR_MS)
    if (second === 'missing') return missing(kind)
    return second === 'refused' ? 'unknown' : second
  }

  const find: Authenticate['find'] = async (id) => {
    if (!loaded()) return 'unloaded'
    if (id === CONFIGURED_KEY.id) return admin === undefined ? 'unknown' : { ...admin, expiresAt: undefined }
    const first = directory().key(id)
    if (first !== undefined) return inForce(first) ? first : 'unknown'
    if (!storeAnswers()) return 'unloaded'
    if (clock.now() < (unknownUntil.get(id) ?? 0)) return 'unknown'
    const answered = await freshRead()
    const second = directory().key(id)
    if (second !== undefined) return inForce(second) ? second : 'unknown'
    if (answered) remember(unknownUntil, id, clock.now() + UNKNOWN_FOR_MS)
    return answered ? 'unknown' : 'unloaded'
  }
  return Object.assign(authenticate, { recognise, find })
}

function adminOf(key: string): { readonly digest: string; readonly principal: Principal } {
  const { id: keyId, name, grants } = CONFIGURED_KEY
  return { digest: digestOfKey(key), principal: { kind: 'management', keyId, name, grants } }
}

/** The oldest is forgotten first. */
function remember<V>(memory: Map<string, V>, key: string, value: V): void {
  if (memory.size >= REMEMBERED) {
    const [oldest] = memory.keys()
    if (oldest !== undefined) memory.delete(oldest)
  }
  memory.set(key, value)
}
