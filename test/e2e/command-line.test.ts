/** The commands of the build, as a shell runs them. */
import { execFile } from 'node:child_process'
import { chmodSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { ROOT } from '../support/build.ts'
import { processes } from '../support/process.ts'

const all = processes()
const MAIN = join(ROOT, 'dist/main.js')

it('is what the package installs as halyard-server, and runs by itself', async () => {
  const { bin } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  expect(bin).toEqual({ halyard: 'sdk/dist/cli/halyard.js', 'halyard-server': 'dist/main.js' })
  // npm makes it executable where it installs it.
  const link = join(all.freshFolder(), 'halyard-server')
  symlinkSync(MAIN, link)
  chmodSync(MAIN, 0o755)
  const { stdout } = await promisify(execFile)(link, ['--help'])
  expect(stdout).toContain('Usage: halyard-server [command]')
})

it('migrates a Postgres once, and says what it did', async () => {
  const database = await all.freshDatabase()
  const migrate = async () => {
    const one = all.startScript(MAIN, { DATABASE_URL: database }, ['migrate'])
    return { code: (await one.ended).code, said: one.stdout(), told: one.stderr() }
  }
  expect(await migrate()).toEqual({ code: 0, said: expect.stringContaining('Applied 0001-logs, '), told: '' })
  expect(await migrate()).toEqual({ code: 0, said: 'The schema is up to date.\n', told: '' })
})

it('says why it cannot migrate, and that it may be tried again (75)', async () => {
  const one = all.startScript(MAIN, { DATABASE_URL: 'postgres://halyard@127.0.0.1:1/none' }, ['migrate'])
  expect((await one.ended).code).toBe(75)
  expect(one.stderr()).toContain('ECONNREFUSED')
  expect(one.stderr()).not.toMatch(/^\s+at /m)
})
