/**
 * The README's lines to try, run as printed against a fresh server: its blocks of `sh` between `<!-- try:start -->`
 * and `<!-- try:end -->`, one after the other in one shell, as a person pastes them.
 */
import { readFileSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ROOT } from '../support/build.ts'
import { plainEnvironment, processes } from '../support/process.ts'
import { type Shell, startShell } from '../support/shell.ts'

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
    shell = startShell(folder, {
      ...plainEnvironment(),
      HALYARD_URL: server.url,
      HALYARD_API_KEY: server.adminKey,
    })
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
