/** `doctor`: looks at the installation from where the service would run, changes nothing, and says what is wrong. */
import { closeSync, existsSync, openSync } from 'node:fs'
import { access, constants, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { openDatabase, openRedis, VERSION } from '../../compose.ts'
import { type Config, ConfigError, publishedKeys } from '../../config.ts'
import { secretIn } from '../../data-folder.ts'
import { SDK_FEATURES } from '../../domain/sdk-features.ts'
import { type Database, silent } from '../../store/database.ts'
import { folderOf } from '../../store/embedded.ts'
import { FolderInUseError } from '../../store/folder-lock.ts'
import { audiencesOf, inspect, readRules, rightsOf, timeOf } from '../../store/inspect.ts'
import { shippedMigrations } from '../../store/migrate.ts'
import { type Command, configOf, EXIT, reasonOf } from '../command.ts'
import { misdirected } from '../on-database.ts'
import {
  awayCheck,
  type Check,
  clockCheck,
  databaseCheck,
  diskCheck,
  type Kept,
  redisCheck,
  roleCheck,
  schemaCheck,
  secretCheck,
  settingsChecks,
  sizeChecks,
  unseenCheck,
} from './checks.ts'
import { sdksSeen, type Upgrade, upgradeChecks } from './upgrade.ts'

/** SDKs that did not ask for so long are none to wait for. */
const LATELY_MS = 7 * 86_400_000
const REDIS_MS = 3_000

type Report = { readonly checks: readonly Check[]; readonly upgrade?: Upgrade | undefined }

export const doctorCommand: Command = {
  summary: 'say what is wrong with the installation',
  options: {
    upgrade: { help: 'also what an upgrade to this release meets: migrations, and SDKs that are out there' },
    json: { help: 'as JSON: {ok, version, checks: [{check, state, message}], upgrade?}' },
  },
  notes: [
    'Looks from where the service would run, with its settings, and changes nothing. ✓ is well, ✗ is wrong, · is worth',
    'knowing. Before an upgrade run it from the new release, on the database as it is. Ends with 1 where something is wrong.',
  ].join('\n'),
  async run(edge, { flags }) {
    const { checks, upgrade } = await reportOf(edge.environment, flags.has('upgrade'))
    const ok = checks.every(({ state }) => state !== 'fault')
    edge.say(
      flags.has('json')
        ? JSON.stringify({ ok, version: VERSION, checks, ...(upgrade !== undefined && { upgrade }) }, null, 2)
        : [`Halyard ${VERSION}`, ...checks.map(lineOf)].join('\n'),
    )
    return ok ? EXIT.done : EXIT.failed
  },
}

const SIGNS = { ok: '✓', note: '·', fault: '✗' } as const
const lineOf = ({ check, state, message }: Check): string => `${SIGNS[state]} ${check}: ${message}`

async function reportOf(
  environment: Parameters<typeof configOf>[0]['environment'],
  upgrading: boolean,
): Promise<Report> {
  let config: Config
  try {
    config = configOf({ environment })
  } catch (error) {
    if (error instanceof ConfigError) return { checks: settingsChecks(error.faults) }
    throw error
  }
  const looked = await lookAtDatabase(config, upgrading)
  return {
    checks: [
      ...settingsChecks(publishedKeys(config)),
      ...looked.checks,
      ...(await lookAtRedis(config)),
      await lookAtDisk(config.dataDir),
    ],
    upgrade: looked.upgrade,
  }
}

async function lookAtDatabase(config: Config, upgrading: boolean): Promise<Report> {
  const secret = secretCheck(config.secret, config.database, keptAt(secretIn(config.dataDir)), 0)
  const embedded = config.database === 'embedded' ? keptAt(folderOf(config.dataDir)) : 'there'
  if (embedded === 'none') {
    const none = `none in ${config.dataDir} yet: the first start makes it`
    return { checks: [unseenCheck('database', none), secret] }
  }
  if (embedded !== 'there') return { checks: [awayCheck('database', embedded.why), secret] }
  let database: Database | undefined
  try {
    database = await openDatabase(config, silent)
    return await lookInto(database, config, upgrading)
  } catch (error) {
    if (error instanceof FolderInUseError) {
      const text = `a service works on the embedded database in ${config.dataDir}: ask its /health/ready, or stop it and look again`
      return { checks: [unseenCheck('database', text), secret] }
    }
    return { checks: [awayCheck('database', misdirected(error, config.database) ?? reasonOf(error)), secret] }
  } finally {
    await database?.close()
  }
}

async function lookInto(database: Database, config: Config, upgrading: boolean): Promise<Report> {
  // First: our own connections for requests would be counted.
  const found = await inspect(database)
  const time = await timeOf(database, Date.now)
  const shipped = shippedMigrations().map(({ name }) => name)
  const upgrade = upgrading ? await upgradeOf(database, found.migrations, shipped) : undefined
  return {
    checks: [
      databaseCheck(found, time.tookMs),
      schemaCheck(found, shipped),
      ...(database.hasRoles && found.migrations.length > 0 ? [roleCheck(await rightsOf(database))] : []),
      secretCheck(config.secret, config.database, keptAt(secretIn(config.dataDir)), found.machines),
      ...(database.hasRoles ? [clockCheck(time)] : []),
      ...sizeChecks(found),
      ...(upgrade === undefined ? [] : upgradeChecks(upgrade)),
    ],
    upgrade,
  }
}

async function upgradeOf(
  database: Database,
  applied: readonly string[],
  shipped: readonly string[],
): Promise<Upgrade> {
  const migrations = shipped.filter((name) => !applied.includes(name))
  if (applied.length === 0) return { migrations, sdks: [] }
  return database.survey(async (db) => {
    const audiences = await audiencesOf(db, Date.now() - LATELY_MS)
    const sdks = audiences && (await sdksSeen(audiences, (log) => readRules(db, log), SDK_FEATURES))
    return { migrations, sdks }
  })
}

async function lookAtRedis(config: Config): Promise<readonly Check[]> {
  const started = performance.now()
  const redis = await openRedis(config, pino({ level: 'silent' }))
  if (redis === undefined) return []
  while (!redis.usable() && performance.now() - started < REDIS_MS) await sleep(20)
  const asked = performance.now()
  const error = redis.usable() ? undefined : (redis.status().error ?? 'it does not answer')
  if (error === undefined) await redis.ask((client) => client.ping()).catch(() => {})
  const check = redisCheck(error, Math.round(performance.now() - asked))
  await redis.close()
  return [check]
}

/** Of the folder, or where it will be made. */
async function lookAtDisk(dir: string): Promise<Check> {
  const there = existsSync(dir) ? dir : nearestOf(dir)
  try {
    // As a folder: what is a file has no place for others.
    await access(`${there}/.`, constants.W_OK | constants.X_OK)
    const { bavail, bsize } = await statfs(there)
    return diskCheck(bavail * bsize, dir)
  } catch (error) {
    const why = 'snapshots and the journal of kills have no place'
    return awayCheck('disk', `${dir} cannot be written to, so ${why}: ${reasonOf(error)}`)
  }
}

/** Whether this user finds something there, and may read it. */
function keptAt(path: string): Kept {
  try {
    closeSync(openSync(path, 'r'))
    return 'there'
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT') return 'none'
    const hint = code === 'EACCES' ? ': run the doctor as the user of the service' : ''
    return { why: `${path} cannot be read (${reasonOf(error)})${hint}` }
  }
}

const nearestOf = (dir: string): string => (existsSync(dir) ? dir : nearestOf(dirname(dir)))
