/**
 * Who uses which key: noted with every request in bounded memory, saved now and then, and shown together with what
 * other instances have saved. Whatever a caller sends as its name is cut to size, and never an error.
 */
import type { KeyUse, Store } from '../store/store.ts'
import { inTime } from '../waiting.ts'
import { type CallerNames, callerNames, HEADER_BYTES } from './caller.ts'
import type { Conditions } from './conditions.ts'
import { singleFlight } from './single-flight.ts'

/** Who calls, as far as it told: the same object for the same key and names, for as long as it is remembered. */
export type Caller = Pick<KeyUse, 'app' | 'version' | 'sdk'>

export type KeyUses = {
  /**
   * A request with this key. On the hottest routes: some comparisons and a number.
   * @param app the header `Halyard-App`, `name/version`, as it came
   * @param sdk the header `Halyard-SDK`
   */
  note(keyId: string, app: string | undefined, sdk: string | undefined): Caller
  /** A stream with this key: a use for as long as it is open. @returns to be called once, at its end */
  opened(keyId: string, app: string | undefined, sdk: string | undefined): () => void
  /**
   * The newest uses of keys, newest first; a key without any is missing.
   * `complete: false`: the store did not say in time what other instances have seen, and this one before it started.
   */
  of(keyIds: readonly string[]): Promise<{
    readonly complete: boolean
    readonly uses: ReadonlyMap<string, readonly KeyUse[]>
  }>
  /** Saves what is new. Never rejects: a failure is a condition, and what was noted is kept for the next time. */
  save(): Promise<void>
}

export type KeyUsesDeps = {
  readonly store: Pick<Store, 'saveKeyUses' | 'keyUses' | 'pruneKeyUses'>
  readonly clock: { now(): number }
  readonly conditions: Conditions
  /** Whether the store answered when it was last asked: else a question would only keep the asker waiting. */
  readonly storeAnswers: () => boolean
}

/** Uses shown of a key. */
const SHOWN = 10
/** Kept of a key, here and in the store; keys kept here. Of more, those that were quiet longest are let go. */
export const USES_KEPT = 50
export const KEYS_KEPT = 10_000
/** Kept in the store, milliseconds. */
const KEPT_MS = 90 * 86_400_000
/** Uses saved by one statement; savings from one pruning to the next. */
const SAVED_AT_ONCE = 1_000
const SAVINGS_A_PRUNING = 20
/** How long someone who looks at keys waits for the store, milliseconds. */
const READ_MS = 1_000
/** Callers of a key that are recognised by their headers as they come: to read headers takes microseconds. */
const RECOGNISED = 64

type Use = KeyUse & {
  at: number
  savedAt: number
  /** Streams. */
  open: number
}
type OfKey = {
  readonly uses: Map<string, Use>
  /** By the headers as they came: app, then SDK. */
  readonly recognised: Map<string, Map<string, Use>>
  /** How many of those there are. */
  callers: number
}

export function createKeyUses({ store, clock, conditions, storeAnswers }: KeyUsesDeps): KeyUses {
  const keys = new Map<string, OfKey>()
  let savings = 0

  function seenOf(keyId: string, app = '', sdk = ''): Use {
    const ofKey = keys.get(keyId)
    const use = ofKey?.recognised.get(app)?.get(sdk)
    return use ?? newCaller(keyId, ofKey ?? kept(keyId), app, sdk)
  }

  function kept(keyId: string): OfKey {
    if (keys.size >= KEYS_KEPT) dropFirst(keys)
    const ofKey = { uses: new Map(), recognised: new Map(), callers: 0 }
    keys.set(keyId, ofKey)
    return ofKey
  }

  function newCaller(keyId: string, ofKey: OfKey, app: string, sdk: string): Use {
    const told = callerNames(app, sdk)
    const name = nameOf(told)
    let use = ofKey.uses.get(name)
    if (use === undefined) {
      if (ofKey.uses.size >= USES_KEPT) dropQuietest(ofKey)
      use = { key: keyId, ...told, at: 0, savedAt: 0, open: 0 }
      ofKey.uses.set(name, use)
    }
    // A header that was cut is not worth keeping whole.
    if (app.length <= HEADER_BYTES && sdk.length <= HEADER_BYTES) recognise(ofKey, app, sdk, use)
    return use
  }

  function recognise(ofKey: OfKey, app: string, sdk: string, use: Use): void {
    if (ofKey.callers >= RECOGNISED) forgetCallers(ofKey)
    const bySdk = ofKey.recognised.get(app) ?? new Map<string, Use>()
    ofKey.recognised.set(app, bySdk.set(sdk, use))
    ofKey.callers++
  }

  async function saveAll(): Promise<void> {
    if (!storeAnswers()) return
    const fresh = freshUses(clock.now())
    const prunes = savings++ % SAVINGS_A_PRUNING === 0
    try {
      for (let from = 0; from < fresh.length; from += SAVED_AT_ONCE) {
        const part = fresh.slice(from, from + SAVED_AT_ONCE)
        await store.saveKeyUses(part.map(({ saved }) => saved))
        for (const { use, saved } of part) use.savedAt = saved.at
      }
      if (prunes) await store.pruneKeyUses(clock.now() - KEPT_MS, USES_KEPT)
      conditions.clear(SUBJECT)
    } catch (cause) {
      conditions.fail(SUBJECT, 'they could not be saved; they are kept here and saved later', cause)
    }
  }

  /** What was used since it was saved last, as it is now. */
  function freshUses(now: number): { readonly use: Use; readonly saved: KeyUse }[] {
    const fresh: { use: Use; saved: KeyUse }[] = []
    for (const { uses } of keys.values()) {
      for (const use of uses.values()) {
        if (use.open > 0) use.at = now
        if (use.at > use.savedAt) fresh.push({ use, saved: plain(use) })
      }
    }
    return fresh
  }

  function heldUses(keyId: string, now: number): KeyUse[] {
    return Array.from(keys.get(keyId)?.uses.values() ?? [], (use) => plain(use, use.open > 0 ? now : use.at))
  }

  return {
    note(keyId, app, sdk) {
      const use = seenOf(keyId, app, sdk)
      use.at = clock.now()
      return use
    },
    opened(keyId, app, sdk) {
      const use = seenOf(keyId, app, sdk)
      use.at = clock.now()
      use.open++
      return () => {
        use.open--
        use.at = clock.now()
      }
    },
    async of(keyIds) {
      if (keyIds.length === 0) return { complete: true, uses: new Map() }
      const saved = storeAnswers() ? await inTime(store.keyUses(keyIds, SHOWN), READ_MS) : undefined
      const now = clock.now()
      const all = new Map(keyIds.map((keyId) => [keyId, heldUses(keyId, now)]))
      for (const use of saved ?? []) all.get(use.key)?.push(use)
      const uses = new Map<string, readonly KeyUse[]>()
      for (const [keyId, ofKey] of all) if (ofKey.length > 0) uses.set(keyId, newestOf(ofKey))
      return { complete: saved !== undefined, uses }
    },
    save: singleFlight(saveAll),
  }
}

const SUBJECT = 'uses of keys'

/** Each once, at its newest time. */
function newestOf(uses: readonly KeyUse[]): readonly KeyUse[] {
  const newest = new Map<string, KeyUse>()
  for (const use of uses) {
    const name = nameOf(use)
    if (use.at > (newest.get(name)?.at ?? 0)) newest.set(name, use)
  }
  return [...newest.values()].sort((a, b) => b.at - a.at).slice(0, SHOWN)
}

const plain = ({ key, app, version, sdk, at }: KeyUse, time: number = at): KeyUse => ({
  key,
  app,
  version,
  sdk,
  at: time,
})

// Names hold no control characters.
const nameOf = ({ app, version, sdk }: CallerNames): string => `${app}\n${version}\n${sdk}`

function dropFirst(map: Map<string, unknown>): void {
  const [first] = map.keys()
  if (first !== undefined) map.delete(first)
}

/** One with an open stream goes last. */
function dropQuietest(ofKey: OfKey): void {
  let quietest: readonly [name: string, use: Use] | undefined
  const order = ({ open, at }: Use) => (open > 0 ? Number.POSITIVE_INFINITY : at)
  for (const one of ofKey.uses)
    if (quietest === undefined || order(one[1]) < order(quietest[1])) quietest = one
  if (quietest !== undefined) ofKey.uses.delete(quietest[0])
  // Its caller is to be noted anew, and not where nobody looks any more.
  forgetCallers(ofKey)
}

function forgetCallers(ofKey: OfKey): void {
  ofKey.recognised.clear()
  ofKey.callers = 0
}
