/** A flood of requests from a process of its own, as a row sees it; and kills in the midst of it. */
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Processes } from '../../support/process.ts'
import { DEVELOPMENT, PROJECT, type Rest, rest } from '../../support/rest.ts'
import { now } from './timeline.ts'

/** No measurement: long after any answer. */
const ANSWERED_WITHIN_MS = 10_000
const SCRIPT = fileURLToPath(new URL('./flood.mjs', import.meta.url))

export type FloodKind = 'management' | 'evaluations' | 'streams'
/** How many were sent; how many the flood could not send, for all that it had under way; and what was answered. */
export type Flooded = Readonly<
  Record<
    FloodKind,
    {
      readonly sent: number
      readonly unsent: number
      readonly statuses: Readonly<Record<string, number>>
    }
  >
>

export type FloodOptions = {
  readonly port: number
  readonly managementKey: string
  readonly sdkKey: string
  readonly perSecond: Readonly<Record<FloodKind, number>>
  /** What management requests ask for. */
  readonly path: string
}

export type Flood = { readonly last: () => Flooded | undefined; readonly end: () => Promise<void> }

export function startFlood({ startScript }: Pick<Processes, 'startScript'>, options: FloodOptions): Flood {
  const running = startScript(SCRIPT, {}, [JSON.stringify(options)])
  let last: Flooded | undefined
  if (running.child.stdout === null) throw new Error('the flood has no output')
  createInterface({ input: running.child.stdout }).on('line', (line) => {
    last = JSON.parse(line) as Flooded
  })
  return {
    last: () => last,
    end: async () => {
      running.child.stdin?.end()
      await running.ended
    },
  }
}

export type KilledInFlood = {
  readonly status: number
  /** From the request, over a connection of its own, to the answer. */
  readonly ms: number
}

/** Kills one flag after the other, as a person does whose key the flood uses up: each over a connection of its own. */
export async function killsIn(
  url: string,
  key: string,
  paths: readonly string[],
  pauseMs: number,
): Promise<readonly KilledInFlood[]> {
  const { ask } = rest(url, key, ANSWERED_WITHIN_MS)
  const all: KilledInFlood[] = []
  for (const path of paths) {
    const at = now()
    const { status } = await ask('POST', `${path}/kill`, undefined, { connection: 'close' })
    all.push({ status, ms: now() - at })
    await sleep(pauseMs)
  }
  return all
}

/** Makes boolean flags to be killed. @returns their paths in the environment of the load */
export async function flagsToKill(api: Rest, count: number): Promise<readonly string[]> {
  const keys = Array.from({ length: count }, (_, index) => `flooded-${index}`)
  for (const key of keys) await api.must('POST', `${PROJECT}/flags`, { key, type: 'boolean' })
  return keys.map((key) => `${DEVELOPMENT}/flags/${key}`)
}

/** A key that may do everything. @returns its secret */
export async function floodedKey(api: Rest): Promise<string> {
  const body = { name: 'a script that forgets to sleep', grants: [{ role: 'admin' }] }
  return (await api.must<{ secret: string }>('POST', '/api/v1/api-keys', body)).secret
}
