/**
 * From an edit to the callback of each of 200 connected SDKs, process to process: the clock starts as the edit's
 * request is sent, and stops as the SDK calls its app. On the embedded database, and on a real Postgres where there
 * is one.
 */
import { type Api, api, ENVIRONMENT, makeFlags, makeKey } from './rig/api.ts'
import { withPostgres } from './rig/postgres.ts'
import { type Bench, judged, median, quantile, type Row } from './rig/row.ts'
import { type Sdks, type Sent, startSdks } from './rig/sdks.ts'
import { startServer } from './rig/server.ts'
import { flagShapes } from './workload.ts'

const SDKS = 200
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
  let sdks: Sdks | undefined
  try {
    const call = api(server)
    const shapes = flagShapes(100)
    await makeFlags(call, shapes)
    sdks = await startSdks([server.url], await makeKey(call, 'server'), SDKS)
    const connected = await sdks.connected()
    const keys = shapes.map((shape) => shape.key)
    await edit(call, keys.slice(EDITS, EDITS + WARMING))
    await sdks.forget()
    const before = [server.cpuMs(), sdks.cpuMs()] as const
    const edits = await edit(call, keys.slice(0, EDITS))
    // All have heard of the last edit, or do so within this second.
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    const spent = [server.cpuMs() - before[0], sdks.cpuMs() - before[1]] as const
    const { heard, lost } = await sdks.delays(edits)
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
    await sdks?.close()
    await server.stop()
  }
}

/** One edit a flag. */
async function edit(call: Api, keys: readonly string[]): Promise<readonly Sent[]> {
  const edits: Sent[] = []
  for (const key of keys) {
    const sent = Number(process.hrtime.bigint()) / 1e6
    const { revision } = await call<{ revision: number }>('POST', `${ENVIRONMENT}/flags/${key}/disable`)
    edits.push({ revision, sent })
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
  return edits
}
