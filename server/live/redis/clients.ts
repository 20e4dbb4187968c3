/**
 * Connections to Redis, made from an address: to one server, by way of Sentinels, or to a cluster. Each reconnects
 * for ever unless it says otherwise. Nothing here knows what is sent on them.
 */
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { retryDelay } from '../poll.ts'
import type { RedisAddress, RedisHost } from './url.ts'

export type RedisSettings = {
  readonly address: RedisAddress
  /** Every key and channel begins with it. */
  readonly prefix: string
  /** Certificates of the authorities to trust, PEM; those of the system where absent. */
  readonly ca: string | undefined
}

export type Client = Redis | Cluster

/** Milliseconds: to connect; and to get any byte while an answer is due, else the connection is given up. */
const CONNECT_MS = 2_000
const SILENCE_MS = 2_000
const RECONNECT = { first: 100, most: 2_000 }
const ANEW_APART_MS = 5_000

/**
 * For commands that have a deadline: what cannot be sent at once fails at once.
 * @param random from 0 up to 1
 */
export function openHot(settings: RedisSettings, random: () => number): Client {
  return open(settings, random, { enableOfflineQueue: false, socketTimeout: SILENCE_MS })
}

/** For large values, which take their time. Connects at its first command, and keeps that until it can be sent. */
export function openBulk(settings: RedisSettings, random: () => number, silenceMs: number): Client {
  return open(settings, random, { lazyConnect: true, socketTimeout: silenceMs })
}

/**
 * One connection to listen on, to any node of a cluster. It is not connected yet, and never connects again by
 * itself.
 * @param host in place of the address's first one
 */
export function openListener({ address, ca }: RedisSettings, host: RedisHost | undefined): Redis {
  const once = { ...common(address, ca), lazyConnect: true, socketTimeout: SILENCE_MS, retryStrategy: null }
  if (address.kind === 'sentinel') {
    return new Redis({ ...once, ...throughSentinels(address, ca), sentinelRetryStrategy: () => null })
  }
  return new Redis({ ...once, ...(host ?? address.hosts[0]) })
}

type Tuning = {
  readonly enableOfflineQueue?: boolean
  readonly lazyConnect?: boolean
  readonly socketTimeout: number
}

function open({ address, ca }: RedisSettings, random: () => number, tuning: Tuning): Client {
  const again = (attempt: number): number => retryDelay(attempt, random, RECONNECT)
  const options = { ...common(address, ca), ...tuning, retryStrategy: again }
  switch (address.kind) {
    case 'standalone':
      return new Redis({
        ...options,
        ...address.hosts[0],
        db: address.db,
        reconnectOnError: nowAndThen(isFormerMaster),
      })
    case 'sentinel':
      return new Redis({
        ...options,
        ...throughSentinels(address, ca),
        db: address.db,
        sentinelRetryStrategy: again,
        // The Sentinels know the new one.
        reconnectOnError: isFormerMaster,
      })
    case 'cluster':
      return new Cluster([...address.hosts], {
        enableOfflineQueue: tuning.enableOfflineQueue ?? true,
        lazyConnect: tuning.lazyConnect ?? false,
        clusterRetryStrategy: again,
        slotsRefreshTimeout: CONNECT_MS,
        redisOptions: { ...common(address, ca), socketTimeout: tuning.socketTimeout },
        // The names stay as they are, so that certificates can be held against them.
        ...(address.tls && { dnsLookup: (host, callback) => callback(null, host) }),
      })
  }
}

/** What was the master is one no more. */
const isFormerMaster = (error: Error): boolean => error.message.startsWith('READONLY')

/** The name may lead to the new master by now; and it may not, and what is read there is good all the same. */
function nowAndThen(holds: (error: Error) => boolean): (error: Error) => boolean {
  let last = Number.NEGATIVE_INFINITY
  return (error) => {
    const now = performance.now()
    if (!holds(error) || now - last < ANEW_APART_MS) return false
    last = now
    return true
  }
}

function common({ kind, credentials, tls }: RedisAddress, ca: string | undefined) {
  return {
    ...credentials,
    ...(tls && { tls: tlsOf(ca) }),
    connectTimeout: CONNECT_MS,
    connectionName: 'halyard',
    disableClientInfo: true,
    // A server that loads its data is found out by whoever asks. Behind Sentinels the check finds a former master.
    enableReadyCheck: kind === 'sentinel',
    // A command whose connection is lost is not sent again: its caller has long gone on without it.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
  } satisfies RedisOptions
}

const tlsOf = (ca: string | undefined) => (ca === undefined ? {} : { ca })

function throughSentinels(address: RedisAddress, ca: string | undefined) {
  const { username, password } = address.sentinelCredentials
  return {
    sentinels: address.hosts.map(({ host, port }) => ({ host, port })),
    name: address.name ?? '',
    ...(username !== undefined && { sentinelUsername: username }),
    ...(password !== undefined && { sentinelPassword: password }),
    ...(address.tls && { sentinelTLS: tlsOf(ca), enableTLSForSentinelMode: true }),
    sentinelCommandTimeout: CONNECT_MS,
  } satisfies RedisOptions
}
