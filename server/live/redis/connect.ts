/**
 * The one place that opens Redis. Commands on the hot path are answered within 50 ms or fail; the first failure opens
 * a breaker, and until a probe in the background closes it nothing is sent and nobody waits. Whatever Redis does, this
 * process goes on. Each condition is logged once, and never with what was sent or who we are.
 */
import { ReplyError } from 'ioredis'
import { TimeoutError, within } from '../../waiting.ts'
import { createConditions, type Log } from '../conditions.ts'
import { createBreaker } from './breaker.ts'
import { type Client, openBulk, openHot, openListener, type RedisSettings } from './clients.ts'
import { keepListening } from './listen.ts'
import type { Credentials, RedisHost } from './url.ts'

export type { Client, RedisSettings } from './clients.ts'

export type RedisLink = {
  readonly prefix: string
  /** Whether a command is worth sending: false from the first failure until Redis works again. */
  usable(): boolean
  /** Commands that somebody waits for. Rejects after 50 ms, and at once where Redis is not usable. */
  ask<T>(work: (client: Client) => Promise<T>): Promise<T>
  /**
   * The same for large values, on a connection of their own.
   * @param withinMs half a minute where absent
   */
  carry<T>(work: (client: Client) => Promise<T>, withinMs?: number): Promise<T>
  /** Never waits and never fails: what can't be sent now is lost. */
  publish(channel: string, message: string): void
  /** Resolves after the first attempt, successful or not, with the function that stops listening. */
  listen(channel: string, onMessage: (message: string) => void): Promise<() => Promise<void>>
  status(): RedisStatus
  readonly counts: RedisCounts
  close(): Promise<void>
}

export type RedisStatus = { readonly ok: boolean; readonly error?: string }

/** They only grow. */
export type RedisCounts = { commands: number; failures: number; timeouts: number }

export type RedisDeps = {
  readonly log: Log
  /** From 0 up to 1. */
  readonly random: () => number
}

/** Milliseconds for an answer that somebody waits for, and for a large value's. */
export const HOT_MS = 50
const BULK_MS = 30_000
/** How long large values wait for Redis to be usable at all. */
const HOPE_MS = 1_000

const NOT_CONNECTED = new Error('there is no connection')

/** The conditions' subjects. */
const COMMANDS = 'redis'
const LISTENING = 'redis: change notices'
const PUBLISHING = 'redis: telling of changes'

/** Begins to connect; resolves nothing, and never throws for a Redis that is away. */
export function openRedis(settings: RedisSettings, { log, random }: RedisDeps): RedisLink {
  const { prefix, address } = settings
  const conditions = createConditions(log)
  const counts: RedisCounts = { commands: 0, failures: 0, timeouts: 0 }
  const harmless = harmlessWithout([address.credentials, address.sentinelCredentials])
  const stops = new Set<() => Promise<void>>()
  const hoping = new Set<() => void>()
  let bulk: Client | undefined
  let closing = false

  const client = openHot(settings, random)
  const breaker = createBreaker({
    probe,
    random,
    now: () => performance.now(),
    onFailure: (cause) => {
      // Where it was said why, that there is no connection is no news.
      if (cause === NOT_CONNECTED && conditions.of(COMMANDS) !== undefined) return
      conditions.fail(COMMANDS, 'Redis does not work; it is done without', harmless(cause))
    },
    onClosed: () => {
      conditions.clear(COMMANDS)
      conditions.clear(PUBLISHING)
      for (const tell of hoping) tell()
    },
  })
  client.on('ready', breaker.tryNow)
  client.on('error', breaker.trip)
  client.on('close', () => breaker.trip(NOT_CONNECTED))

  /** A PING of every server, that shows, too, whether we may write and read. */
  async function probe(): Promise<void> {
    // Nothing ends it but us; should anything, it begins again.
    if (client.status === 'end') client.connect().catch(() => undefined)
    if (client.status !== 'ready') throw NOT_CONNECTED
    const key = `${prefix}probe`
    const servers = 'nodes' in client ? client.nodes('master') : [client]
    await within(
      Promise.all([
        client.set(key, '', 'PX', 60_000),
        client.get(key),
        ...servers.map((server) => server.ping()),
      ]),
      HOT_MS,
    )
  }

  function count(cause: unknown): void {
    counts.failures++
    if (cause instanceof TimeoutError) counts.timeouts++
  }

  const trip = (cause: unknown): void => breaker.trip(client.status === 'ready' ? cause : NOT_CONNECTED)

  function fail(cause: unknown): Error {
    count(cause)
    const error = harmless(cause)
    // A value of another kind under one key is that key's trouble alone.
    if (!error.message.startsWith('WRONGTYPE')) trip(cause)
    return error
  }

  /** Refused it is this channel's trouble alone. */
  function failToPublish(cause: unknown): void {
    count(cause)
    if (closing) return
    if (!(cause instanceof ReplyError)) trip(cause)
    conditions.fail(
      PUBLISHING,
      'others are not told of a change; they see it at their next poll',
      harmless(cause),
    )
  }

  /** Resolves as soon as Redis is usable, if that is soon: who carries large values can wait for it to connect. */
  async function usable(): Promise<void> {
    if (breaker.closed) return
    let tell = (): void => {}
    const told = new Promise<void>((resolve) => {
      tell = resolve
    })
    hoping.add(tell)
    await within(told, HOPE_MS)
      .catch(() => {
        throw new Error(`Redis does not work: ${conditions.of(COMMANDS) ?? 'it is not connected yet'}`)
      })
      .finally(() => hoping.delete(tell))
  }

  /** A cluster's channels are all its nodes'. */
  function hostOf(attempt: number): RedisHost | undefined {
    if (address.kind !== 'cluster' || !('nodes' in client)) return undefined
    const nodes = client.nodes().map(({ options: { host = '', port = 0 } }) => ({ host, port }))
    const hosts = nodes.length > 0 ? nodes : address.hosts
    return hosts[attempt % hosts.length]
  }

  return {
    prefix,
    counts,
    usable: () => breaker.closed,
    async ask(work) {
      if (!breaker.closed) throw new Error('Redis is bypassed until it works again')
      counts.commands++
      try {
        return await within(work(client), HOT_MS)
      } catch (cause) {
        throw fail(cause)
      }
    },
    async carry(work, withinMs = BULK_MS) {
      if (closing) throw new Error('Redis is closed')
      await usable()
      bulk ??= openBulk(settings, random, BULK_MS).on('error', () => {})
      counts.commands++
      try {
        return await within(work(bulk), withinMs)
      } catch (cause) {
        count(cause)
        throw harmless(cause)
      }
    },
    publish(channel, message) {
      within(client.publish(prefix + channel, message), HOT_MS).then(
        () => conditions.clear(PUBLISHING),
        failToPublish,
      )
    },
    async listen(channel, onMessage) {
      const stop = await keepListening({
        connect: (attempt) => openListener(settings, hostOf(attempt)),
        channel: prefix + channel,
        onMessage,
        random,
        onFailure: (cause) =>
          conditions.fail(LISTENING, 'changes of other instances are seen at the next poll', harmless(cause)),
        onListening: () => conditions.clear(LISTENING),
      })
      const stopping = async (): Promise<void> => {
        stops.delete(stopping)
        await stop()
      }
      stops.add(stopping)
      return stopping
    },
    status() {
      const error = [COMMANDS, LISTENING, PUBLISHING]
        .map(conditions.of)
        .find((reason) => reason !== undefined)
      if (error !== undefined) return { ok: false, error }
      return breaker.closed ? { ok: true } : { ok: false, error: 'Redis is not connected yet' }
    },
    async close() {
      closing = true
      breaker.stop()
      await Promise.all([...stops].map((stop) => stop()))
      client.disconnect()
      bulk?.disconnect()
    },
  }
}

/** What the client's errors may have beside their message. */
type ClientError = Error & { readonly code?: string; readonly lastNodeError?: ClientError }

/**
 * Errors of the client carry the command that failed, with the password or somebody's flags among its arguments,
 * and some servers quote arguments back. Only the message is kept, without any of it, and without what makes the same
 * failure look new each time.
 */
function harmlessWithout(all: readonly Credentials[]): (cause: unknown) => Error {
  const secrets = all.flatMap(({ password }) => (password === undefined ? [] : [password]))
  return (cause) => {
    const error: ClientError = cause instanceof Error ? cause : new Error(String(cause))
    const { message, code = '', lastNodeError: node } = error
    const whole = `${message || code}${node === undefined ? '' : ` (${node.code ?? node.message})`}`
    const short = whole.replace(/,? with args beginning with.*/s, '').replace(/ after [\d.]+ms/, '')
    return new Error(secrets.reduce((text, secret) => text.replaceAll(secret, '…'), short))
  }
}
