/** `start`: the service, until a signal stops it; and on the first start how to try it. */
import { existsSync } from 'node:fs'
import { compose, type Service } from '../compose.ts'
import { type Config, publishedKeys } from '../config.ts'
import { adminKeyIn, folderFault, keepAdminKey } from '../data-folder.ts'
import { type Command, configOf, type Edge, EXIT, Refusal, reasonOf } from './command.ts'
import { openLog } from './log.ts'

/** From a signal to the end, milliseconds; and, where the pause before a drain is long, from that pause's end. */
const STOP_WITHIN_MS = 15_000
const DRAIN_WITHIN_MS = 10_000

/**
 * Connections that wait to be taken; the system's own bound (`net.core.somaxconn`) holds besides. With Node's 511 a storm
 * of new streams fills it, and a kill that comes over a new connection is thrown away and tried again seconds later.
 */
const BACKLOG = 4_096

export const startCommand: Command = {
  summary: 'start the service',
  async run(edge) {
    const config = configOf(edge)
    const { log, end } = openLog(config.logLevel)
    for (const text of publishedKeys(config)) log.warn({}, text)
    const service = await compose(config, log).catch((error: unknown) => {
      const fault = folderFault(error, config.dataDir)
      throw fault === undefined ? error : new Refusal(fault, EXIT.config)
    })
    const address = await service.http
      .listen({ host: config.host, port: config.port, backlog: BACKLOG })
      .catch((error) => {
        throw new Refusal(`cannot listen on ${config.host}:${config.port}: ${noPlace(error)}`)
      })
    let stopping = false
    const stopped = edge.untilSignal().then((signal) => {
      stopping = true
      log.info({ signal }, 'stopping')
      // A person at a terminal has no balancer to wait for.
      return stop(service, signal, signal === 'SIGINT' ? 0 : config.drainDelayMs)
    })
    edge.say(`Halyard listens on ${address}  (docs: ${address}/docs)`)
    const database = config.database === 'embedded' ? 'embedded' : 'Postgres'
    edge.say(`data folder: ${config.dataDir}  ·  database: ${database}`)
    const ready = service.start().then(({ adminKey }) => {
      const shown =
        adminKey === undefined ? knownAdminKey(config) : showAdminKey(edge, config.dataDir, adminKey)
      if (!stopping) edge.say(tryThis(address, shown))
      return stopped
    })
    return Promise.race([stopped, ready]).finally(end)
  },
}

/** Why nobody can listen there, and which setting is in question. */
const NO_PLACE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is taken. Set HALYARD_PORT to another, or end what listens there.',
  EACCES: 'this user may not take that port. Set HALYARD_PORT to one from 1024 on.',
  EADDRNOTAVAIL: 'this machine has no such address. Set HALYARD_HOST to one that it has.',
  ENOTFOUND: 'this machine has no such address. Set HALYARD_HOST to one that it has.',
}
const noPlace = (error: NodeJS.ErrnoException): string => NO_PLACE[error.code ?? ''] ?? reasonOf(error)

async function stop(service: Service, signal: NodeJS.Signals, pauseMs: number): Promise<number> {
  const withinMs = Math.max(STOP_WITHIN_MS, pauseMs + DRAIN_WITHIN_MS)
  const late = new Promise<never>((_, reject) => {
    const text = `not stopped within ${withinMs / 1000} s of ${signal}`
    setTimeout(() => reject(new Refusal(text)), withinMs).unref()
  })
  const closed = service.close(pauseMs).catch((error: unknown) => {
    throw new Refusal(`stopping failed: ${reasonOf(error)}`)
  })
  await Promise.race([closed, late])
  return EXIT.done
}

/**
 * Once, and only to a person: where no terminal listens, the key goes to a file that this user alone can read.
 * @returns how to write the key in a shell line
 */
function showAdminKey(edge: Edge, dataDir: string, key: string): string {
  if (edge.terminal) {
    edge.say(`\nYour admin key, shown only this once:\n\n  ${key}\n`)
    return key
  }
  const path = keepAdminKey(dataDir, key)
  edge.say(`The first admin key is in ${path}`)
  return readBy(path)
}

/** Of a later start: the key that the first one kept, where it still is. */
function knownAdminKey({ dataDir }: Pick<Config, 'dataDir'>): string {
  const path = adminKeyIn(dataDir)
  return existsSync(path) ? readBy(path) : '<your admin key>'
}

const readBy = (path: string): string => `$(cat '${path}')`

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
