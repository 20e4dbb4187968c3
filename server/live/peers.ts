/**
 * Other instances, spoken to directly: for what must go between them when neither the database nor Redis carries it.
 * Messages are signed with a key that only this installation has; whoever else asks is told nothing.
 */
import type { LogId } from '../domain/change.ts'
import type { Notice } from '../domain/notice.ts'
import type { Question } from './delivery/roll-call.ts'
import type { Spread } from './kills/spread.ts'
import type { Noticeboard } from './noticeboard.ts'
import type { Instance } from './presence.ts'
import { signedText, signText } from './signed-text.ts'
import { singleFlight } from './single-flight.ts'

export type Peer = { readonly id: string; readonly address: string }

export type Peers = {
  readonly spread: Spread
  /** What each accounts for, asked now. Nothing while the usual ways work. */
  readonly accounts: Pick<Noticeboard, 'all'>
  /** One instance's answer to a question. Rejects where it is not known where it is, or it does not answer in time. */
  ask(server: string, question: Question, withinMs: number): Promise<string>
  /** Tells the others that this one is there. */
  greet(): void
  /** Tells the others where there is something newer. Never waits, and never fails. */
  notify(notice: Notice): void
  /** Whether that pass was made by an instance a moment ago: known before the message is read, which may be large. */
  admits(pass: string | undefined): boolean
  /** A message of another instance: what to answer, or undefined where it is not to be believed. */
  receive(message: string): Promise<string | undefined>
}

/** The path at which instances take messages, and the header with the sender's pass. */
export const PEER_PATH = '/peers/v1/messages'
export const PEER_PASS = 'halyard-peer'

export type PeersDeps = {
  /** Those that are known to run, but this one. */
  readonly peers: () => readonly Peer[]
  /** This one. */
  readonly self: () => Instance
  /** An instance speaks. */
  readonly onPeer: (instance: Instance) => void
  /** 32 bytes, for messages alone. */
  readonly key: Buffer
  /** Whether the usual ways fail: kills wait for the database. */
  readonly needed: () => boolean
  /** What this instance accounts for now. */
  readonly account: () => string
  /** What this instance answers to a question. */
  readonly answer: (question: Question) => Promise<string>
  /** An instance says that there is something newer. */
  readonly onNotice: (notice: Notice) => void
  /** What others send. False where it is not to be believed. */
  readonly onKills: (sealed: string) => Promise<boolean>
  /** Epoch milliseconds. */
  readonly clock: { now(): number }
}

type Message = {
  readonly at: number
  readonly from?: Instance
  /** Of accepted kills. */
  readonly sealed?: string
  readonly question?: Question
  readonly notices?: readonly Notice[]
}

const ANSWER_MS = 400
/** Instances' clocks may differ by so much, milliseconds. */
const FRESH_MS = 120_000
const MOST_REMEMBERED = 10_000

export function createPeers(deps: PeersDeps): Peers {
  const { peers, self, onPeer, key, needed, account, answer, onNotice, onKills, clock } = deps
  /** By accepted kills, who has them. */
  const delivered = new Map<string, Set<string>>()

  /** Rejects, and never throws, also where an address is none: it is what somebody put up. */
  const say = async (
    address: string,
    message: Pick<Message, 'sealed' | 'question' | 'notices'>,
    withinMs = ANSWER_MS,
  ): Promise<string> =>
    posted(
      new URL(PEER_PATH, address).href,
      signText(JSON.stringify({ at: clock.now(), from: self(), ...message }), key),
      peerPass(clock.now(), key),
      withinMs,
    )

  /** Of each log the newest that nobody was told of. */
  const untold = new Map<LogId, Notice>()
  /** One telling at a time: however fast edits come, the others get a message a round trip. */
  const tellAll = singleFlight(async () => {
    const notices = [...untold.values()]
    untold.clear()
    if (notices.length > 0) {
      await Promise.allSettled(peers().map(({ address }) => say(address, { notices })))
    }
  })

  const isFresh = (at: number): boolean => Math.abs(clock.now() - at) <= FRESH_MS

  return {
    spread: {
      async send(id, sealed) {
        const has = delivered.get(id) ?? new Set()
        if (delivered.size < MOST_REMEMBERED) delivered.set(id, has)
        const tellings = peers()
          .filter((peer) => !has.has(peer.id))
          .map(async (peer) => {
            await say(peer.address, { sealed })
            has.add(peer.id)
          })
        await Promise.allSettled(tellings)
        return 'sent'
      },
      // They come by `receive`.
      listen: async () => async () => {},
      all: async () => [],
      forget: async (id) => void delivered.delete(id),
    },
    accounts: {
      async all() {
        if (!needed()) return []
        const told = await Promise.allSettled(peers().map(({ address }) => say(address, {})))
        return told.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
      },
    },
    async ask(server, question, withinMs) {
      const peer = peers().find(({ id }) => id === server)
      if (peer === undefined) throw new Error(`Nobody said where ${server} is.`)
      return say(peer.address, { question }, withinMs)
    },
    greet() {
      for (const { address } of peers()) say(address, {}).catch(() => undefined)
    },
    notify(notice) {
      untold.set(notice.log, notice)
      void tellAll()
    },
    admits(pass) {
      const at = pass === undefined ? undefined : signedText(pass, key)
      return at !== undefined && isFresh(Number(at))
    },
    async receive(message) {
      const told = believed(message, key)
      if (told === undefined || !isFresh(told.at)) return undefined
      if (told.from !== undefined) onPeer(told.from)
      for (const notice of told.notices ?? []) onNotice(notice)
      if (told.sealed !== undefined && !(await onKills(told.sealed))) return undefined
      return told.question === undefined ? account() : answer(told.question)
    },
  }
}

/** @param at now, epoch milliseconds */
export const peerPass = (at: number, key: Buffer): string => signText(String(at), key)

function believed(message: string, key: Buffer): Message | undefined {
  const text = signedText(message, key)
  return text === undefined ? undefined : (JSON.parse(text) as Message)
}

/** Posts a text and resolves with the text of a 200; else rejects, and soon. */
async function posted(url: string, text: string, pass: string, withinMs: number): Promise<string> {
  const answer = await fetch(url, {
    method: 'POST',
    body: text,
    headers: { 'content-type': 'text/plain', [PEER_PASS]: pass },
    redirect: 'error',
    signal: AbortSignal.timeout(withinMs),
  })
  if (answer.status !== 200) throw new Error(`it answered ${answer.status}`)
  return answer.text()
}
