/** A time on the command line: one meaning, in whichever command. */
import { describe, expect, it } from 'vitest'
import { halyard } from '../../support/cli.ts'

const cli = halyard(() => ({
  HALYARD_URL: 'http://127.0.0.1:1',
  HALYARD_API_KEY: 'hly_api_any',
  HALYARD_ENV: 'production',
}))

describe.each([[['kill', 'checkout']], [['drill', 'production']]])('halyard %j --timeout', (command) => {
  it('refuses a number without a unit, and names both', async () => {
    expect(await cli([...command, '--timeout', '5'])).toEqual({
      code: 64,
      said: '',
      told: 'halyard: --timeout 5 has no unit: say 5s or 5ms.',
    })
  })

  it('refuses what is no time', async () => {
    expect(await cli([...command, '--timeout', '2m'])).toMatchObject({
      code: 64,
      told: expect.stringMatching(/^halyard: --timeout is a time such as 500ms or 5s/),
    })
  })

  it('takes both units', async () => {
    // Nobody listens there.
    for (const time of ['500ms', '5s']) expect((await cli([...command, '--timeout', time])).code).toBe(75)
  })
})
