/**
 * Three instances on one Postgres and one Redis, 300 SDKs spread over them: from a kill's request, sent to each instance
 * in turn, to the callback in every SDK; the same once Redis is gone for good, when instances find out by themselves.
 */
import { redisBinaries, startRedis } from '../support/redis-process.ts'
import { type Api, api, ENVIRONMENT, makeFlags, makeKey } from './rig/api.ts'
import { withPostgres } from './rig/postgres.ts'
import { type Bench, judged, median, quantile, type Row } from './rig/row.ts'
import { type Sdks, type Sent, startSdks } from './rig/sdks.ts'
import { type Running, startServer } from './rig/server.ts'
import { flagShapes } from './workload.ts'

const SERVERS = 3
const SDKS = 300
const FLAGS = 200
const KILLS = 60
/** Kills before those that count, and kills that nobody tells the other instances of. */
const WARMING = 12
const UNTOLD = 40
/** Apart enough that one kill is delivered before the next, on a machine that all SDKs share. */
const PAUSE_MS = 200
/** Instances look once a second by themselves: kills come at any time of it. */
const UNTOLD_PAUSE_MS = 2_130

export const fleet: Bench = {
  name: 'fleet',
  about: `kill to SDK callback, ${SDKS} SDKs on ${SERVERS} instances, with Redis and without`,
  run: async () => {
    if (redisBinaries() === undefined) {
      console.log('  (left out: it needs a real Redis; install one)')
      return []
    }
    return await withPostgres(measure)
  },
}

async function measure(database: string): Promise<readonly Row[]> {
  const redis = await startRedis()
  const servers: Running[] = []
  let sdks: Sdks | undefined
  try {
    const settings = {
      DATABASE_URL: database,
      REDIS_URL: redis.url,
      HALYARD_SECRET: 'bench-secret-0123456789abcdefghijklmn',
    }
    // The first makes the schema; the others would wait for it.
    for (let index = 0; index < SERVERS; index += 1) servers.push(await startServer(settings))
    const calls = servers.map(api)
    const [first] = calls
    if (first === undefined) throw new Error('there is no server')
    const keys = flagShapes(FLAGS).map(({ key }) => key)
    await makeFlags(first, flagShapes(FLAGS))
    const key = await makeKey(first, 'server')
    sdks = await startSdks(
      servers.map(({ url }) => url),
      key,
      SDKS,
    )
    const connected = await sdks.connected()
    await kills(calls, keys.slice(0, WARMING), PAUSE_MS)
    await sdks.forget()
    const told = await kills(calls, keys.slice(WARMING, WARMING + KILLS), PAUSE_MS)
    await pause(1_000)
    const together = await sdks.delays(told)
    await redis.kill()
    const untold = await kills(calls, keys.slice(-UNTOLD), UNTOLD_PAUSE_MS)
    await pause(3_000)
    const alone = await sdks.delays(untold)
    return [
      row(`kill to callback, ${SDKS} SDKs on ${SERVERS} instances, p99`, together, connected, 150),
      row('the same, Redis dead, p99', alone, await sdks.connected(), 2_000),
    ]
  } finally {
    await sdks?.close()
    await Promise.all(servers.map((server) => server.stop()))
    await redis.remove()
  }
}

function row(
  name: string,
  { heard, lost }: Awaited<ReturnType<Sdks['delays']>>,
  connected: number,
  atMost: number,
): Row {
  return judged(
    {
      name,
      measured: quantile(heard, 0.99),
      unit: 'ms',
      note: `p50 ${median(heard).toFixed(1)} ms, most ${quantile(heard, 1).toFixed(1)} ms, ${connected} connected, ${lost} of ${heard.length + lost} not heard`,
    },
    { of: 'measured', atMost },
  )
}

/** One kill a flag, to each instance in turn. */
async function kills(
  calls: readonly Api[],
  keys: readonly string[],
  pauseMs: number,
): Promise<readonly Sent[]> {
  const all: Sent[] = []
  for (const [index, key] of keys.entries()) {
    const call = calls[index % calls.length] as Api
    const sent = Number(process.hrtime.bigint()) / 1e6
    const { revision } = await call<{ revision: number }>('POST', `${ENVIRONMENT}/flags/${key}/kill`)
    all.push({ revision, sent })
    await pause(pauseMs)
  }
  return all
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
