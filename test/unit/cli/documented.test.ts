/** What docs/cli.md, the runbook and the README tell people to type is what there is. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { COMMANDS } from '../../../sdk/cli/catalogue.ts'
import { optionsOf } from '../../../sdk/cli/options.ts'
import { ROOT } from '../../support/build.ts'

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
/** Lines of `sh` blocks that run the command, without comments. */
const typed = ['docs/cli.md', 'docs/runbook.md', 'README.md'].flatMap((path) =>
  [...read(path).matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block = '']) =>
    [...block.matchAll(/(?:^|\| |npx |<\()halyard ([a-z][^#|)\n]+)/gm)].map(([, line = '']) => line.trim()),
  ),
)

it.each(typed.map((line) => [line]))('halyard %s', (line) => {
  const [first = '', second = ''] = line.split(' ')
  const command = COMMANDS[`${first} ${second}`] ?? COMMANDS[first]
  expect(command).toBeDefined()
  if (command === undefined) return
  const options = optionsOf(command)
  const shorts = Object.values(options).map(({ short }) => short)
  for (const [, dashes, name = ''] of line.matchAll(/ (--?)([a-z][a-z-]*)/g)) {
    expect(dashes === '--' ? Object.keys(options) : shorts).toContain(name)
  }
})

it('every command is in docs/cli.md', () => {
  const text = read('docs/cli.md')
  const missing = Object.keys(COMMANDS).filter(
    (name) =>
      !text.includes(`halyard ${name}`) && !new RegExp(`# .*\\b${name.split(' ').at(-1)}\\b`).test(text),
  )
  expect(missing).toEqual([])
})
