/** The process's edge of a command, in a test: what it is given, and what it said. */
import { PassThrough } from 'node:stream'
import { run } from '../../server/commands/run.ts'

export type Ran = {
  readonly code: number
  /** What was asked for, and what was told beside it. */
  readonly said: string
  readonly told: string
  readonly output: Buffer
}

/**
 * Runs a command line in this process.
 * @param environment all of the settings: nothing of this process's own is there
 * @param input what comes through the pipe
 * @param stopped the signal that it gets, once it is there
 */
export async function command(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  input: NodeJS.ReadableStream = new PassThrough().end(),
  stopped: Promise<NodeJS.Signals> = new Promise(() => {}),
): Promise<Ran> {
  const said: string[] = []
  const told: string[] = []
  const output = new PassThrough()
  const bytes: Buffer[] = []
  output.on('data', (chunk: Buffer) => bytes.push(chunk))
  const code = await run(args, {
    environment,
    say: (text) => void said.push(text),
    tell: (text) => void told.push(text),
    input,
    output,
    terminal: false,
    untilSignal: () => stopped,
  })
  return { code, said: said.join('\n'), told: told.join('\n'), output: Buffer.concat(bytes) }
}
