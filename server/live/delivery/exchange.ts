/**
 * What instances tell each other of kills: each puts up what it accounts for while there is something new, and reads what
 * the others did; where the board cannot be relied on they are asked directly.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { LogId } from '../../domain/change.ts'
import { inTime, patience } from '../../waiting.ts'
import type { Noticeboard } from '../noticeboard.ts'
import type { Presence } from '../presence.ts'
import { readAccount, type ServerAccount } from './account.ts'

/** Whom other instances count for a kill, or have let go of, by the kill's id. */
export type Named = ReadonlyMap<string, ReadonlySet<string>>

/** One kill of an environment. */
export type KillName = {
  readonly environment: LogId
  /** Its id. */
  readonly kill: string
}

export type Exchange = {
  /** There is something new to tell. */
  tell(): void
  /** Who is here, and named elsewhere, is named here too from then on: now, or in a moment, when others have told. */
  look(when: 'now' | 'soon'): void
  /** What this instance accounts for now: of one kill, or of all. */
  own(of?: KillName): ServerAccount
  /**
   * What the others said as far as it comes in time; beyond that, what they said last, unless they have ended.
   * @param maxAgeMs of what was read for another, which is good enough: many wait for kills at once
   */
  others(withinMs: number, maxAgeMs?: number): Promise<readonly ServerAccount[]>
  stop(): Promise<void>
}

export type ExchangeDeps = {
  /** Where instances tell each other; undefined where this one is alone. */
  readonly board: Noticeboard | undefined
  /** What the others account for where they are asked directly: nothing while the board can be relied on. */
  readonly direct: Pick<Noticeboard, 'all'>
  readonly presence: Pick<Presence, 'own' | 'seen'>
  /** What this instance knows of one kill, or of all. */
  readonly account: (named: Named, of?: KillName) => ServerAccount
  /** Epoch milliseconds. */
  readonly clock: { now(): number }
}

type Heard = { readonly account: ServerAccount; readonly at: number; readonly onBoard: boolean }

/** From one telling to the next while there is something new, milliseconds; and as often as it takes itself, which is dear for many. */
const TELL_MS = 25
const TELL_SHARE = 10
/** The same while there is nothing new: whoever has kills to watch looks so often. */
export const TELL_AGAIN_MS = 5_000
const TOLD_FOR_MS = 3 * TELL_AGAIN_MS
/** From something new to a look at whom others name, milliseconds. */
const LOOK_MS = 100
/** How long the others are waited for, milliseconds. */
export const READ_MS = 500
/** The same, of the board alone, and after it was late, milliseconds. */
const WAIT = { most: READ_MS, late: 50 }

export function createExchange({ board, direct, presence, account, clock }: ExchangeDeps): Exchange {
  const self = presence.own().id
  const soon = patience(WAIT.most, WAIT.late)
  let news = false
  let telling: Promise<void> | undefined
  let looking: NodeJS.Timeout | undefined
  let stopped = false
  let named: Named = new Map()
  /** The last reading, by the monotonic clock. */
  let last: { readonly at: number; readonly accounts: Promise<readonly ServerAccount[]> } | undefined
  /** What each of the others said last, by its own clock, and when and where that was heard. */
  const heard = new Map<string, Heard>()

  const own = (of?: KillName): ServerAccount => account(named, of)
  const said = (): readonly ServerAccount[] => [...heard.values()].map(({ account }) => account)

  /** For as long as there is something new, and never twice at once. */
  function tell(): void {
    news = true
    if (board === undefined || stopped) return
    telling ??= (async () => {
      while (news && !stopped) {
        news = false
        const began = performance.now()
        const text = JSON.stringify(own())
        const tookMs = performance.now() - began
        await board.put(self, text, TOLD_FOR_MS).catch(() => undefined)
        await sleep(Math.max(TELL_MS, TELL_SHARE * tookMs), undefined, { ref: false })
      }
      telling = undefined
    })()
  }

  async function look(): Promise<void> {
    if (stopped) return
    await others(READ_MS)
    tell()
  }

  async function others(withinMs: number, maxAgeMs = 0): Promise<readonly ServerAccount[]> {
    const now = performance.now()
    if (last !== undefined && now - last.at < maxAgeMs) {
      return (await inTime(last.accounts, withinMs)) ?? said()
    }
    const accounts = read(withinMs)
    last = { at: now, accounts }
    return accounts
  }

  async function read(withinMs: number): Promise<readonly ServerAccount[]> {
    const reading = board && soon(board.all(), withinMs)
    const [shared, answered] = await Promise.all([reading, inTime(direct.all(), withinMs)])
    const now = clock.now()
    const speaking = new Set<string>()
    const hear = (texts: readonly string[] = [], onBoard: boolean): void => {
      for (const account of texts.flatMap((text) => readAccount(text) ?? [])) {
        const { server, at = 0 } = account
        if (server === self) continue
        speaking.add(server)
        if (at >= (heard.get(server)?.account.at ?? 0)) heard.set(server, { account, at: now, onBoard })
      }
    }
    hear(shared, true)
    hear(answered, false)
    for (const [server, { at, onBoard }] of heard) {
      const takenDown = onBoard && shared !== undefined
      const gone = !speaking.has(server) && (takenDown || presence.seen(server) === undefined)
      if (gone || now - at >= TOLD_FOR_MS) heard.delete(server)
    }
    const accounts = said()
    named = namedBy(accounts)
    return accounts
  }

  return {
    tell,
    look(when) {
      if (when === 'now') void look()
      else {
        looking ??= setTimeout(() => {
          looking = undefined
          void look()
        }, LOOK_MS).unref()
      }
    },
    own,
    others,
    async stop() {
      stopped = true
      clearTimeout(looking)
      await telling
      await board?.remove(self).catch(() => undefined)
    },
  }
}

function namedBy(accounts: readonly ServerAccount[]): Named {
  const names = new Map<string, Set<string>>()
  for (const { environments } of accounts) {
    for (const { kills } of Object.values(environments)) {
      for (const [kill, { sdks }] of Object.entries(kills)) {
        const ofKill = names.get(kill) ?? new Set()
        for (const { instance } of sdks.waiting) ofKill.add(instance)
        for (const instance of sdks.moved) ofKill.add(instance)
        names.set(kill, ofKill)
      }
    }
  }
  return names
}
