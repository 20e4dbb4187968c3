/** A process of its own that writes to a store, so that a test can kill it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const RUNNER = fileURLToPath(new URL('./run-child.mjs', import.meta.url))
const WRITER = fileURLToPath(new URL('./postgres-writer.ts', import.meta.url))

/** What the writer says on a line: what it wrote and was acknowledged, or why it ended. */
export type Said =
  | { readonly opened: true }
  | { readonly acknowledged: number; readonly revision: number }
  | { readonly error: string }

export type Writer = {
  readonly said: readonly Said[]
  /** Resolves when something that was said satisfies it; rejects when the process ends before. */
  until(satisfied: (said: Said) => boolean): Promise<void>
  kill(signal: NodeJS.Signals): Promise<void>
}

/**
 * Starts a writer: it commits `n: 1`, `n: 2`, … to a log, and says each number once it is acknowledged.
 * @param target the options of `openPostgres` or `openEmbedded`
 */
export function startWriter(
  target: { readonly url: string } | { readonly dir: string; readonly prepared: string },
  log: string,
): Writer {
  const child: ChildProcess = spawn(process.execPath, [RUNNER, WRITER, JSON.stringify(target), log], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said: Said[] = []
  const listeners = new Set<() => void>()
  const hear = () => {
    for (const listener of listeners) listener()
  }
  let errors = ''
  let ended = false
  if (child.stdout === null || child.stderr === null) throw new Error('The child has no pipes')
  createInterface({ input: child.stdout }).on('line', (line) => {
    said.push(JSON.parse(line) as Said)
    hear()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  const over = new Promise<void>((resolve) => {
    child.once('close', () => {
      ended = true
      hear()
      resolve()
    })
  })
  return {
    said,
    until: (satisfied) =>
      new Promise((resolve, reject) => {
        const check = () => {
          if (said.some(satisfied)) resolve()
          else if (ended) reject(new Error(`The writer ended: ${JSON.stringify(said.slice(-3))}\n${errors}`))
          else return
          listeners.delete(check)
        }
        listeners.add(check)
        check()
      }),
    kill: async (signal) => {
      child.kill(signal)
      await over
    },
  }
}
