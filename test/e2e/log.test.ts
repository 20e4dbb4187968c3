/** A service whose output is taken by nobody: a full disk, a reader that has stopped or gone. Flags are served all the same. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import { ROOT } from '../support/build.ts'
import { freePort } from '../support/postgres-process.ts'
import { plainEnvironment, processes } from '../support/process.ts'
import { rest } from '../support/rest.ts'
import { until } from '../support/until.ts'

const all = processes()
const MAIN = join(ROOT, 'dist/main.js')
const ADMIN_KEY = 'an-admin-key-of-this-test-0123456789'
/** Each write to it fails as on a disk that is full. */
const FULL = '/dev/full'
const started: ChildProcess[] = []
afterEach(() => {
  for (const child of started.splice(0)) if (child.exitCode === null) child.kill('SIGKILL')
})

async function start(stdio: Readonly<Record<'stdout' | 'stderr', 'pipe' | 'ignore' | number | Writable>>) {
  const port = await freePort()
  const child = spawn(process.execPath, [MAIN], {
    cwd: ROOT,
    stdio: ['ignore', stdio.stdout, stdio.stderr],
    env: {
      ...plainEnvironment(),
      HALYARD_PORT: String(port),
      HALYARD_DATA_DIR: join(all.freshFolder(), 'data'),
      HALYARD_ADMIN_KEY: ADMIN_KEY,
      HALYARD_MANAGEMENT_REQUESTS_PER_SECOND: '100000',
      DATABASE_URL: 'embedded',
    },
  })
  started.push(child)
  const url = `http://127.0.0.1:${port}`
  const isReady = () =>
    fetch(`${url}/health/ready`).then(
      ({ ok }) => ok,
      () => false,
    )
  return { child, url, isReady, api: rest(url, ADMIN_KEY) }
}

/** Ends it as a supervisor does. */
async function stop(child: ChildProcess): Promise<number | null> {
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const [code] = await ended
  return code
}

/** Each of these is a line of some 500 bytes in its log. */
async function ask(url: string, times: number): Promise<void> {
  const headers = { authorization: `Bearer ${ADMIN_KEY}` }
  const address = `${url}/api/v1/projects/default/flags/${'x'.repeat(300)}`
  const turns = Array.from({ length: Math.ceil(times / 20) }, (_, turn) => Math.min(20, times - 20 * turn))
  for (const turn of turns) {
    const answers = await Promise.all(Array.from({ length: turn }, () => fetch(address, { headers })))
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 404))
    await Promise.all(answers.map((answer) => answer.text()))
  }
}

describe.runIf(spawnSync('test', ['-c', FULL]).status === 0)('where the disk of its log is full', () => {
  it('serves, takes a kill, and ends', async () => {
    const full = openSync(FULL, 'w')
    const { child, url, isReady, api } = await start({ stdout: 'ignore', stderr: full })
    closeSync(full)
    await until('it is ready', isReady)
    await api.must('POST', '/api/v1/projects/default/flags', { key: 'checkout', type: 'boolean' })
    const killed = await api.must('POST', '/kill/default/development/checkout')
    expect(killed).toMatchObject({ kill: { id: expect.any(String) } })
    await ask(url, 5)
    expect(await stop(child)).toBe(0)
  })

  it('serves where its greeting is lost, and says so at its end', async () => {
    const full = openSync(FULL, 'w')
    const { child, isReady } = await start({ stdout: full, stderr: 'pipe' })
    closeSync(full)
    let told = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      told += text
    })
    await until('it is ready', isReady)
    expect(await stop(child)).toBe(74)
    expect(told).toContain('halyard: standard output cannot be written (ENOSPC')
  })

  it('a command whose answer is lost does not say that it is done', () => {
    const full = openSync(FULL, 'w')
    const { status, stderr } = spawnSync(process.execPath, [MAIN, '--help'], {
      stdio: ['ignore', full, 'pipe'],
    })
    closeSync(full)
    expect([status, String(stderr)]).toEqual([74, expect.stringContaining('cannot be written')])
  })
})

it('serves where nobody reads its greeting or its log any more', async () => {
  const { child, url, isReady } = await start({ stdout: 'pipe', stderr: 'pipe' })
  child.stdout?.destroy()
  child.stderr?.destroy()
  await until('it is ready', isReady)
  await ask(url, 5)
  expect(await isReady()).toBe(true)
  expect(await stop(child)).toBe(0)
})

it('serves, and ends, where whoever reads its log has stopped; what is lost is said where that goes on', async () => {
  const reader = spawn(process.execPath, ['-e', 'process.stdin.pipe(process.stdout)'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  started.push(reader)
  let read = ''
  reader.stdout?.setEncoding('utf8').on('data', (text: string) => {
    read += text
  })
  await once(reader, 'spawn')
  reader.kill('SIGSTOP')
  const { child, url, isReady } = await start({ stdout: 'ignore', stderr: reader.stdin as Writable })
  await until('it is ready', isReady)
  await ask(url, 4_000)
  expect(await isReady()).toBe(true)
  reader.kill('SIGCONT')
  await until('it says what was lost', () => /"lost":[1-9]\d*,.*lines of this log were lost/.test(read))
  reader.kill('SIGSTOP')
  await ask(url, 4_000)
  expect(await stop(child)).toBe(0)
})
