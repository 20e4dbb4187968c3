/** The commands of the build, as a shell runs them. */
import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { expect, it } from 'vitest'
import { ROOT } from '../support/build.ts'
import { plainEnvironment, processes } from '../support/process.ts'
import { until } from '../support/until.ts'

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

it('leaves no half backup where it is stopped, and tells whoever waits for it', async () => {
  const database = await all.freshDatabase()
  await all.startScript(MAIN, { DATABASE_URL: database }, ['migrate']).ended
  const client = new pg.Client({ connectionString: database })
  await client.connect()
  await client.query('BEGIN; LOCK TABLE halyard.entries')
  const dir = all.freshFolder()
  const one = all.startScript(MAIN, { DATABASE_URL: database }, ['backup', '--out', join(dir, 'b.gz')])
  await until('it has begun', () => readdirSync(dir).length > 0)
  expect(await one.stop()).toMatchObject({ code: 143 })
  expect(one.stderr()).toBe('halyard: stopped by SIGTERM: nothing is left of it.\n')
  expect(readdirSync(dir)).toEqual([])
  await client.end()
})

/** As in a container: the first process of its own world. */
const AS_FIRST = ['--user', '--map-root-user', '--pid', '--fork', '--kill-child']
const noWorld = spawnSync('unshare', [...AS_FIRST, 'true']).status !== 0
if (noWorld) console.warn('a process of its own world is not tried: unshare makes none here')

it.skipIf(noWorld)('is stopped by a signal as process 1 of a container, too', async () => {
  const args = ['erase', '--all', '--comment', 'DSR-17', '--identifier', '-']
  const unshare = spawn('unshare', [...AS_FIRST, process.execPath, MAIN, ...args], {
    env: plainEnvironment(),
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const childOf = () => readFileSync(`/proc/${unshare.pid}/task/${unshare.pid}/children`, 'utf8').trim()
  const child = Number(await until('it runs', childOf))
  const ended = once(unshare, 'exit')
  try {
    // Before its program is read there is nobody in it who could listen.
    await until('it ends', () => unshare.exitCode !== null || !process.kill(child, 'SIGTERM'))
  } finally {
    unshare.kill('SIGKILL')
  }
  expect(await ended).toEqual([143, null])
})
