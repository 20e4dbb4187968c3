/**
 * `npm run demo` as a newcomer runs it: it ends well, soon, and shows the whole story.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { ROOT } from '../support/build.ts'
import { plainEnvironment } from '../support/process.ts'

it('shows the flips, the split, the kill and its end, and ends with 0 in under 20 seconds', async () => {
  const { stdout } = await promisify(execFile)('npm', ['run', '--silent', 'demo'], {
    cwd: ROOT,
    env: plainEnvironment(),
    timeout: 20_000,
  })
  // One line of the app's answers after each step of the story.
  const shown = stdout.split('\n').filter((line) => line.includes('everyone else:'))
  const told = shown.map((line) => {
    const [, ada, bob, crowd] = line.match(/ada.*?: (on|off).*bob.*?: (on|off).*?(\d+) of 1,000 on/) ?? []
    return { ada, bob, crowd: Number(crowd) }
  })
  const [disabled, enabled, quarter, half, killed, back] = told
  expect(disabled).toEqual({ ada: 'off', bob: 'off', crowd: 0 })
  expect(enabled).toEqual({ ada: 'on', bob: 'off', crowd: 0 })
  expect(quarter).toMatchObject({ ada: 'on' })
  expect(quarter?.crowd).toBeGreaterThan(200)
  expect(quarter?.crowd).toBeLessThan(300)
  expect(half?.crowd).toBeGreaterThan(quarter?.crowd ?? 1_000)
  expect(killed).toEqual({ ada: 'off', bob: 'off', crowd: 0 })
  expect(back).toEqual(half)
  // How long each change took to arrive, and what the kill answered.
  expect(stdout.match(/in the app after.* ms$/gm)).toHaveLength(5)
  expect(stdout).toContain('{"variant":"off","value":false}')
}, 30_000)
