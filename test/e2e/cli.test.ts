/** `halyard` as it is installed, a real process each time, from a login to a kill to flags as code. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { ROOT } from '../support/build.ts'
import { plainEnvironment, processes, type Server } from '../support/process.ts'
import { startSdk } from '../support/sdk-process.ts'
import { until } from '../support/until.ts'

const all = processes()
const BIN = join(ROOT, 'sdk/dist/cli/halyard.js')

let server: Server
let home: string
beforeAll(async () => {
  server = await all.startServer()
  home = all.freshFolder()
})

type Ended = { readonly code: number | null; readonly out: string; readonly err: string }

/** @param stdin what is piped in */
function halyard(args: readonly string[], stdin = '', settings: Record<string, string> = {}): Promise<Ended> {
  const env = { ...plainEnvironment(), HOME: home, XDG_CONFIG_HOME: join(home, 'config'), ...settings }
  const child = spawn(BIN, args, { cwd: home, env, stdio: ['pipe', 'pipe', 'pipe'] })
  let [out, err] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  child.stdin.on('error', () => {})
  child.stdin.end(stdin)
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })))
}

describe('the story of a flag', () => {
  it('from a login to a kill, flags as code and a build that no longer compiles', async () => {
    const login = await halyard(['login', '--url', server.url], `${server.adminKey}\n`)
    expect(login).toMatchObject({ code: 0, err: '' })
    expect(login.out).not.toContain(server.adminKey)
    const kept = join(home, 'config/halyard/config.json')
    expect(statSync(kept).mode & 0o777).toBe(0o600)

    expect((await halyard(['flags', 'create', 'checkout'])).out).toContain('Made checkout')
    expect((await halyard(['flags', 'enable', 'checkout', '--env', 'production'])).code).toBe(0)
    const killed = await halyard(['kill', 'checkout', '--env', 'production', '--comment', 'INC-481'])
    expect(killed).toMatchObject({ code: 0, err: '' })
    expect(killed.out).toMatch(/^Killed checkout in production\.\n {2}serves {4}off = false\n/)
    const explained = await halyard(['explain', 'checkout', '--env', 'production', '--context', '{}'])
    expect(explained.out).toContain('✓ killed')
    expect((await halyard(['unkill', 'checkout', '--env', 'production'])).code).toBe(0)

    expect((await halyard(['export', '-o', 'flags.yaml'])).code).toBe(0)
    expect(await halyard(['plan', '-f', 'flags.yaml'])).toMatchObject({
      code: 0,
      out: 'Nothing to change.\n',
    })
    const yaml = readFileSync(join(home, 'flags.yaml'), 'utf8')
    writeFileSync(join(home, 'flags.yaml'), yaml.replace('enabled: true', 'enabled: false'))
    expect((await halyard(['plan', '-f', 'flags.yaml'])).code).toBe(2)
    expect((await halyard(['apply', '-f', 'flags.yaml'])).code).toBe(0)
    expect((await halyard(['types'])).out).toBe('Wrote 1 flag to halyard-flags.d.ts.\n')
    writeFileSync(join(home, 'app.ts'), "flags.boolean('chekout', false)\n")
    const refs = await halyard(['refs', 'app.ts'])
    expect(refs).toMatchObject({ code: 2, err: '' })
    expect(refs.out).toContain('did you mean checkout?')
    await halyard(['flags', 'archive', 'checkout'])
    expect((await halyard(['types', '--check'])).code).toBe(2)
    expect((await halyard(['logout'])).code).toBe(0)
    expect(existsSync(kept)).toBe(false)
  })

  it('ends with a sentence and no stack, whatever goes wrong', async () => {
    const settings = { HALYARD_URL: server.url, HALYARD_API_KEY: 'hly_api_nobody_knows' }
    for (const [args, code] of [
      [['kill', 'checkout', '--env', 'production'], 1],
      [['kill', 'checkout'], 64],
      [['nonsense'], 64],
      [['flags', 'list', '--url', 'http://127.0.0.1:59999'], 75],
      [['flags', 'list', '--url', 'ftp://x'], 64],
    ] as const) {
      const ended = await halyard(args, '', settings)
      expect([ended.code, ended.out], args.join(' ')).toEqual([code, ''])
      expect(ended.err).toMatch(/^halyard: [^\n]+\n$/)
      expect(ended.err).not.toContain('hly_api_nobody_knows')
    }
  })

  it('un-kills a drill that is stopped by Ctrl-C', async () => {
    const post = (path: string, body: unknown) =>
      fetch(`${server.url}/api/v1/projects/default/${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${server.adminKey}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }).then((answer) => answer.json())
    const { secret: key } = await post('environments/staging/keys', { name: 'frozen', kind: 'server' })
    const app = await startSdk(
      all,
      { url: server.url, key },
      { it: { flag: 'it', otherwise: 0, context: {} } },
    )
    await until('its stream works', async () => (await app.ask()).connected)
    app.child.kill('SIGSTOP')
    const drill = all.startScript(BIN, { HALYARD_URL: server.url, HALYARD_API_KEY: server.adminKey }, [
      ...['drill', 'staging', '--timeout', '60s'],
    ])
    const path = `${server.url}/api/v1/projects/default/environments/staging/flags/halyard-drill`
    const killed = async () => {
      const answer = await fetch(path, { headers: { authorization: `Bearer ${server.adminKey}` } })
      return answer.ok ? (await answer.json()).kill : undefined
    }
    await until('it is killed', async () => (await killed()) ?? undefined)
    drill.child.kill('SIGINT')
    expect((await drill.ended).code).toBe(1)
    expect(drill.stderr()).toContain('Interrupted')
    expect(await killed()).toBeNull()
  })

  const piped = async (command: string): Promise<{ code: number | null; err: string }> => {
    const env = { ...plainEnvironment(), HALYARD_URL: server.url, HALYARD_API_KEY: server.adminKey }
    const child = spawn('bash', ['-c', `set -o pipefail; ${command}`], { env, stdio: 'pipe' })
    let err = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text
    })
    const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
    return { code, err }
  }

  it('is done before its reader is: a closed pipe is no error', async () => {
    expect(await piped(`${BIN} completion bash | head -1`)).toEqual({ code: 0, err: '' })
  })

  it('goes on to its end, and exits as it would, when nobody reads any more', async () => {
    const { code } = await piped(`${BIN} drill development production nowhere 2>&1 | true`)
    expect(code).toBe(1)
    const path = `${server.url}/api/v1/projects/default/environments/production/changes?flag=halyard-drill`
    const answer = await fetch(path, { headers: { authorization: `Bearer ${server.adminKey}` } })
    const { items } = (await answer.json()) as { items: { summary: string[] }[] }
    expect(
      items
        .flatMap(({ summary }) => summary)
        .slice(0, 2)
        .join('\n'),
    ).toMatch(/un-?kill[\s\S]*kill/i)
  })

  it('whose output cannot be written says so, and what it has done: that is not "not done"', async () => {
    const told = (what: string) =>
      new RegExp(`^halyard: standard output cannot be written \\(ENOSPC[^)]*\\)\\.${what}\n$`)
    const full = (args: string) => piped(`${BIN} ${args} > /dev/full`)
    expect(await full('completion bash')).toEqual({ code: 74, err: expect.stringMatching(told('')) })
    await piped(`${BIN} flags create refunds`)
    for (const how of ['', ' --json']) {
      expect(await full(`kill refunds --env production${how}`)).toEqual({
        code: 74,
        err: expect.stringMatching(
          told(' Told here instead: refunds is killed in production, revision \\d+\\.'),
        ),
      })
    }
    expect(await full('unkill refunds --env production')).toEqual({
      code: 74,
      err: expect.stringMatching(told(' Told here instead: refunds is un-killed in .*')),
    })
    // A refusal stays one.
    expect(await full('kill refunsd --env production --json')).toEqual({
      code: 1,
      err: expect.stringMatching(told(' Told here instead: There is no flag [\\s\\S]*')),
    })
    expect(await full('drill development nowhere')).toEqual({
      code: 1,
      err: expect.stringMatching(
        told(' Told here instead: development everyone applied it; nowhere failed .*'),
      ),
    })
  })
})
