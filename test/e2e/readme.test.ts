/**
 * The README's lines to try, run as printed against a fresh server. They stand between `<!-- try:start -->` and
 * `<!-- try:end -->`: a block of `sh` is run, all in one shell, in a folder whose `data` is the server's; a block of
 * `text` or `json` after it is what it prints, where `…` stands for anything.
 */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ROOT } from '../support/build.ts'
import { plainEnvironment, processes, type Server } from '../support/process.ts'
import { until } from '../support/until.ts'

const all = processes()

type Step = { readonly lines: string; readonly prints?: { readonly as: string; readonly text: string } }

function stepsOf(readme: string): readonly Step[] {
  const parts = [...readme.matchAll(/<!-- try:start -->(.*?)<!-- try:end -->/gs)].map((match) => match[1])
  const steps: Step[] = []
  for (const [, as = '', text = ''] of parts.join('\n').matchAll(/^```(\w+)\n(.*?)^```$/gms)) {
    const last = steps.at(-1)
    if (as === 'sh') steps.push({ lines: text })
    else if (last !== undefined) steps[steps.length - 1] = { ...last, prints: { as, text } }
  }
  return steps
}

const steps = stepsOf(readFileSync(join(ROOT, 'README.md'), 'utf8'))

describe('the README', () => {
  let server: Server
  let shell: Shell

  beforeAll(async () => {
    server = await all.startServer({ adminKey: null })
    shell = startShell(dirname(server.dataDir))
  })
  afterAll(() => shell?.end())

  it('has lines to try', () => {
    expect(steps.length).toBeGreaterThan(0)
  })

  it.each(steps.map((step) => [step.lines.split('\n')[0], step] as const))(
    'can be pasted: %s',
    async (_, step) => {
      // The port that it prints may be taken on this machine: the one thing that is not as printed.
      const { code, output } = await shell.run(step.lines.replaceAll('http://127.0.0.1:4000', server.url))
      expect(code, output).toBe(0)
      expect(output, 'curl prints refusals too').not.toContain('"https://halyard.dev/problems/')
      if (step.prints !== undefined) expect(output).toMatch(patternOf(step.prints.text))
    },
  )
})

/** Whitespace is free, and `…` is anything: the README may break and shorten what is printed. */
function patternOf(text: string): RegExp {
  const escaped = (part: string) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  const parts = text.trim().split('…')
  const pattern = parts.map((part) => part.split(/\s+/).map(escaped).join('\\s*')).join('[^]*?')
  return new RegExp(`^\\s*${pattern}\\s*$`)
}

type Shell = {
  readonly run: (lines: string) => Promise<{ readonly code: number; readonly output: string }>
  readonly end: () => void
}

/** One bash for all blocks, so that what a block exports holds in the next. */
function startShell(cwd: string): Shell {
  const bash = spawn('bash', ['--noprofile', '--norc'], { cwd, env: plainEnvironment() })
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
      const [found, code] = await until('the lines have run', () => written.slice(from).match(pattern))
      const output = written.slice(from)
      return { code: Number(code), output: output.slice(0, output.indexOf(found)) }
    },
    end: () => bash.kill('SIGKILL'),
  }
}
