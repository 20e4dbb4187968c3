/**
 * `connect`: a client that evaluates in this process. Composes what holds, feeds and evaluates a ruleset, and says how
 * it stands; hides when it is ready, stale or refused.
 */
import { randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import type { Context, Json } from '../core/index.ts'
import type { FallbackOf, FlagKeyOf } from '../flags.ts'
import { TransportError } from '../transport/errors.ts'
import { type Acknowledger, createAcknowledger } from './acknowledger.ts'
import { createAlarm } from './alarm.ts'
import { type CacheFile, createCacheFile } from './cache-file.ts'
import { changedFlags } from './changed.ts'
import { createEvaluation, type Facts, type Getters } from './evaluation.ts'
import { type ClientEvents, createEmitter, type Listener } from './events.ts'
import { createHolder, type Source } from './holder.ts'
import { createKeys, type Keys } from './keys.ts'
import { complaining } from './logger.ts'
import { type ConnectOptions, type Settings, settingsOf } from './options.ts'
import type { PageData } from './page-data.ts'
import { type Running, run } from './source.ts'
import { type ClientState, createStanding } from './standing.ts'
import { createTelemetry, silent } from './telemetry.ts'
import { SURROUNDINGS, type Surroundings } from './timing.ts'
import { createTrack, type Track } from './track.ts'
import { createWire } from './wire.ts'

export type Status = {
  readonly state: ClientState
  /** What failed last, until something succeeds. */
  readonly error?: Error
  readonly epoch: number
  readonly revision: number
  readonly source: Source
  /** Milliseconds since the server last confirmed the held state; absent where there is none. */
  readonly ageMs?: number
  /** Whether changes arrive now: by a stream, or in mode `poll` by polls that succeed. */
  readonly connected: boolean
}

export type Client = Getters & {
  /**
   * The flags that pages may see, for this context and the client's own attributes: what `@halyard/sdk/browser` takes as
   * `bootstrap`. All of the context travels to the page, as JSON; what has none (a BigInt, a cycle) is left out, and
   * logged once. Never throws.
   */
  dehydrate(context?: Context): PageData
  status(): Status
  /**
   * Calls back on each such event, until the function that it returns is called. A listener's errors are logged, and
   * harm nothing.
   */
  on<N extends keyof ClientEvents>(event: N, listener: Listener<N>): () => void
  /**
   * Tells that something happened, such as a purchase: it is counted by the variants that this context gets now of the
   * flags that this app has read lately. Never throws, and keeps nothing of the context. `details.value` is added up.
   */
  readonly track: Track
  /**
   * Gives a flag this value in this process; undefined takes it back. For development.
   *
   * @throws Error where the client was not connected with `overrides: true`
   */
  override<K extends FlagKeyOf>(key: K, value: FallbackOf<K> | undefined): void
  /** Closes connections and writes the cache file. Evaluations go on with what is held. Idempotent; never rejects. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Connects to a server, and resolves with a client that evaluates flags in this process: when a current ruleset is
 * held; when a kept one is and no server answers; when the key is refused; and at the latest after `startTimeoutMs`.
 * It goes on trying for as long as it is open. It never keeps a process alive.
 *
 * @throws TypeError on options that can never work, and in a browser; never for the network or a refused key
 */
export async function connect(options: ConnectOptions = {}): Promise<Client> {
  return connectIn(options, SURROUNDINGS)
}

/** `connect`, with clocks and chance of one's own. */
export async function connectIn(options: ConnectOptions, surroundings: Surroundings): Promise<Client> {
  if ('window' in globalThis) {
    throw new TypeError(
      '@halyard/sdk/node holds a secret key and all rules: it must not run in a browser. Use @halyard/sdk/browser.',
    )
  }
  const { client, started } = open(settingsOf(options, process.env, surroundings.timing.pollMs), surroundings)
  await started
  return client
}

/** The longest delay that a timer takes, in milliseconds. */
const LONGEST_MS = 2 ** 31 - 1
/** How long `close` keeps the process alive for its own sake, in milliseconds. */
const LONGEST_CLOSE_MS = 10_000
/** How long `close` waits for the server to hear of it, in milliseconds. */
const FAREWELL_MS = 500
/** Characters of a name that are told, before those that make it unlike all others; the server keeps 64 of both. */
const INSTANCE_NAME = 55
/** How often, at most, the same kind of failure is logged, in milliseconds. */
const LOG_AGAIN_MS = 600_000
/** How long the first poll waits for the cache file, so that it can ask for what is newer alone, in milliseconds. */
const CACHE_HEADSTART_MS = 250

function open(
  settings: Settings,
  surroundings: Surroundings,
): { readonly client: Client; readonly started: Promise<void> } {
  const { logger, server } = settings
  const { clock, monotonic, timing } = surroundings
  const telemetry = server !== undefined && settings.telemetry ? createTelemetry(surroundings) : silent
  const abort = new AbortController()
  // Each request that is under way listens, and a server that is slow keeps many.
  setMaxListeners(0, abort.signal)
  const emitter = createEmitter((message, cause) => logger.error(message, cause))
  const evaluation = createEvaluation({ base: settings.context, clock, facts, telemetry })
  const holder = createHolder(monotonic, (after, before, delta) => {
    standing.settle()
    acknowledger?.served(after, before, delta?.ackWithinMs)
    if (!emitter.heard('change')) return
    const keys = changedFlags(before?.compiled, after.compiled)
    const { epoch, revision } = after.state
    if (keys.length > 0) emitter.emit('change', { keys, epoch, revision })
  })
  const standing = createStanding({ ...settings, holder, monotonic, evaluation, emitter })
  const unsaid = complaining(logger, 'dehydrate')
  const loggedAt = new Map<string, number>()
  let lastError: Error | undefined
  let cache: CacheFile | undefined
  let kept: unknown
  let running: Running | undefined
  let acknowledger: Acknowledger | undefined
  let closing: Promise<void> | undefined

  let start: () => void = () => {}
  const started = new Promise<void>((resolve) => {
    // Alone not unref'ed: a script that awaits `connect` must not end before it resolves.
    const timer = setTimeout(() => start(), Math.min(LONGEST_MS, settings.startTimeoutMs))
    start = () => {
      clearTimeout(timer)
      standing.started()
      resolve()
    }
  })

  function facts(): Facts {
    const held = standing.served()
    if (held === undefined) return { source: 'default', epoch: 0, revision: 0, ageMs: undefined }
    const { epoch, revision } = held.state
    return { source: held.source, epoch, revision, ageMs: standing.ageOf(held) }
  }

  function failed(error: Error): void {
    lastError = error
    const kind = error instanceof TransportError ? `${error.code} ${error.status ?? ''}` : error.name
    const last = loggedAt.get(kind)
    const again = last !== undefined && monotonic() - last < LOG_AGAIN_MS
    if (!again) loggedAt.set(kind, monotonic())
    logger[again ? 'debug' : 'warn'](error.message, error.cause)
    emitter.emit('error', error)
  }

  function refused(error: TransportError): void {
    lastError = error
    const first = standing.state() !== 'refused'
    standing.refused(true)
    if (first) {
      logger.error(error.message)
      emitter.emit('error', error)
    }
    start()
  }

  function current(): void {
    lastError = undefined
    standing.settle()
    const state = holder.held()?.state
    if (cache === undefined || state === undefined) return
    if (state === kept) cache.confirmed()
    else cache.keep(state)
    kept = state
  }

  function pause(ms: number): Promise<void> {
    const alarm = createAlarm(monotonic)
    abort.signal.addEventListener('abort', () => alarm.ring(), { once: true })
    return alarm.wait(ms)
  }

  async function readCache(keys: Keys, file: CacheFile): Promise<void> {
    // Whose file it is can only be told when the key is known; a key function that hangs shall not keep it closed.
    const known = keys.current().catch(() => {})
    if (keys.id() === undefined) await Promise.race([known, pause(settings.startTimeoutMs / 2)])
    const cached = await file.read()
    if (cached === undefined || abort.signal.aborted) return
    const offered = holder.offer(cached.state, 'cache', monotonic() - cached.ageMs)
    if (offered === 'taken') kept = cached.state
  }

  async function begin({ urls, key }: NonNullable<Settings['server']>): Promise<void> {
    const keys = createKeys(key, timing.headersMs, abort.signal)
    if (settings.cacheFile !== undefined) {
      cache = createCacheFile({
        path: settings.cacheFile,
        keyId: keys.id,
        surroundings,
        warn: (message, cause) => logger.warn(message, cause),
      })
      await Promise.race([readCache(keys, cache), pause(CACHE_HEADSTART_MS)])
    }
    if (abort.signal.aborted) return
    const instance = `${[...settings.app.instance].slice(0, INSTANCE_NAME).join('')}-${randomUUID().slice(0, 8)}`
    const wire = createWire({ urls, keys, app: settings.app, instance, surroundings, signal: abort.signal })
    telemetry.start(wire)
    acknowledger = createAcknowledger({
      post: wire.post,
      held: holder.held,
      surroundings,
      signal: abort.signal,
    })
    running = run({
      ...settings,
      wire,
      holder,
      surroundings,
      signal: abort.signal,
      listener: {
        answered() {
          standing.refused(false)
          start()
        },
        current,
        asked: (withinMs) => acknowledger?.asked(withinMs),
        failed,
        unanswered() {
          if (holder.held() !== undefined) start()
        },
        refused,
      },
    })
    await running.ended
    // In mode `once` evaluations go on, and are told by connections of their own.
    wire.close()
  }

  if (settings.bootstrap !== undefined) holder.offer(settings.bootstrap, 'bootstrap')
  if (server === undefined) start()
  const ran = server === undefined ? Promise.resolve() : begin(server).catch(failed)

  async function shut(): Promise<void> {
    // All else is unref'ed: a script whose last line awaits this must not end in the middle of it.
    const hold = setTimeout(() => {}, LONGEST_CLOSE_MS)
    if (standing.state() === 'ready') await Promise.race([acknowledger?.closing(), pause(FAREWELL_MS)])
    abort.abort()
    standing.close()
    start()
    await ran
    await Promise.all([cache?.close(), telemetry.close()])
    emitter.clear()
    clearTimeout(hold)
  }
  const close = (): Promise<void> => {
    closing ??= shut()
    return closing
  }

  const client: Client = {
    ...evaluation.getters,
    dehydrate: (context) => evaluation.dehydrate(context, unsaid),
    status() {
      const error = lastError
      const { source, epoch, revision, ageMs } = facts()
      return {
        state: standing.state(),
        ...(error !== undefined && { error }),
        epoch,
        revision,
        source,
        ...(ageMs !== undefined && { ageMs }),
        connected: running?.connected() ?? false,
      }
    },
    on: emitter.on,
    track: createTrack(telemetry, evaluation, complaining(logger, 'track')),
    override(key, value) {
      if (settings.overrides === 'refused') {
        throw new Error('override is for development: connect with overrides: true.')
      }
      if (settings.overrides === 'ignored') return
      evaluation.override(key, value as Json | undefined)
      const { epoch, revision } = facts()
      emitter.emit('change', { keys: [key], epoch, revision })
    },
    close,
    [Symbol.asyncDispose]: close,
  }
  return { client, started }
}
