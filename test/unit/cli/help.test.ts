/** What the command says of itself. */
import { describe, expect, it } from 'vitest'
import { COMMANDS } from '../../../sdk/cli/catalogue.ts'
import { halyard } from '../../support/cli.ts'

const cli = halyard(() => ({}))
const help = async (...words: string[]) => (await cli([...words, '--help'])).said

describe('the help of a group', () => {
  it.each([
    [['flags', '--help'], 'flags'],
    [['flags', '-h'], 'flags'],
    [['help', 'flags'], 'flags'],
    [['segments', '--help'], 'segments'],
  ])('halyard %j lists its commands', async (args, group) => {
    const { code, said, told } = await cli(args)
    expect([code, told]).toEqual([0, ''])
    const names = Object.keys(COMMANDS).filter((name) => name.startsWith(`${group} `))
    expect(names.length).toBeGreaterThan(1)
    for (const name of names)
      expect(said).toMatch(new RegExp(`^  ${name} .* ${COMMANDS[name]?.summary}$`, 'm'))
  })

  it('is no command: without --help something is missing', async () => {
    expect(await cli(['flags'])).toMatchObject({ code: 64, said: '' })
  })
})

describe('exit codes', () => {
  it('of a kill and a drill say that it may be killed, and not everywhere', async () => {
    for (const name of ['kill', 'drill']) {
      expect(await help(name)).toMatch(
        /^Exit codes: 0 .*, 1 .*, 3 killed, .*, 4 killed, .*, 64 .*, 74 .*, 75 .*\.$/m,
      )
    }
  })

  it('that cannot come are not named', async () => {
    const codes = async (...words: string[]) =>
      [...(/^Exit codes: (.*)$/m.exec(await help(...words))?.[1] ?? '').matchAll(/\d+/g)].map(
        ([code]) => code,
      )
    expect(await codes('flags', 'list')).toEqual(['0', '1', '64', '74', '75'])
    expect(await codes('logout')).toEqual(['0', '1', '64', '74'])
    for (const words of [['plan'], ['apply'], ['promote'], ['refs'], ['types']]) {
      expect(await codes(...words)).toContain('2')
    }
    expect(await codes()).toEqual(['0', '1', '2', '3', '4', '64', '74', '75'])
  })
})

it('completion answers JSON to whom asks for it', async () => {
  const script = (await cli(['completion', 'fish'])).said
  expect(JSON.parse((await cli(['completion', 'fish', '--json'])).said)).toEqual({ shell: 'fish', script })
  const environment = { HALYARD_URL: 'http://127.0.0.1:1', HALYARD_API_KEY: 'hly_api_any' }
  expect(JSON.parse((await cli(['completion', 'keys', '--json'], { environment })).said)).toEqual([])
})
