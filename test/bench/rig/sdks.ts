/**
 * SDKs in other processes, as a bench sees them: connected to some servers, and telling when each of them called its app
 * for which revision.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Heard } from '../worker-sdks.ts'
import { processorMs } from './server.ts'

/** A change that was asked for. `sent`: when its request was, by CLOCK_MONOTONIC, milliseconds. */
export type Sent = { readonly revision: number; readonly sent: number }

export type Sdks = {
  /** Waits until every one has its stream, for ten seconds at most. @returns how many have */
  readonly connected: () => Promise<number>
  /** Forgets what was heard so far. */
  readonly forget: () => Promise<void>
  /**
   * For each change and each SDK, milliseconds from the request to the first callback that tells of it.
   * @returns what was heard since the last question, and how much was not
   */
  readonly delays: (changes: readonly Sent[]) => Promise<{
    readonly heard: readonly number[]
    readonly lost: number
  }>
  /** Processor time of all of them so far, milliseconds. */
  readonly cpuMs: () => number
  readonly close: () => Promise<void>
}

const PROCESSES = 4
const CONNECTED_WITHIN_MS = 10_000
const CLOSED_WITHIN_MS = 10_000

/** @param urls every SDK knows all of them, and begins with another */
export async function startSdks(urls: readonly string[], key: string, count: number): Promise<Sdks> {
  const script = join(dirname(fileURLToPath(import.meta.url)), 'worker-sdks.js')
  const workers = Array.from({ length: PROCESSES }, () =>
    fork(script, [urls.join(','), key, String(count / PROCESSES)]),
  )
  const close = async () => await Promise.all(workers.map(closed)).then(() => {})
  try {
    await Promise.all(workers.map((worker) => once(worker, 'message')))
  } catch (cause) {
    await close()
    throw cause
  }
  return {
    async connected() {
      const deadline = performance.now() + CONNECTED_WITHIN_MS
      for (;;) {
        const { connected } = await ask(workers)
        if (connected === count || performance.now() > deadline) return connected
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    },
    async forget() {
      await ask(workers)
    },
    async delays(changes) {
      const { heard } = await ask(workers)
      return delaysOf(changes, heard, count)
    },
    cpuMs: () => workers.reduce((sum, { pid }) => sum + processorMs(pid ?? 0), 0),
    close,
  }
}

async function closed(worker: ChildProcess): Promise<void> {
  if (worker.exitCode !== null || !worker.connected) return
  const gone = once(worker, 'exit')
  worker.send('close')
  const forced = setTimeout(() => worker.kill('SIGKILL'), CLOSED_WITHIN_MS)
  await gone
  clearTimeout(forced)
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

/** A callback for a later revision also tells of the earlier ones: a slow reader gets them merged. */
function delaysOf(
  changes: readonly Sent[],
  heard: Report['heard'],
  sdks: number,
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
    for (const { revision, sent } of changes) {
      const first = calls.find((call) => call.revision >= revision)
      if (first) all.push(first.at - sent)
    }
  }
  return { heard: all, lost: changes.length * sdks - all.length }
}
