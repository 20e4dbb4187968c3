/** A shell that a test pastes a document's blocks into, as a reader does. */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { until } from './until.ts'

export type Shell = {
  readonly run: (lines: string) => Promise<{ readonly code: number; readonly output: string }>
  /** All of it so far, whatever runs behind included. */
  readonly printed: () => string
  readonly end: () => void
}

/** A block may wait for apps and servers. */
const BLOCK_MS = 60_000

/** One bash for all blocks, so that what a block exports holds in the next. */
export function startShell(cwd: string, env: Readonly<Record<string, string | undefined>>): Shell {
  const bash = spawn('bash', ['--noprofile', '--norc'], { cwd, env })
  let written = ''
  for (const stream of [bash.stdout, bash.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      written += text
    })
  }
  return {
    run: async (lines) => {
      const mark = randomUUID()
      const from = written.length
      bash.stdin.write(`${lines}\nprintf '\\n${mark} %s\\n' "$?"\n`)
      const pattern = new RegExp(`^${mark} (\\d+)$`, 'm')
      const ran = () => written.slice(from).match(pattern) ?? undefined
      const [found, code] = await until('the lines have run', ran, BLOCK_MS)
      const output = written.slice(from)
      return { code: Number(code), output: output.slice(0, output.indexOf(found)) }
    },
    printed: () => written,
    end: () => void bash.kill('SIGKILL'),
  }
}
