/**
 * The SDKs of one environment that speak to this instance: which processes they are, what each holds, and when it was
 * heard last. One that went without a word stays for a while: it may be cut off, and nobody knows that it is off.
 */
import { compareStates } from '@halyard/sdk/core'
import type { CallerNames } from '../caller.ts'

export type Position = { readonly epoch: number; readonly revision: number }

/** One process of an app. Kept small: tens of thousands are there at once. */
export type Follower = CallerNames &
  Position & {
    readonly instance: string
    readonly page: boolean
    /** When it was first heard, epoch milliseconds. */
    readonly since: number
    /**
     * When it last showed that another instance may count it too, epoch milliseconds; 0 for never. It came with a state,
     * opened a stream that was not the next one after its last here, or said that its stream is not the one here.
     */
    movedAt: number
    /** The last time that it was gone from here before it came back, epoch milliseconds. */
    absent: { readonly from: number; readonly to: number } | undefined
    epoch: number
    revision: number
    heardAt: number
    /** Open now. */
    streams: number
    /** Has it had one? Otherwise it polls. */
    streamed: boolean
    /** The last one here, as it counts its own. */
    stream: number
    /**
     * When it said that it has opened another one since, epoch milliseconds; Infinity where it has not. Behind a load
     * balancer it speaks to all instances, and is followed by the one that has its stream.
     */
    elsewhereAt: number
    /** The longest time from one poll to the next, milliseconds. */
    everyMs: number
  }

/**
 * `away`: its stream has ended without a word, and nobody knows whether it still runs. `elsewhere`: another instance has
 * its stream, and some of its requests come here.
 */
export type How = 'stream' | 'poll' | 'away' | 'elsewhere'

export function howOf({ streams, streamed, elsewhereAt }: Follower): How {
  if (streams > 0) return 'stream'
  if (elsewhereAt < Number.POSITIVE_INFINITY) return 'elsewhere'
  return streamed ? 'away' : 'poll'
}

/** Since when it is not this instance's to count, epoch milliseconds: another one's, or silent for long. */
function goneAt({ streams, heardAt, everyMs, elsewhereAt }: Follower): number {
  const silent = heardAt + Math.max(SILENT_MS, everyMs * POLLS_MISSED)
  return streams > 0 ? elsewhereAt : Math.min(elsewhereAt, silent)
}

/** Whether it was this instance's to count at that time. One that came back since was not, where it was gone then. */
export function wasHere(follower: Follower, at: number): boolean {
  const { since, absent } = follower
  if (absent !== undefined && absent.from <= at && at < absent.to) return false
  return since <= at && goneAt(follower) > at
}

export type Caller = CallerNames & {
  readonly keyId: string
  readonly instance: string
  /** Of a browser: it has answers, and no state. */
  readonly page: boolean
  /** Which of its streams is open, here or at another instance, as it counts them; 0 for none. */
  readonly stream: number
}

export type Roster = {
  /** Opened a stream, holding that state. @returns its end */
  opened(
    caller: Caller,
    holds: Position | undefined,
    now: number,
  ): { readonly follower: Follower; close(): void }
  /** Asked for the state, holding that one. */
  asked(caller: Caller, holds: Position | undefined, now: number): Follower
  /** The follower of a key that calls itself so; undefined where none is known. */
  find(keyId: string, instance: string): Follower | undefined
  /** It has closed, and will hold nothing any more. */
  gone(caller: Pick<Caller, 'keyId' | 'instance' | 'stream'>): void
  /** The instances of those that closed not long before or after that time. */
  departed(since: number): string[]
  /** Lets go of those who have been silent for long. `keep`: somebody waits for them. */
  prune(now: number, keep: (follower: Follower) => boolean): void
  all(): Iterable<Follower>
  readonly size: number
}

/** Without a stream and without a word for so long, it counts as gone, milliseconds; pollers three times their interval. */
export const SILENT_MS = 120_000
const POLLS_MISSED = 3
/** How long a request may be under way when its sender closes, milliseconds. */
const UNDER_WAY_MS = 10_000
/** More are not told apart. Those without a stream go first, and of those that closed, those that closed first. */
const MOST = 100_000

export function createRoster(clock: { now(): number }): Roster {
  const followers = new Map<string, Follower>()
  /** When who closed; for long those that another instance may still wait for. */
  const departures = new Map<string, { readonly at: number; readonly moved: boolean }>()
  const nameOf = (keyId: string, instance: string): string => `${keyId}/${instance}`

  function heard(caller: Caller, holds: Position | undefined, now: number): Follower {
    const name = nameOf(caller.keyId, caller.instance)
    const known = followers.get(name)
    if (known !== undefined) {
      known.heardAt = now
      if (holds !== undefined) forward(known, holds)
      return known
    }
    if (followers.size >= MOST) makeRoom()
    const { app, version, sdk, instance, page } = caller
    // Without a spread: V8 gives each object that begins with one a shape of its own, slow to read.
    const follower: Follower = {
      app,
      version,
      sdk,
      instance,
      page,
      since: now,
      heardAt: now,
      absent: undefined,
      movedAt: holds !== undefined || caller.stream > 0 ? now : 0,
      epoch: holds?.epoch ?? 0,
      revision: holds?.revision ?? 0,
      streams: 0,
      streamed: false,
      stream: 0,
      elsewhereAt: caller.stream > 0 ? now : Number.POSITIVE_INFINITY,
      everyMs: 0,
    }
    // A request that was under way when it said that it closes brings nobody back.
    if (!departures.has(caller.instance)) followers.set(name, follower)
    return follower
  }

  function cameBack(follower: Follower, now: number): void {
    const from = goneAt(follower)
    if (from >= now) return
    follower.absent = { from, to: now }
    follower.movedAt = now
  }

  function makeRoom(): void {
    for (const [name, { streams }] of followers) {
      if (streams > 0) continue
      followers.delete(name)
      return
    }
  }

  return {
    opened(caller, holds, now) {
      const known = followers.get(nameOf(caller.keyId, caller.instance))
      const next = (known?.stream ?? 0) + 1
      if (known !== undefined) cameBack(known, now)
      const follower = heard(caller, holds, now)
      // Those that it counted in between were opened elsewhere. Who does not count them may have done so as well.
      const counts = caller.stream > 0
      if (counts ? caller.stream !== next : follower.streamed) follower.movedAt = now
      else if (known === undefined && counts) follower.movedAt = 0
      follower.elsewhereAt = Number.POSITIVE_INFINITY
      follower.stream = caller.stream
      follower.streams++
      follower.streamed = true
      let open = true
      return {
        follower,
        close() {
          if (!open) return
          open = false
          follower.streams--
          follower.heardAt = clock.now()
        },
      }
    },
    asked(caller, holds, now) {
      const known = followers.get(nameOf(caller.keyId, caller.instance))
      if (known !== undefined && known.streams === 0) {
        if (known.elsewhereAt === Number.POSITIVE_INFINITY) cameBack(known, now)
        known.everyMs = Math.max(known.everyMs, now - known.heardAt)
      }
      if (known !== undefined && caller.stream !== known.stream) {
        known.movedAt = now
        if (caller.stream > known.stream) known.elsewhereAt = Math.min(known.elsewhereAt, now)
      }
      return heard(caller, holds, now)
    },
    find: (keyId, instance) => followers.get(nameOf(keyId, instance)),
    gone({ keyId, instance, stream }) {
      const name = nameOf(keyId, instance)
      const known = followers.get(name)
      const moved = known === undefined || known.movedAt > 0 || known.stream !== stream
      followers.delete(name)
      // Whoever has a key may say that of as many names as it likes.
      const [oldest] = departures.keys()
      if (departures.size >= MOST && oldest !== undefined) departures.delete(oldest)
      departures.set(instance, { at: clock.now(), moved })
    },
    departed: (since) =>
      [...departures].flatMap(([instance, { at, moved }]) =>
        moved && at > since - SILENT_MS ? [instance] : [],
      ),
    prune(now, keep) {
      for (const [instance, { at, moved }] of departures) {
        if (now - at > (moved ? 2 * SILENT_MS : UNDER_WAY_MS)) departures.delete(instance)
      }
      for (const [name, follower] of followers) {
        const { streams, heardAt, everyMs } = follower
        if (streams > 0 || keep(follower)) continue
        if (now - heardAt > Math.max(SILENT_MS, everyMs * POLLS_MISSED)) followers.delete(name)
      }
    },
    all: () => followers.values(),
    get size() {
      return followers.size
    },
  }
}

/** Forward alone. */
function forward(follower: Follower, to: Position): void {
  if (compareStates(to, follower) <= 0) return
  follower.epoch = to.epoch
  follower.revision = to.revision
}
