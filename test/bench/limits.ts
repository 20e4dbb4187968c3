/**
 * What the limits stand on (ADR 15): one instance on a real Postgres is given more and more to do, and beside it flags are
 * killed. For each load: by how much the event loop is late, as the instance itself looks at it twice a second, and how
 * long a kill waits. Nothing is judged.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Api, api, ENVIRONMENT, makeFlags, makeKey } from './rig/api.ts'
import { withPostgres } from './rig/postgres.ts'
import { type Bench, median, quantile, type Row } from './rig/row.ts'
import { ADMIN_KEY, ROOT, type Running, startServer } from './rig/server.ts'
import { flagShapes } from './workload.ts'

const MUCH = 1_000_000
type Kind = 'management' | 'evaluations' | 'streams'
type Load = {
  readonly name: string
  readonly kind: Kind
  readonly perSecond: number
  /** Requests under way at once, at most. */
  readonly waiting: number
}
const LOADS: readonly Load[] = [
  ...[64, 512, 2_048, 4_096].map(
    (waiting): Load => ({
      name: `bulk evaluations, ${waiting} at once`,
      kind: 'evaluations',
      perSecond: MUCH,
      waiting,
    }),
  ),
  ...[64, 512].map(
    (waiting): Load => ({
      name: `management reads, ${waiting} at once`,
      kind: 'management',
      perSecond: MUCH,
      waiting,
    }),
  ),
  ...[250, 500, 1_000, 2_000, 4_000].map(
    (perSecond): Load => ({
      name: `new streams, ${perSecond} a second`,
      kind: 'streams',
      perSecond,
      waiting: 2_000,
    }),
  ),
]
const LOAD_MS = 6_000
/** Looks and kills before this are the load's beginning. */
const BEGINS_MS = 1_500
const LOOK_MS = 500
const KILL_PAUSE_MS = 150
/** Between two loads, so that the pressure of the one is over. */
const REST_MS = 3_000
const FLAGS = 600

export const limits: Bench = {
  name: 'limits',
  about: 'how late the event loop is, and how long a kill waits, under more and more load',
  run: async () => await withPostgres(measure),
}

async function measure(database: string): Promise<readonly Row[]> {
  const server = await startServer({
    DATABASE_URL: database,
    HALYARD_STREAMS_PER_SECOND: String(MUCH),
    HALYARD_MAX_STREAMS: '100000',
    HALYARD_MAX_STREAMS_PER_KEY: '100000',
  })
  try {
    const call = api(server)
    // A hundred are evaluated in bulk; the others are there to be killed.
    await makeFlags(call, flagShapes(100))
    const spare = Array.from({ length: FLAGS }, (_, index) => `spare-${index}`)
    for (const key of spare) await call('POST', '/projects/default/flags', { key, type: 'boolean' })
    const key = await makeKey(call, 'server')
    const rows = [await under(server, call, spare, { name: 'nothing else' })]
    for (const load of LOADS) {
      const flood = startFlood(server, key, load)
      try {
        rows.push(await under(server, call, spare, { name: load.name, load, flood }))
      } finally {
        await flood.end()
      }
      await pause(REST_MS)
    }
    return rows
  } finally {
    await server.stop()
  }
}

type Case = { readonly name: string; readonly load?: Load; readonly flood?: Flood }

async function under(server: Running, call: Api, spare: string[], { name, load, flood }: Case): Promise<Row> {
  await pause(BEGINS_MS)
  await server.delayMs()
  const answered = flood?.answered()
  const [from, cpu] = [performance.now(), server.cpuMs()]
  const until = from + LOAD_MS - BEGINS_MS
  const [looks, { times: kills, refused }] = await Promise.all([
    looking(server, until),
    killing(call, spare, until),
  ])
  const seconds = (performance.now() - from) / 1_000
  const busy = (server.cpuMs() - cpu) / seconds / 10
  const late = median(looks)
  const counts = Object.entries(flood?.answered() ?? {})
    .map(([status, count]) => `${Math.round((count - (answered?.[status] ?? 0)) / seconds)} × ${status}`)
    .join(', ')
  return {
    name,
    measured: late,
    unit: 'ms',
    baseline: { name: 'kill p50', value: median(kills) },
    note: `most ${Math.max(...looks).toFixed(0)} ms; kill p95 ${quantile(kills, 0.95).toFixed(0)} ms, slowest ${Math.max(...kills).toFixed(0)} ms of ${kills.length}, ${refused} refused; processor ${busy.toFixed(0)} %${load ? `; answered a second: ${counts}` : ''}`,
  }
}

async function looking(server: Running, until: number): Promise<readonly number[]> {
  const looks: number[] = []
  while (performance.now() < until) {
    await pause(LOOK_MS)
    looks.push(await server.delayMs())
  }
  return looks
}

type Kills = { readonly times: readonly number[]; readonly refused: number }

/** One that is refused counts with its time: that is how long somebody waited. */
async function killing(call: Api, spare: string[], until: number): Promise<Kills> {
  const times: number[] = []
  let refused = 0
  while (performance.now() < until) {
    const key = spare.pop()
    if (key === undefined) throw new Error('there is no flag left to be killed')
    const from = performance.now()
    await call('POST', `${ENVIRONMENT}/flags/${key}/kill`).catch(() => {
      refused += 1
    })
    times.push(performance.now() - from)
    await pause(KILL_PAUSE_MS)
  }
  return { times, refused }
}

type Flood = {
  /** So far, by status. */
  readonly answered: () => Readonly<Record<string, number>>
  readonly end: () => Promise<void>
}

/** The flood of the fault tests, in a process of its own. */
function startFlood(server: Running, sdkKey: string, { kind, perSecond, waiting }: Load): Flood {
  const job = {
    port: server.port,
    managementKey: ADMIN_KEY,
    sdkKey,
    perSecond: { management: 0, evaluations: 0, streams: 0, [kind]: perSecond },
    waiting: { [kind]: waiting },
    path: `/api/v1${ENVIRONMENT}/flags/spare-0`,
  }
  const script = join(ROOT, 'test', 'faults', 'rig', 'flood.mjs')
  const child: ChildProcess = spawn(process.execPath, [script, JSON.stringify(job)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const gone = once(child, 'exit')
  let answered: Readonly<Record<string, number>> = {}
  if (child.stdout === null) throw new Error('the flood has no output')
  createInterface({ input: child.stdout }).on('line', (line) => {
    const told = JSON.parse(line) as Record<Kind, { statuses: Record<string, number> }>
    answered = { ...told[kind].statuses }
  })
  return {
    answered: () => answered,
    end: async () => {
      child.stdin?.end()
      await gone
    },
  }
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
