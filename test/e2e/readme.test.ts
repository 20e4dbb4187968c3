/**
 * The README's lines to try, run as printed against a fresh server: its blocks of `sh` between `<!-- try:start -->`
 * and `<!-- try:end -->`, one after the other in one shell, as a person pastes them.
 */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFileSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ROOT } from '../support/build.ts'
import { plainEnvironment, processes } from '../support/process.ts'
import { until } from '../support/until.ts'

const all = processes()

/** The blocks, without their fences. */
function blocksOf(readme: string): readonly string[] {
  const parts = [...readme.matchAll(/<!-- try:start -->(.*?)<!-- try:end -->/gs)].map(([, part]) => part)
  return [...parts.join('\n').matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block)
}

const blocks = blocksOf(readFileSync(join(ROOT, 'README.md'), 'utf8'))

describe('the README’s lines to try', () => {
  let shell: Shell

  beforeAll(async () => {
    const server = await all.startServer()
    const folder = dirname(server.dataDir)
    // As in the repository's own folder: an app finds the SDK there.
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    shell = startShell(folder, { HALYARD_URL: server.url, HALYARD_API_KEY: server.adminKey })
  })
  afterAll(() => shell?.end())

  it.each(blocks.map((block) => [block.split('\n')[0], block] as const))(
    'can be pasted: %s',
    async (_, block) => {
      const { code, output } = await shell.run(block)
      expect(code, output).toBe(0)
      // curl ends with 0 where it is refused, too.
      expect(output).not.toMatch(/"status":[45]|Error|command not found/)
    },
  )

  it('show a key, and an app that changes with the kill and back again', () => {
    expect(shell.printed()).toMatch(/^hly_srv_\w+$/m)
    const said = [...shell.printed().matchAll(/^(?:true|false) [A-Z_]+$/gm)].map(([line]) => line)
    expect(said.filter((line, index) => line !== said[index - 1])).toEqual([
      'true TARGETING_MATCH',
      'false DISABLED',
      'true TARGETING_MATCH',
    ])
  })
})

type Shell = {
  readonly run: (lines: string) => Promise<{ readonly code: number; readonly output: string }>
  /** All of it so far, whatever runs behind included. */
  readonly printed: () => string
  readonly end: () => void
}

/** One bash for all blocks, so that what a block exports holds in the next. */
function startShell(cwd: string, settings: Readonly<Record<string, string>>): Shell {
  const bash = spawn('bash', ['--noprofile', '--norc'], { cwd, env: { ...plainEnvironment(), ...settings } })
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
    printed: () => written,
    end: () => bash.kill('SIGKILL'),
  }
}
