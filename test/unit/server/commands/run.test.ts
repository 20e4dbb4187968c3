/** The command line: what it understands, and what it says where it does not. */
import { describe, expect, it } from 'vitest'
import { COMMANDS } from '../../../../server/commands/run.ts'
import { VERSION } from '../../../../server/compose.ts'
import { command } from '../../../support/edge.ts'

describe('halyard-server', () => {
  it.each([['--help'], ['-h'], ['help']])('says with %s what there is to do', async (asked) => {
    const { code, said, told } = await command([asked])
    expect({ code, told }).toEqual({ code: 0, told: '' })
    for (const [name, { summary }] of Object.entries(COMMANDS)) {
      expect(said).toMatch(new RegExp(`^  ${name} +${summary.replace(/[.*+?()[\]|]/g, '\\$&')}$`, 'm'))
    }
  })

  it.each([['--version'], ['-V']])('says with %s which release it is', async (asked) => {
    expect(await command([asked])).toMatchObject({ code: 0, said: `halyard-server ${VERSION}`, told: '' })
  })

  it.each(Object.keys(COMMANDS))('says how to use %s, and does not do it', async (name) => {
    const asked = await command([name, '--help'])
    expect(asked).toMatchObject({ code: 0, told: '' })
    expect(asked.said.split('\n')[0]).toContain(`Usage: halyard-server ${name}`)
    expect((await command(['help', name])).said).toBe(asked.said)
  })

  it.each([
    [['frobnicate'], 'There is no command "frobnicate": there are start, '],
    [['toString'], 'There is no command "toString"'],
    [['help', 'frobnicate'], 'There is no command "frobnicate"'],
    [['migrate', '--fast'], "Unknown option '--fast'. See halyard-server migrate --help."],
    [['migrate', 'up'], 'migrate takes no operand; there is 1. Usage: halyard-server migrate'],
  ])('refuses the command line %j with exit code 64, and says what it takes', async (args, sentence) => {
    const { code, said, told } = await command(args)
    expect({ code, said }).toEqual({ code: 64, said: '' })
    expect(told).toContain(sentence)
    expect(told.split('\n')).toHaveLength(1)
  })

  it('lists every fault of the settings with exit code 78', async () => {
    const { code, told } = await command(['migrate'], { DATABASE_URL: 'mysql://db', HALYARD_PORT: 'high' })
    expect(code).toBe(78)
    expect(told).toContain('DATABASE_URL')
    expect(told).toContain('HALYARD_PORT')
  })

  it('has nothing to migrate by hand where the database is embedded', async () => {
    expect(await command(['migrate'])).toMatchObject({
      code: 0,
      said: 'The embedded database migrates itself at the start: nothing to do.',
    })
  })
})
