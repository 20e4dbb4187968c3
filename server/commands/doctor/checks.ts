/**
 * What the facts of an installation mean: a line each, and whether something is wrong. Pure: `doctor.ts` gathers the
 * facts.
 */
import { LIMITS } from '@halyard/sdk/core'
import type { Inspection } from '../../store/inspect.ts'

/** `note`: worth knowing, and nothing wrong. */
export type Check = {
  readonly check: string
  readonly state: 'ok' | 'note' | 'fault'
  readonly message: string
}

/** What is in a folder: something that can be used, nothing yet, or why that cannot be told. */
export type Kept = 'there' | 'none' | { readonly why: string }

const MiB = 1024 * 1024
const GiB = 1024 * MiB

const ok = (check: string, message: string): Check => ({ check, state: 'ok', message })
const note = (check: string, message: string): Check => ({ check, state: 'note', message })
const fault = (check: string, message: string): Check => ({ check, state: 'fault', message })

export const settingsChecks = (faults: readonly string[]): readonly Check[] =>
  faults.length === 0
    ? [ok('settings', 'all of them are understood')]
    : faults.map((text) => fault('settings', text))

export const databaseCheck = ({ version, readOnly }: Inspection, tookMs: number): Check =>
  readOnly
    ? fault(
        'database',
        `Postgres ${version} takes no writes (a standby, or default_transaction_read_only is on): flags are served, every edit is refused, and kills stand in the journal alone. Let DATABASE_URL name the primary, or set that off`,
      )
    : ok('database', `Postgres ${version}, answers in ${tookMs} ms`)

/** @param shipped names of this release's migrations */
export function schemaCheck(
  { migrations }: Pick<Inspection, 'migrations'>,
  shipped: readonly string[],
): Check {
  const missing = shipped.filter((name) => !migrations.includes(name))
  const newer = migrations.filter((name) => !shipped.includes(name))
  if (migrations.length === 0) return note('schema', 'none yet: the first start makes it')
  if (missing.length > 0 && newer.length > 0) {
    return fault(
      'schema',
      `it lacks ${missing.join(', ')} and has ${newer.join(', ')}: it is of another line of releases than this one`,
    )
  }
  if (missing.length > 0) {
    return note(
      'schema',
      `${missing.join(', ')} missing: applied at the next start, or by halyard-server migrate`,
    )
  }
  if (newer.length > 0) {
    return note(
      'schema',
      `made by a newer release (${newer.join(', ')}): this one works on the schema of the next, and of no later one`,
    )
  }
  return ok('schema', `up to date (${shipped.at(-1)})`)
}

export const roleCheck = ({
  role,
  rewrites,
}: {
  readonly role: string
  readonly rewrites: boolean
}): Check =>
  rewrites
    ? note('role', `the service works as ${role}, who may rewrite the history: see docs/audit.md`)
    : ok('role', `the service works as ${role}, who cannot rewrite the history`)

/**
 * @param kept what the data folder has of a secret: one that can be read, none yet, or why that cannot be told
 * @param machines that Halyard is connected from, others than this process
 */
export function secretCheck(
  secret: string | undefined,
  database: string,
  kept: Kept,
  machines: number,
): Check {
  if (secret !== undefined) return ok('secret', 'HALYARD_SECRET is set')
  if (kept !== 'there' && kept !== 'none')
    return fault('secret', `HALYARD_SECRET is not set, and ${kept.why}`)
  if (database === 'embedded') {
    return kept === 'there'
      ? ok('secret', 'kept in the data folder, for the one instance there is')
      : note('secret', 'none yet: the first start makes one in the data folder')
  }
  const why = 'with secrets of their own, instances refuse each other’s stream tokens and snapshots'
  return machines > 1
    ? fault('secret', `HALYARD_SECRET is not set, and ${machines} machines are connected: ${why}`)
    : note(
        'secret',
        `HALYARD_SECRET is not set: set the same on all instances before there is a second, for ${why}`,
      )
}

const MOST_SKEW_MS = 5_000
const NOTED_SKEW_MS = 1_000
/** @param skewMs how far the database's clock is ahead; known to half of `tookMs` */
export function clockCheck({ skewMs, tookMs }: { readonly skewMs: number; readonly tookMs: number }): Check {
  const off = Math.max(0, Math.abs(skewMs) - tookMs / 2)
  const told = `${(Math.abs(skewMs) / 1000).toFixed(1)} s ${skewMs > 0 ? 'behind' : 'ahead of'} the database’s`
  if (off > MOST_SKEW_MS) {
    return fault(
      'clock',
      `this machine’s clock is ${told}: times of changes, expiries and dated rules are off`,
    )
  }
  return off > NOTED_SKEW_MS
    ? note('clock', `this machine’s clock is ${told}`)
    : ok('clock', 'agrees with the database’s')
}

const NOTED_SHARE = 0.8
/** One line for all that is well, and one for each environment that is not. */
export function sizeChecks({ environments }: Pick<Inspection, 'environments'>): readonly Check[] {
  const most = LIMITS.rulesetBytes
  const told = (bytes: number) => `${(bytes / MiB).toFixed(1)} of ${most / MiB} MiB`
  const large = environments.filter(({ bytes }) => bytes > most * NOTED_SHARE)
  const [largest] = environments
  if (large.length === 0) {
    return largest === undefined
      ? []
      : [ok('size', `the largest environment, ${largest.name}, has ${told(largest.bytes)}`)]
  }
  return large.map(({ name, bytes }) =>
    bytes >= most
      ? fault('size', `${name} has ${told(bytes)}: nothing that grows it is accepted any more`)
      : note('size', `${name} has ${told(bytes)}: beyond that nothing that grows it is accepted`),
  )
}

export function diskCheck(free: number, dir: string): Check {
  const told = `${free < GiB ? `${Math.floor(free / MiB)} MiB` : `${(free / GiB).toFixed(1)} GiB`} free in ${dir}`
  if (free < 100 * MiB) return fault('disk', told)
  return free < GiB ? note('disk', told) : ok('disk', told)
}

export const redisCheck = (error: string | undefined, tookMs: number): Check =>
  error === undefined ? ok('redis', `answers in ${tookMs} ms`) : fault('redis', error)

/** Something could not be looked at. */
export const awayCheck = (check: string, error: string): Check => fault(check, error)
export const unseenCheck = (check: string, why: string): Check => note(check, why)
