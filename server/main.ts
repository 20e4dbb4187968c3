/**
 * The process's edge, and the only reader of `process`: environment, signals, listening, exit codes.
 */
import { readFileSync } from 'node:fs'
import { pino } from 'pino'
import { compose, type Service } from './compose.ts'
import { type Config, ConfigError, parseConfig } from './config.ts'
import { keepAdminKey } from './data-folder.ts'

const STOP_WITHIN_MS = 15_000

const say = (text: string): void => {
  process.stdout.write(`${text}\n`)
}
const fail = (text: string, code: number): never => {
  process.stderr.write(`halyard: ${text}\n`)
  process.exit(code)
}

const readConfig = (): Config => {
  try {
    return parseConfig(process.env, (path) => readFileSync(path, 'utf8'))
  } catch (error) {
    if (error instanceof ConfigError) return fail(error.message, ConfigError.exitCode)
    throw error
  }
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const config = readConfig()
const log = pino({ level: config.logLevel, base: null }, pino.destination({ dest: 2, sync: false }))

const service = await compose(config, log).catch((error: unknown) => fail(reason(error), 1))
const address = await service.http
  .listen({ host: config.host, port: config.port })
  .catch((error: unknown) => fail(`cannot listen on ${config.host}:${config.port}: ${reason(error)}`, 1))
stopOnSignals(service)

say(`Halyard listens on ${address}  (docs: ${address}/docs)`)
say(
  `data folder: ${config.dataDir}  ·  database: ${config.database === 'embedded' ? 'embedded' : 'Postgres'}`,
)
const { adminKey } = await service.start()
say(tryThis(address, adminKey === undefined ? '<your admin key>' : showAdminKey(adminKey)))

/**
 * Once, and only to a person: where no terminal listens, the key goes to a file that this user alone can read.
 * @returns how to write the key in a shell line
 */
function showAdminKey(key: string): string {
  if (process.stdout.isTTY) {
    say(`\nYour admin key, shown only this once:\n\n  ${key}\n`)
    return key
  }
  const path = keepAdminKey(config.dataDir, key)
  say(`The first admin key is in ${path}`)
  return `$(cat '${path}')`
}

function tryThis(url: string, key: string): string {
  const project = '$HALYARD_URL/api/v1/projects/default'
  const authorized = '-H "Authorization: Bearer $HALYARD_API_KEY"'
  return [
    'Ready. Try:',
    `  export HALYARD_URL=${url} HALYARD_API_KEY=${key}`,
    `  curl -sS ${project}/flags ${authorized} -H 'Content-Type: application/json' -d '{"key":"checkout","type":"boolean"}'`,
    `  curl -sS -X POST ${project}/environments/development/flags/checkout/enable ${authorized}`,
  ].join('\n')
}

function stopOnSignals(running: Service): void {
  const stop = (signal: NodeJS.Signals) => {
    log.info({ signal }, 'stopping')
    const late = setTimeout(
      () => fail(`not stopped within ${STOP_WITHIN_MS / 1000} s of ${signal}`, 1),
      STOP_WITHIN_MS,
    )
    late.unref()
    running.close().then(
      () => process.exit(0),
      (error: unknown) => fail(`stopping failed: ${reason(error)}`, 1),
    )
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}
