/**
 * The options of `connect`, checked: what a programmer got wrong is said at once and in words; what only the network
 * can tell is not decided here.
 */
import { hostname } from 'node:os'
import { type Context, RulesetError, type State, stateOf } from '../core/index.ts'
import { type KeyFunction, keyFault } from './keys.ts'
import { guarded, type Logger, standardError } from './logger.ts'
import type { Mode } from './source.ts'

export type ConnectOptions = {
  /** The server's address, or several to be tried in turn. Default: `HALYARD_URL`, where commas separate several. */
  readonly url?: string | readonly string[] | undefined
  /**
   * A server key (`hly_srv_…`), or a function that gives one and is asked again when the server refuses the last one.
   * Default: `HALYARD_SDK_KEY`.
   */
  readonly key?: string | KeyFunction | undefined
  /**
   * Who evaluates: shown to people by the server. `instance`: which process of the app, by a name that people know it by,
   * such as its pod's; something unlike all others is added to it. Default: the host's name.
   */
  readonly app?:
    | {
        readonly name: string
        readonly version?: string | undefined
        readonly instance?: string | undefined
      }
    | undefined
  /** Attributes of every evaluation; those of a call go before them. */
  readonly context?: Context | undefined
  /** `connect` resolves within so many milliseconds, whatever happens. Default: 3000. */
  readonly startTimeoutMs?: number | undefined
  /** `stream` (default): changes arrive at once. `poll`: within `pollIntervalMs`. `once`: the first state is kept. */
  readonly mode?: Mode | undefined
  /** Milliseconds between polls where no stream works. Default: 10,000; at least 1,000. */
  readonly pollIntervalMs?: number | undefined
  /** A ruleset, as `GET /sdk/v1/ruleset` answers it (parsed or as text), to serve until the server answers. */
  readonly bootstrap?: object | string | undefined
  /** Where the last known good ruleset is kept on disk. Clients that share one must share their key. */
  readonly cacheFile?: string | undefined
  /** After so many milliseconds without word from the server, the state counts as stale. Default: 60,000 or more. */
  readonly maxStalenessMs?: number | undefined
  /** What a stale state is worth: `hold` (default) serves it on, `default` answers the callers' defaults. */
  readonly onStale?: 'hold' | 'default' | undefined
  /** Default: warnings and errors on standard error. */
  readonly logger?: Logger | undefined
  /** `false`: the server is not told how often which flag gave which variant, and `track` does nothing. */
  readonly telemetry?: boolean | undefined
  /** Allows `override`, for development; without effect where `NODE_ENV` is `production`. */
  readonly overrides?: boolean | undefined
}

export type Settings = {
  /** undefined: nothing to connect to, the bootstrap is all there is. */
  readonly server: { readonly urls: readonly [URL, ...URL[]]; readonly key: string | KeyFunction } | undefined
  readonly app: { readonly name: string; readonly version: string; readonly instance: string }
  readonly context: Context | undefined
  readonly startTimeoutMs: number
  readonly mode: Mode
  readonly pollIntervalMs: number
  readonly bootstrap: State | undefined
  readonly cacheFile: string | undefined
  /** Infinity: never. */
  readonly staleAfterMs: number
  readonly onStale: 'hold' | 'default'
  readonly logger: Required<Logger>
  readonly telemetry: boolean
  /** `ignored`: asked for, in production. */
  readonly overrides: 'allowed' | 'ignored' | 'refused'
}

export type Environment = { readonly [name: string]: string | undefined }

const NAMES: ReadonlySet<string> = new Set([
  'url',
  'key',
  'app',
  'context',
  'startTimeoutMs',
  'mode',
  'pollIntervalMs',
  'bootstrap',
  'cacheFile',
  'maxStalenessMs',
  'onStale',
  'logger',
  'telemetry',
  'overrides',
] satisfies (keyof ConnectOptions)[])

const DEFAULT_STALE_MS = 60_000
const MOST_URLS = 16

/**
 * @param environment the process's variables
 * @param pollMs the default of `pollIntervalMs`
 * @throws TypeError that says what to do
 */
export function settingsOf(options: ConnectOptions, environment: Environment, pollMs: number): Settings {
  if (typeof options !== 'object' || options === null)
    throw new TypeError('connect takes an object of options.')
  for (const name of Object.keys(options)) {
    if (!NAMES.has(name))
      throw new TypeError(`connect has no option "${name}". It has: ${[...NAMES].join(', ')}.`)
  }
  const logger = guarded(loggerOf(options.logger))
  const mode = oneOf('mode', options.mode ?? 'stream', ['stream', 'poll', 'once'] as const)
  const onStale = oneOf('onStale', options.onStale ?? 'hold', ['hold', 'default'] as const)
  const pollIntervalMs = milliseconds(
    'pollIntervalMs',
    options.pollIntervalMs ?? pollMs,
    Math.min(pollMs, 1_000),
  )
  if (onStale === 'default' && options.maxStalenessMs === undefined) {
    throw new TypeError(
      'onStale: "default" needs maxStalenessMs: from which age on may the state not be used?',
    )
  }
  if (
    options.cacheFile !== undefined &&
    (typeof options.cacheFile !== 'string' || options.cacheFile === '')
  ) {
    throw new TypeError('cacheFile must be the path of a file.')
  }
  if (options.overrides !== undefined && typeof options.overrides !== 'boolean') {
    throw new TypeError('overrides must be true or false.')
  }
  if (options.telemetry !== undefined && typeof options.telemetry !== 'boolean') {
    throw new TypeError('telemetry must be true or false.')
  }
  const urls = urlsOf(options.url ?? environment.HALYARD_URL?.split(',').map((url) => url.trim()))
  const key = keyOf(options.key ?? environment.HALYARD_SDK_KEY)
  const reachable = urls !== undefined && key !== undefined
  const bootstrap = bootstrapOf(options.bootstrap, reachable, logger)
  if (!reachable && bootstrap === undefined) {
    throw new TypeError(
      urls === undefined
        ? 'connect needs url (or HALYARD_URL): the address of a Halyard server, such as http://127.0.0.1:4000.'
        : 'connect needs key (or HALYARD_SDK_KEY): a server key (hly_srv_…) of the environment to evaluate.',
    )
  }
  if ((urls === undefined) !== (key === undefined)) {
    logger.warn(
      `There is no ${urls === undefined ? 'url' : 'key'}: the bootstrap is served, and nothing else.`,
    )
  }
  return {
    server: urls !== undefined && key !== undefined ? { urls, key } : undefined,
    app: appOf(options.app),
    context: contextOf(options.context),
    startTimeoutMs: milliseconds('startTimeoutMs', options.startTimeoutMs ?? 3_000, 0),
    mode,
    pollIntervalMs,
    bootstrap,
    cacheFile: options.cacheFile,
    staleAfterMs: staleAfter(options.maxStalenessMs, mode, pollIntervalMs, reachable),
    onStale,
    logger,
    telemetry: options.telemetry ?? true,
    overrides: overridesOf(options.overrides ?? false, environment, logger),
  }
}

function urlsOf(given: ConnectOptions['url']): readonly [URL, ...URL[]] | undefined {
  const texts = typeof given === 'string' ? [given] : (given ?? [])
  if (!Array.isArray(texts)) throw new TypeError('url must be a string or a list of strings.')
  if (texts.length > MOST_URLS) throw new TypeError(`url takes at most ${MOST_URLS} addresses.`)
  const [first, ...rest] = texts.filter((text) => text !== '').map(urlOf)
  return first === undefined ? undefined : [first, ...rest]
}

function urlOf(text: unknown): URL {
  const url = typeof text === 'string' && URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new TypeError(
      `url: ${JSON.stringify(text)} is no http(s) address. One is, for example, http://127.0.0.1:4000.`,
    )
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new TypeError(
      `url: ${url.origin} must come without credentials, query and fragment; the key is an option of its own.`,
    )
  }
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  return url
}

function keyOf(given: ConnectOptions['key']): string | KeyFunction | undefined {
  if (given === undefined || given === '' || typeof given === 'function')
    return given === '' ? undefined : given
  const fault = keyFault(given)
  if (fault !== undefined) throw new TypeError(fault)
  return given
}

function bootstrapOf(given: unknown, reachable: boolean, logger: Logger): State | undefined {
  if (given === undefined) return undefined
  try {
    return stateOf(typeof given === 'string' ? JSON.parse(given) : given)
  } catch (cause) {
    const why = cause instanceof RulesetError ? cause.message : 'it is not JSON'
    // A bad artifact must not keep an app from starting that can ask the server.
    if (!reachable) throw new TypeError(`bootstrap is no ruleset: ${why}`, { cause })
    logger.error(`The bootstrap is ignored: ${why}`)
    return undefined
  }
}

function appOf(given: ConnectOptions['app']): Settings['app'] {
  const host = hostname() || 'unnamed'
  if (given === undefined) return { name: 'unnamed', version: '0', instance: host }
  const { name, version = '0', instance = host } = given
  if (!isLabel(name)) throw new TypeError('app.name must be a string of 1 to 128 characters.')
  if (!isLabel(version)) throw new TypeError('app.version must be a string of 1 to 128 characters.')
  if (!isLabel(instance)) throw new TypeError('app.instance must be a string of 1 to 128 characters.')
  return { name, version, instance }
}

function isLabel(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= 128 && !/\p{Surrogate}/u.test(value)
}

function contextOf(given: unknown): Context | undefined {
  if (given === undefined) return undefined
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new TypeError('context must be an object of attributes.')
  }
  // A copy: what the caller does with its object afterwards is its own affair.
  return { ...given }
}

function staleAfter(given: unknown, mode: Mode, pollIntervalMs: number, reachable: boolean): number {
  if (given !== undefined) return milliseconds('maxStalenessMs', given, 1)
  if (mode === 'once' || !reachable) return Number.POSITIVE_INFINITY
  return Math.max(DEFAULT_STALE_MS, pollIntervalMs * 3)
}

function overridesOf(wanted: boolean, environment: Environment, logger: Logger): Settings['overrides'] {
  if (!wanted) return 'refused'
  if (environment.NODE_ENV !== 'production') return 'allowed'
  logger.error('overrides are for development: with NODE_ENV=production they have no effect.')
  return 'ignored'
}

function loggerOf(given: unknown): Logger {
  if (given === undefined) return standardError
  const logger = given as Partial<Logger> | null
  if (typeof logger?.warn !== 'function' || typeof logger.error !== 'function') {
    throw new TypeError('logger must have the functions warn and error (console does).')
  }
  return logger as Logger
}

function milliseconds(name: string, value: unknown, least: number): number {
  if (typeof value !== 'number' || Number.isNaN(value) || value < least) {
    throw new TypeError(`${name} must be a number of milliseconds, at least ${least}.`)
  }
  return value
}

function oneOf<T extends string>(name: string, value: unknown, known: readonly T[]): T {
  const found = known.find((one) => one === value)
  if (found === undefined)
    throw new TypeError(`${name} must be one of ${known.map((one) => `"${one}"`).join(', ')}.`)
  return found
}
