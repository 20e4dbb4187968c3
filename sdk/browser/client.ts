/**
 * `connect`: a client that holds the server's answers for one context, asks again when they may have changed, and
 * rests while nobody looks. Hides when it asks, and which of several answers counts.
 */
import type { FlagAnswer } from '../answers.ts'
import type { Context, FlagKey, Json } from '../core/index.ts'
import type { FallbackOf, FlagKeyOf } from '../flags.ts'
import { SDK_VERSION } from '../transport/version.ts'
import { createCounts, type Held } from './counts.ts'
import { type Details, detailsOf, type Facts, type Getters, type Source, typeName } from './details.ts'
import { type ClientEvents, createEmitter, type Listener } from './events.ts'
import {
  ANSWER_MS,
  type ConnectOptions,
  FLUSH_MS,
  overridesIn,
  POLL_MS,
  REFETCH_MS,
  SELDOM_MS,
  type Surroundings,
} from './options.ts'
import { createSharedStream } from './shared-stream.ts'
import { createStorage, type Kept } from './storage.ts'

/**
 * - `starting`: the server has not answered yet; what is at hand, or the defaults, are served.
 * - `ready`: the server has confirmed what is served.
 * - `stale`: the server could not be asked the last time.
 * - `refused`: the server refuses the key; what is held is served on.
 * - `closed`: `close` was called; what was held is served on.
 */
export type ClientState = 'starting' | 'ready' | 'stale' | 'refused' | 'closed'

export type Status = Facts & {
  readonly state: ClientState
  /** What failed last, until something succeeds. */
  readonly error?: Error | undefined
  /** Whether a stream tells of changes at once, in this tab or another. */
  readonly connected: boolean
}

export type Client = Getters & {
  /** `details`, without being counted as an evaluation: for what looks often, such as a view library's bindings. */
  peek: Getters['details']
  /**
   * Evaluates for this context from now on. Resolves when its answers are held, or could not be had for now; until then
   * the ones before it are served, unless the browser has kept some. Rejects for no server's sake.
   *
   * @throws TypeError where the context has no JSON (a BigInt, a cycle): the one before it stands
   */
  setContext(context: Context): Promise<void>
  status(): Status
  /** Calls back on each such event, until the function that it returns is called. */
  on<N extends keyof ClientEvents>(event: N, listener: Listener<N>): () => void
  /** Something that a user did, told for each flag that the page has read, with the variant it has now. */
  track(event: string, details?: { readonly value?: number }): void
  /**
   * Gives a flag this value in this page; undefined takes it back. For development.
   *
   * @throws Error where the client was not connected with `overrides: true`
   */
  override<K extends FlagKeyOf>(key: K, value: FallbackOf<K> | undefined): void
  /** Sends what was counted, and ends everything. What is held serves on. Idempotent. */
  close(): Promise<void>
}

/**
 * Resolves with a client: at once with a bootstrap or answers that the browser has kept, else when the server has
 * answered or could not be reached, at the latest after `startTimeoutMs`. It goes on asking for as long as it is open.
 *
 * @throws TypeError at once, for a key that is no client key; later, for a context that has no JSON
 */
export function connect(options: ConnectOptions): Promise<Client> {
  return connectIn(options)
}

/** `connect`, with a clock, chance and pace of one's own. */
export function connectIn(
  options: ConnectOptions,
  surroundings: Partial<Surroundings> = {},
): Promise<Client> {
  if (!/^hly_pub_/.test(options.key)) throw new TypeError('key must be a client key, hly_pub_')
  return open(options, surroundings)
}

async function open(
  {
    url: given,
    key,
    app = { name: 'unnamed' },
    context: wanted,
    bootstrap,
    startTimeoutMs = 3_000,
    overrides: allowed,
  }: ConnectOptions,
  { clock = Date.now, random = Math.random, pace = 1 }: Partial<Surroundings>,
): Promise<Client> {
  const url = given.replace(/\/$/, '')
  const name = `halyard ${url} ${key}`
  const uuid = (): string =>
    'xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx'.replace(/x/g, () => ((random() * 16) | 0).toString(16))
  const sender = {
    key,
    app: `${encodeURIComponent(app.name)}/${encodeURIComponent(app.version ?? 0)}`,
    sdk: `browser/${SDK_VERSION}`,
  }
  const instance = uuid()
  const emitter = createEmitter()
  const storage = createStorage(name)
  const overrides = allowed ? new Map<FlagKey, FlagAnswer>() : undefined
  const ending = new AbortController()

  let context: Context = { ...(wanted ?? bootstrap?.context) }
  let answers = new Map<FlagKey, Held>()
  let [revision, confirmedAt, etag, uri]: [number, number, string | null, string?] = [0, 0, null]
  let source: Source = 'default'
  let state: ClientState = 'starting'
  let lastError: Error | undefined
  /** Since a stream was open: a server that answers, and drops its streams, must not be hammered. */
  let failures = 0
  let connected = false
  /** The newest state that this page was told of. */
  let told = ''
  let flight: object | undefined
  /** The newest question that did not wait for its turn: what an older one was asked for, it brings. */
  let latest: Promise<void> | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let sooner: typeof timer
  let resting = false

  const counts = createCounts(`${url}/sdk/v1/telemetry`, sender, () => answers.values(), clock, uuid)

  function take([body, ofBody, at]: Kept, from: Source): void {
    // Objects are shared by all callers: none can change one for the others.
    const { flags, metadata, eventStreams } = JSON.parse(body, (_, value) => Object.freeze(value))
    const keys = new Set(answers.keys())
    const held = new Map<FlagKey, Held>()
    counts.count()
    for (const answer of flags) {
      const old = answers.get(answer.key)
      const same = old && essence(old) === essence(answer)
      if (same) keys.delete(answer.key)
      else keys.add(answer.key)
      const reads = old?.reads ?? 0
      held.set(answer.key, {
        ...answer,
        // A value that did not change stays the same object: nobody has to look at it again.
        value: same ? old.value : answer.value,
        reads,
        told: reads,
      })
    }
    answers = held
    revision = metadata?.revision ?? 0
    confirmedAt = at
    etag = ofBody
    uri = eventStreams?.[0]?.endpoint?.requestUri
    source = from
    if (keys.size) emitter.emit('change', { keys: [...keys], revision })
  }

  function offer(kept: Kept | undefined, from: Source): void {
    try {
      if (kept) take(kept, from)
    } catch {
      // A damaged one is as good as none: the server is asked anyway.
    }
  }

  function become(next: ClientState, error?: Error): void {
    const before = state
    state = next
    lastError = error
    if (error) emitter.emit('error', error)
    // Of the others nobody is told.
    if (next !== before) emitter.emit(next as 'ready' | 'stale', { revision })
  }

  /** How long to wait after a failure: exponential, with full jitter. */
  const pause = (): number => random() * Math.min(POLL_MS, 1_000 * 2 ** failures++) * pace

  function plan(ms: number): void {
    clearTimeout(timer)
    if (!resting) timer = setTimeout(refetch, ms)
  }

  /** Asks besides what is planned. Many changes in a row are one question, or a few. */
  function soon(): void {
    clearTimeout(sooner)
    sooner = setTimeout(refetch, REFETCH_MS * pace * random())
  }

  function follow(): void {
    stream.follow(!resting && uri && url + uri)
  }

  /** One exchange at a time; what comes of one that is no longer wanted is dropped. */
  async function refetch(): Promise<void> {
    if (resting) return
    if (flight) return soon()
    const mine = {}
    flight = mine
    const text = textOf(context)
    let wait = 0
    let refused: boolean | undefined
    try {
      const answer = await fetch(
        `${url}/ofrep/v1/evaluate/flags?flagConfigEtag=${encodeURIComponent(told)}`,
        {
          method: 'POST',
          body: JSON.stringify({ context }),
          signal: AbortSignal.timeout(ANSWER_MS),
          headers: {
            Authorization: `Bearer ${key}`,
            'Content-Type': 'application/json',
            'Halyard-App': sender.app,
            'Halyard-Instance': instance,
            'Halyard-SDK': sender.sdk,
            // Without the address of the stream, the whole answer is needed.
            ...(etag && uri && { 'If-None-Match': etag }),
          },
        },
      )
      const { status, headers } = answer
      const body = await answer.text()
      if (flight !== mine) return latest
      // Of text, or of none at all, multiplying makes a number.
      wait = Math.min(SELDOM_MS, (headers.get('retry-after') as unknown as number) * 1_000 || 0)
      const from = connected ? 'stream' : 'poll'
      if (status === 200) {
        const kept: Kept = [body, headers.get('etag'), clock()]
        take(kept, from)
        storage.write(text, kept)
      } else if (status === 304) {
        confirmedAt = clock()
        source = from
      } else {
        refused = status > 400 && status < 405
        throw new Error(`${url} answered ${status}`)
      }
      become('ready')
      // After a kill the server wants to hear soon what is held: from the next question.
      wait = (wait || (connected ? SELDOM_MS : POLL_MS)) * pace * (0.75 + random() / 2)
      follow()
    } catch (cause) {
      if (flight !== mine) return latest
      wait = Math.max(pause(), refused ? SELDOM_MS * pace : wait)
      become(refused ? 'refused' : source === 'default' ? 'starting' : 'stale', cause as Error)
    }
    flight = undefined
    plan(wait)
  }

  /** Asks now, whatever is under way, and once even for a page out of sight. */
  function askAnew(): Promise<void> {
    flight = undefined
    resting = state === 'closed'
    latest = refetch()
    resting ||= document.hidden
    return latest
  }

  // Before anything is begun: a context that has no JSON ends here.
  if (bootstrap && textOf(bootstrap.context) === textOf(context)) {
    told = bootstrap.etag
    offer([JSON.stringify(bootstrap), null, 0], 'bootstrap')
  } else offer(storage.read(textOf(context)), 'cache')

  const stream = createSharedStream(name, (message) => {
    if (message === null) {
      uri = undefined
      follow()
      plan(pause())
    } else if (typeof message === 'string') {
      told = message
      soon()
    } else {
      if (message) failures = 0
      else if (connected) plan(random() * POLL_MS * pace)
      connected = message
    }
  })

  function rest(): void {
    resting = true
    connected = false
    follow()
    clearTimeout(timer)
  }

  /** Rests while nobody sees the page; asks and listens anew when somebody does, or the network is back. */
  function look({ type }: { readonly type: string }): void {
    if (document.hidden || type === 'online') rest()
    if (document.hidden) counts.beacon()
    else if (resting) {
      void askAnew()
      follow()
    }
  }

  const find = (key: FlagKey): FlagAnswer | undefined => overrides?.get(key) ?? answers.get(key)

  function counted(key: FlagKey): FlagAnswer | undefined {
    const held = answers.get(key)
    if (held) held.reads += 1
    return find(key)
  }

  const getter =
    (type: string) =>
    (key: FlagKey, fallback: unknown): unknown => {
      const value = counted(key)?.value
      return value !== null && typeName(value) === type ? value : fallback
    }

  const facts = (): Facts => ({
    revision,
    ageMs: confirmedAt ? clock() - confirmedAt : undefined,
    source,
  })

  const peek = <T>(key: FlagKey, fallback: T): Details<T> => detailsOf(find(key), fallback, facts())

  function override(key: FlagKey, value: Json | undefined): void {
    if (!overrides) throw new Error('needs overrides: true')
    if (value === undefined) overrides.delete(key)
    else overrides.set(key, { key, value, reason: 'STATIC', metadata: { override: true } })
    emitter.emit('change', { keys: [key], revision })
  }

  const client = {
    boolean: getter('boolean'),
    string: getter('string'),
    number: getter('number'),
    object: getter('object'),
    details<T>(key: FlagKey, fallback: T): Details<T> {
      counted(key)
      return peek(key, fallback)
    },
    peek,
    async setContext(next: Context) {
      const kept = storage.read(textOf(next))
      context = { ...next }
      offer(kept, 'cache')
      await askAnew()
    },
    status: (): Status => ({ state, ...facts(), error: lastError, connected }),
    on: emitter.on,
    track(event: string, details?: { readonly value?: number }) {
      counts.track(event, Number(details?.value) || 0)
    },
    override,
    async close() {
      if (state === 'closed') return
      become('closed')
      rest()
      stream.close()
      // What is under way does not count any more.
      void askAnew()
      clearInterval(flushing)
      ending.abort()
      await counts.flush()
    },
  }

  const flushing = setInterval(counts.flush, FLUSH_MS * pace)
  // A page that goes away is hidden first: of `pagehide` nothing more is to be learned.
  for (const type of ['visibilitychange', 'online']) addEventListener(type, look, ending)
  if (overrides) overridesIn(location.search, override)
  const first = askAnew()
  if (source === 'default')
    await Promise.race([first, new Promise((late) => setTimeout(late, startTimeoutMs))])
  return client as Client
}

/** What a change of an answer is to the page. */
function essence({ value, variant, reason, errorCode }: FlagAnswer): string {
  return JSON.stringify([value, variant, reason, errorCode])
}

/** The same text for the same context, whatever the order of its attributes. */
function textOf(context: Context = {}): string {
  return JSON.stringify(Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1)))
}
