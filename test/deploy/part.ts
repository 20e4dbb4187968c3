/** A process of a topology: killed with SIGKILL, started again with the same settings. Its errors are printed. */
import { type ChildProcess, spawn } from 'node:child_process'

export type Part = {
  readonly port: number
  kill(): Promise<void>
  start(): Promise<void>
}

export function startPart(
  name: string,
  port: number,
  command: string,
  args: readonly string[],
  settings: Readonly<Record<string, string>>,
): Part {
  let child: ChildProcess
  const run = () => {
    child = spawn(command, args, {
      // Nothing of this process's own settings.
      env: { PATH: process.env.PATH, ...settings },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (process.env.TOPOLOGY_VERBOSE) console.error(`${name}: ${text.trimEnd()}`)
    })
  }
  run()
  return {
    port,
    start: async () => run(),
    kill: async () => {
      const { exitCode, signalCode } = child
      if (exitCode !== null || signalCode !== null) return
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await ended
    },
  }
}
