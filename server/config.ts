/**
 * The service's configuration: read once from environment variables, every fault listed at once, then frozen.
 * `NAME_FILE` reads the value of any variable from a file. This is the one list of what can be set.
 */
import { resolve } from 'node:path'
import { z } from 'zod'
import { parseRedisUrl, type RedisAddress } from './live/redis/url.ts'
import { tlsFault } from './store/postgres-url.ts'

const whole = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d+$/, `must be a whole number from ${least} to ${most}`)
    .transform(Number)
    .refine((value) => value >= least && value <= most, `must be from ${least} to ${most}`)

const url = (schemes: readonly string[], hint = '') => {
  const isMeant = (text: unknown) => schemes.some((scheme) => String(text).startsWith(scheme))
  return z.string().refine((text) => isMeant(text) && URL.canParse(text), {
    error: ({ input }) =>
      isMeant(input) ? `is no URL${hint}` : `must be a URL that starts with ${schemes.join(' or ')}`,
  })
}

const HINT =
  ': write what is no letter or digit in its user and password as %40 (for @), %23 (#), %2F (/), %3A (:), %3F (?) and %25 (%), and the folder of a socket as postgres:///name?host=/folder&user=ann'

const variables = z.object({
  DATABASE_URL: z.union([z.literal('embedded'), url(['postgres://', 'postgresql://'], HINT)]).optional(),
  REDIS_URL: z
    .string()
    .transform((text, context) => {
      const address = parseRedisUrl(text)
      if (typeof address !== 'string') return address
      context.addIssue(address)
      return z.NEVER
    })
    .optional(),
  HALYARD_REDIS_PREFIX: z
    .string()
    .regex(/^[\w.:{}-]{1,64}$/, 'must be 1 to 64 of letters, digits and . : _ - { }')
    .default('halyard:'),
  HALYARD_REDIS_CA: z
    .string()
    .includes('-----BEGIN CERTIFICATE-----', 'must be one or more certificates as PEM')
    .optional(),
  HALYARD_ADVERTISED_URL: url(['http://', 'https://']).optional(),
  HALYARD_SECRET: z.string().min(32, 'must have 32 characters or more').optional(),
  HALYARD_DATA_DIR: z.string().min(1).default('./data'),
  HALYARD_HOST: z.string().min(1).optional(),
  HOST: z.string().min(1).optional(),
  HALYARD_PORT: whole(0, 65_535).optional(),
  PORT: whole(0, 65_535).optional(),
  HALYARD_ADMIN_KEY: z.string().min(32, 'must have 32 characters or more').optional(),
  HALYARD_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  HALYARD_TRUST_PROXY: z
    .string()
    .transform((text, context) => {
      if (text === 'false' || text === 'off') return false
      if (text === 'true' || text === 'on') return true
      if (/^\d+$/.test(text)) return Number(text)
      if (/^[0-9a-fA-F.:/, ]+$/.test(text)) return text
      context.addIssue('must be on, off, a number of proxies, or a list of addresses')
      return z.NEVER
    })
    .default(false),
  HALYARD_MANAGEMENT_REQUESTS_PER_SECOND: whole(1, 1_000_000).default(1_000),
  HALYARD_EVALUATIONS_PER_SECOND: whole(1, 10_000_000).optional(),
  HALYARD_UNKNOWN_KEYS_PER_SECOND: whole(1, 1_000_000).default(20),
  HALYARD_MAX_STREAMS: whole(1, 1_000_000).default(20_000),
  HALYARD_MAX_STREAMS_PER_KEY: whole(1, 1_000_000).optional(),
  HALYARD_STREAMS_PER_SECOND: whole(1, 1_000_000).default(500),
  HALYARD_DRAIN_DELAY_MS: whole(0, 600_000).optional(),
  HALYARD_USAGE_RETENTION_DAYS: whole(1, 3_650).default(90),
  NODE_ENV: z.string().optional(),
})

/** Every variable that is read, for documentation and for the check that none is misspelt. */
export const VARIABLES = Object.keys(variables.shape)

export type Config = Readonly<{
  /** `embedded`, or a Postgres URL. */
  database: string
  /** What instances share beside the database; undefined: they have the database alone. */
  redis: Readonly<{ address: RedisAddress; prefix: string; ca: string | undefined }> | undefined
  /** Where other instances reach this one. */
  advertisedUrl: string | undefined
  secret: string | undefined
  /** Absolute. */
  dataDir: string
  host: string
  port: number
  adminKey: string | undefined
  logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'
  trustProxy: boolean | number | string
  managementRequestsPerSecond: number
  evaluationsPerSecond: number | undefined
  unknownKeysPerSecond: number
  maxStreams: number
  maxStreamsPerKey: number
  streamsPerSecond: number
  /** Milliseconds from not being ready to closing. */
  drainDelayMs: number
  /** For how long counts of evaluations are kept. */
  usageRetentionDays: number
}>

/** What is wrong with the environment: one line a fault, all of them. Ends the process with exit code 78 (EX_CONFIG). */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  static readonly exitCode = 78
  readonly faults: readonly string[]
  constructor(faults: readonly string[]) {
    super(
      `The configuration has ${faults.length} fault${faults.length === 1 ? '' : 's'}:\n  ${faults.join('\n  ')}`,
    )
    this.faults = faults
  }
}

/**
 * Parses the environment.
 * @param environment the process's variables
 * @param readFile reads a whole text file; throws where it can't
 * @throws ConfigError with every fault
 */
export function parseConfig(
  environment: Readonly<Record<string, string | undefined>>,
  readFile: (path: string) => string,
): Config {
  const faults: string[] = []
  const given: Record<string, string> = {}
  for (const name of VARIABLES) {
    // Of white space around a value nobody knows: a secret made with `echo`, or from a file, ends with a line break.
    const value = environment[name]?.trim()
    const file = environment[`${name}_FILE`]?.trim()
    if (value !== undefined && value !== '') {
      given[name] = value
      if (file) faults.push(`${name} and ${name}_FILE are both set: keep one of them`)
    } else if (file) {
      try {
        given[name] = readFile(file).trim()
      } catch (cause) {
        faults.push(
          `${name}_FILE: cannot read ${file} (${cause instanceof Error ? cause.message : String(cause)})`,
        )
      }
    }
  }
  for (const name of Object.keys(environment)) {
    const plain = name.replace(/_FILE$/, '')
    if (name.startsWith('HALYARD_') && !VARIABLES.includes(plain) && !CLIENT_VARIABLES.includes(plain)) {
      faults.push(`${name}: there is no such setting (the settings are ${VARIABLES.join(', ')})`)
    }
  }
  const parsed = variables.safeParse(given)
  if (!parsed.success) {
    for (const issue of parsed.error.issues) faults.push(`${issue.path.join('.')}: ${issue.message}`)
  } else if (
    parsed.data.NODE_ENV === 'production' &&
    parsed.data.DATABASE_URL === undefined &&
    given.DATABASE_URL === undefined
  ) {
    faults.push(
      'DATABASE_URL: must be set with NODE_ENV=production (a postgres:// URL, or the word embedded)',
    )
  }
  const address = parsed.data?.DATABASE_URL ?? 'embedded'
  const tls = address === 'embedded' ? undefined : tlsFault(address, readFile)
  if (tls !== undefined) faults.push(`DATABASE_URL: ${tls}`)
  if (given.REDIS_URL !== undefined && given.HALYARD_SECRET === undefined) {
    faults.push(
      'HALYARD_SECRET: must be set with REDIS_URL, to the same 32 characters or more on all instances that share it',
    )
  }
  if (faults.length > 0 || !parsed.success) throw new ConfigError(faults)
  const settings = parsed.data
  const database = settings.DATABASE_URL ?? 'embedded'
  return Object.freeze({
    database,
    redis: settings.REDIS_URL && {
      address: settings.REDIS_URL,
      prefix: settings.HALYARD_REDIS_PREFIX,
      ca: settings.HALYARD_REDIS_CA,
    },
    advertisedUrl: settings.HALYARD_ADVERTISED_URL,
    secret: settings.HALYARD_SECRET,
    dataDir: resolve(settings.HALYARD_DATA_DIR),
    host: settings.HALYARD_HOST ?? settings.HOST ?? '127.0.0.1',
    port: settings.HALYARD_PORT ?? settings.PORT ?? 4000,
    adminKey: settings.HALYARD_ADMIN_KEY,
    logLevel: settings.HALYARD_LOG_LEVEL,
    trustProxy: settings.HALYARD_TRUST_PROXY,
    managementRequestsPerSecond: settings.HALYARD_MANAGEMENT_REQUESTS_PER_SECOND,
    evaluationsPerSecond: settings.HALYARD_EVALUATIONS_PER_SECOND,
    unknownKeysPerSecond: settings.HALYARD_UNKNOWN_KEYS_PER_SECOND,
    maxStreams: settings.HALYARD_MAX_STREAMS,
    // No key may take all the room.
    maxStreamsPerKey: settings.HALYARD_MAX_STREAMS_PER_KEY ?? Math.ceil(settings.HALYARD_MAX_STREAMS / 2),
    streamsPerSecond: settings.HALYARD_STREAMS_PER_SECOND,
    // On the embedded database there is no other instance that a balancer could turn to.
    drainDelayMs: settings.HALYARD_DRAIN_DELAY_MS ?? (database === 'embedded' ? 0 : 5_000),
    usageRetentionDays: settings.HALYARD_USAGE_RETENTION_DAYS,
  })
}

/** As docker-compose.yml has them, and what the Kubernetes manifests begin with. */
const PUBLISHED = /^(change-me|a-secret-for-trying-halyard|an-admin-key-for-trying-halyard)/

/** One line for each key whose value was taken over from our own files: whoever has read them may do everything. */
export function publishedKeys({ secret, adminKey }: Pick<Config, 'secret' | 'adminKey'>): readonly string[] {
  return Object.entries({ HALYARD_SECRET: secret, HALYARD_ADMIN_KEY: adminKey })
    .filter(([, value]) => value !== undefined && PUBLISHED.test(value))
    .map(
      ([name]) =>
        `${name} is the one that Halyard’s own files have as an example, so everybody knows it: set your own before anybody else can reach this (openssl rand -hex 32)`,
    )
}

/** Read by SDKs and tools, not by the service: no fault when they stand in its environment. */
const CLIENT_VARIABLES = ['HALYARD_URL', 'HALYARD_SDK_KEY', 'HALYARD_API_KEY']
