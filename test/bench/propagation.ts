/**
 * From an edit to the callback of each of 200 connected SDKs, process to process: the clock starts as the edit's
 * request is sent, and stops as the SDK calls its app. On the embedded database, and on a real Postgres where there
 * is one.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Api, api, ENVIRONMENT, makeFlags, makeKey } from './rig/api.ts'
import { withPostgres } from './rig/postgres.ts'
import { type Bench, judged, median, quantile, type Row } from './rig/row.ts'
import { processorMs, startServer } from './rig/server.ts'
import type { Heard } from './worker-sdks.ts'
import { flagShapes } from './workload.ts'

const SDKS = 200
const PROCESSES = 4
const EDITS = 60
/** Edits before those that count: an app that just started still compiles its SDK. */
const WARMING = 10
/** Apart enough that one edit is delivered before the next, on a machine that all SDKs share. */
const PAUSE_MS = 150

export const propagation: Bench = {
  name: 'propagation',
  about: 'edit to SDK callback, 200 SDKs in other processes',
  run: async () => [
    ...(await overDatabase('embedded', {})),
    ...(await withPostgres(async (url) => await overDatabase('Postgres', { DATABASE_URL: url }))),
  ],
}

async function overDatabase(
  database: string,
  settings: Readonly<Record<string, string>>,
): Promise<readonly Row[]> {
  const server = await startServer(settings)
  const workers: ChildProcess[] = []
  try {
    const call = api(server)
    const shapes = flagShapes(100)
    await makeFlags(call, shapes)
    const key = await makeKey(call, 'server')
    const script = join(dirname(fileURLToPath(import.meta.url)), 'worker-sdks.js')
    for (let index = 0; index < PROCESSES; index += 1) {
      workers.push(fork(script, [server.url, key, String(SDKS / PROCESSES)]))
    }
    await Promise.all(workers.map((worker) => once(worker, 'message')))
    const connected = await allConnected(workers)
    const keys = shapes.map((shape) => shape.key)
    await edit(call, keys.slice(EDITS, EDITS + WARMING))
    await ask(workers)
    const before = [server.cpuMs(), cpuOf(workers)] as const
    const edits = await edit(call, keys.slice(0, EDITS))
    // All have heard of the last edit, or do so within this second.
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    const spent = [server.cpuMs() - before[0], cpuOf(workers) - before[1]] as const
    const { heard, lost } = delays(edits, (await ask(workers)).heard)
    return [
      judged(
        {
          name: `edit to callback, ${SDKS} SDKs, ${database}, p99`,
          measured: quantile(heard, 0.99),
          unit: 'ms',
          note: `p50 ${median(heard).toFixed(1)} ms, most ${quantile(heard, 1).toFixed(1)} ms, ${connected} connected, ${lost} of ${EDITS * SDKS} not heard; processor time an edit: server ${(spent[0] / EDITS).toFixed(1)} ms, all SDKs ${(spent[1] / EDITS).toFixed(1)} ms`,
        },
        { of: 'measured', atMost: 100 },
      ),
    ]
  } finally {
    await Promise.all(
      workers.map(async (worker) => {
        if (worker.exitCode !== null || !worker.connected) return
        const gone = once(worker, 'exit')
        worker.send('close')
        const forced = setTimeout(() => worker.kill('SIGKILL'), 10_000)
        await gone
        clearTimeout(forced)
      }),
    )
    await server.stop()
  }
}

function cpuOf(workers: readonly ChildProcess[]): number {
  return workers.reduce((sum, { pid }) => sum + processorMs(pid ?? 0), 0)
}

type Edit = { readonly revision: number; readonly sent: number }

/** One edit a flag. */
async function edit(call: Api, keys: readonly string[]): Promise<readonly Edit[]> {
  const edits: Edit[] = []
  for (const key of keys) {
    const sent = Number(process.hrtime.bigint()) / 1e6
    const { revision } = await call<{ revision: number }>('POST', `${ENVIRONMENT}/flags/${key}/disable`)
    edits.push({ revision, sent })
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
  return edits
}

type Report = { readonly heard: readonly (Heard & { readonly worker: number })[]; readonly connected: number }

async function ask(workers: readonly ChildProcess[]): Promise<Report> {
  const answers = await Promise.all(
    workers.map(async (worker) => {
      worker.send('heard')
      const [answer] = (await once(worker, 'message')) as [{ heard: Heard[]; connected: number }]
      return answer
    }),
  )
  return {
    heard: answers.flatMap(({ heard }, worker) => heard.map((one) => ({ ...one, worker }))),
    connected: answers.reduce((sum, { connected }) => sum + connected, 0),
  }
}

/** Waits until every SDK has its stream, for ten seconds at most. */
async function allConnected(workers: readonly ChildProcess[]): Promise<number> {
  const deadline = performance.now() + 10_000
  for (;;) {
    const { connected } = await ask(workers)
    if (connected === SDKS || performance.now() > deadline) return connected
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** A callback for a later revision also tells of the earlier ones: a slow reader gets them merged. */
function delays(
  edits: readonly Edit[],
  heard: Report['heard'],
): { readonly heard: readonly number[]; readonly lost: number } {
  const bySdk = new Map<string, { revision: number; at: number }[]>()
  for (const { worker, sdk, revision, at } of heard) {
    const id = `${worker}/${sdk}`
    const list = bySdk.get(id)
    if (list) list.push({ revision, at })
    else bySdk.set(id, [{ revision, at }])
  }
  const all: number[] = []
  for (const calls of bySdk.values()) {
    for (const { revision, sent } of edits) {
      const first = calls.find((call) => call.revision >= revision)
      if (first) all.push(first.at - sent)
    }
  }
  return { heard: all, lost: edits.length * SDKS - all.length }
}
