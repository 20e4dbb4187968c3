/** The command against a real service: flags, kills, explanations, and what goes wrong on the way. */
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SDK_VERSION } from '../../../sdk/transport/version.ts'
import { halyard } from '../../support/cli.ts'
import { ADMIN_KEY, startService, type TestService } from '../../support/start-service.ts'

let service: TestService
let url: string
beforeAll(async () => {
  service = await startService()
  url = await service.listen()
})
afterAll(async () => await service.close())

const cli = halyard(() => ({ HALYARD_URL: url, HALYARD_API_KEY: ADMIN_KEY }))

describe('flags', () => {
  it('are made, enabled, listed and shown', async () => {
    expect(await cli(['flags', 'create', 'first', '--tag', 'a,b', '--owner', 'payments'])).toMatchObject({
      code: 0,
      said: expect.stringContaining('Made first (boolean)'),
    })
    expect(await cli(['flags', 'enable', 'first', '-e', 'staging', '-m', 'für alle'])).toEqual({
      code: 0,
      said: 'first is enabled in staging, revision 3.',
      told: expect.stringContaining('warning:'),
    })
    expect((await cli(['flags', 'list'])).said).toMatch(
      /^FLAG +TYPE +OWNER +TAGS +DESCRIPTION\nfirst +boolean +payments +a, b$/,
    )
    expect((await cli(['flags', 'list', '-e', 'staging'])).said).toMatch(
      /first +on +off +\d{4}-\d\d-\d\d \d\d:\d\d by /,
    )
    const shown = await cli.json<{ environments: Record<string, { enabled: boolean }> }>(
      'flags',
      'get',
      'first',
    )
    expect(shown.environments).toMatchObject({ staging: { enabled: true }, production: { enabled: false } })
    expect((await cli(['flags', 'get', 'first'])).said).toContain('staging  on  revision 3')
  })

  it('of other types say their variants', async () => {
    const made = await cli([
      'flags',
      'create',
      'colour',
      '--type',
      'string',
      '--variants',
      '{"red": "#f00"}',
      '--off',
      'red',
    ])
    expect(made.code).toBe(0)
    expect(
      await cli(['flags', 'create', 'no-colour', '--type', 'string', '--variants', '{red']),
    ).toMatchObject({
      code: 64,
      told: expect.stringContaining('--variants is no JSON'),
    })
    expect(await cli(['flags', 'create', 'x', '--type', 'text'])).toMatchObject({
      code: 64,
      told: 'halyard: --type is one of boolean, string, number, object.',
    })
  })
})

describe('a kill', () => {
  it('says what it serves, what is off with it, and how to take it back', async () => {
    for (const key of ['base', 'leaning']) {
      await cli(['flags', 'create', key])
      await cli(['flags', 'enable', key, '-e', 'production'])
    }
    await service.ask('PATCH', '/api/v1/projects/default/environments/production/flags/leaning', {
      body: { prerequisites: [{ flag: 'base', variants: ['on'] }] },
      headers: { 'if-match': '*' },
    })
    expect(await cli(['kill', 'base', '--env', 'production', '--dry-run'])).toMatchObject({
      code: 0,
      said: expect.stringContaining('nothing was changed'),
    })
    const killed = await cli(['kill', 'base', '--env', 'production', '--comment', 'INC-481 — späť'])
    expect(killed).toMatchObject({ code: 0, told: '' })
    expect(killed.said).toMatch(
      /^Killed base in production\.\n {2}serves {4}off = false\n {2}also off {2}leaning/,
    )
    expect(killed.said).toContain('halyard unkill base --env production')
    const again = await cli(['kill', 'base', '--env', 'production'])
    expect(again.code).toBe(0)
    expect(again.said).toContain('was killed in production before')
    expect(again.said).toContain('INC-481 — späť')

    const unkilled = await cli(['unkill', 'base', '-e', 'production', '-m', 'gelöst'])
    expect(unkilled.said).toMatch(/^Un-killed base in production, revision \d+/)
    const { body } = await service.ask(
      'GET',
      '/api/v1/projects/default/environments/production/changes?limit=1',
    )
    expect(body.items[0].comment).toBe('gelöst')
    expect(await cli(['unkill', 'base', '-e', 'production'])).toMatchObject({
      code: 1,
      told: expect.stringContaining('not killed'),
    })
  })

  it('of a tag says first how many flags that is, and is done when that number is expected', async () => {
    const make = async (key: string) => {
      const body = { key, type: 'boolean', tags: ['paying'] }
      await service.ask('POST', '/api/v1/projects/default/flags', { body })
    }
    for (const key of ['pay-a', 'pay-b']) await make(key)
    const group = ['kill', '--tag', 'paying', '--env', 'production']
    const asked = await cli(group)
    expect(asked).toEqual({
      code: 64,
      said: '',
      told: 'halyard: That is 2 flags: pay-a, pay-b. Nothing was killed; if these are meant, add --expect 2.',
    })
    expect(await cli([...group, '--dry-run'])).toMatchObject({
      code: 0,
      said: expect.stringMatching(/^Would kill 2 flags in production; nothing was changed\./),
    })
    await make('pay-c')
    expect(await cli([...group, '--expect', '2'])).toMatchObject({
      code: 1,
      told: expect.stringContaining('3 flags match, and 2 were expected: "pay-a", "pay-b", "pay-c".'),
    })
    await cli(['kill', 'pay-c', '-e', 'production'])
    const killed = await cli([...group, '--expect', '3', '--comment', 'INC-482'])
    expect(killed).toMatchObject({ code: 0, told: '' })
    expect(killed.said).toMatch(
      /^Killed 3 flags in production\.\n {2}flags {5}pay-a, pay-b, pay-c\n {2}before {4}pay-c \(killed before this\)\n/,
    )
    expect(killed.said).toMatch(/ {2}killed at revision \d+ · servers 1 of 1 · SDKs 0 of 0 applied it/)
    expect((await cli([...group, '--expect', '3'])).said).toMatch(
      /^All were killed in production before: 3 flags/,
    )
    const { kills } = await cli.json<{ kills: object[] }>(...group, '--expect', '3')
    expect(kills).toHaveLength(3)
    for (const args of [['kill', 'pay-a', '--all'], ['kill'], [...group, '--expect', 'many']]) {
      expect((await cli([...args, '-e', 'production'])).code).toBe(64)
    }
    expect(await cli(['kill', '--all', '-e', 'production', '--dry-run'])).toMatchObject({ code: 0 })
    expect(await cli(['kill', '--tag', 'payign', '-e', 'production'])).toMatchObject({
      code: 1,
      told: expect.stringContaining('Did you mean paying?'),
    })
  })

  it('is taken back by its name, and edits since are told of and accepted', async () => {
    await cli(['flags', 'create', 'edited'])
    const { kill } = await cli.json<{ kill: { id: string } }>('kill', 'edited', '-e', 'production')
    expect(await cli(['unkill', 'edited', '-e', 'production', '--kill', 'another'])).toMatchObject({
      code: 1,
      told: expect.stringContaining(kill.id),
    })
    await cli(['flags', 'enable', 'edited', '-e', 'production'])
    const refused = await cli(['unkill', 'edited', '-e', 'production', '--kill', kill.id])
    expect(refused.code).toBe(1)
    expect(refused.told).toMatch(
      /^halyard: edited stays killed in production: .*\n {2}flag edited at revision \d+, 20\S+Z by .*\nSee halyard changes edited .*--accept-edits/,
    )
    const done = await cli(['unkill', 'edited', '-e', 'production', '--kill', kill.id, '--accept-edits'])
    expect(done).toMatchObject({ code: 0, said: expect.stringContaining('Un-killed edited in production') })
  })

  it('of a mistyped flag says which one was meant, and shows no stack', async () => {
    expect(await cli(['kill', 'bsae', '-e', 'production'])).toEqual({
      code: 1,
      said: '',
      told: expect.stringMatching(/^halyard: .*bsae.*\nDid you mean base\?$/),
    })
    const { problem, exitCode } = await cli.json<{ problem: object; exitCode: number }>(
      'kill',
      'bsae',
      '-e',
      'production',
    )
    expect(exitCode).toBe(1)
    expect(problem).toMatchObject({ status: 404, didYouMean: 'base' })
  })

  it('never guesses an environment', async () => {
    expect(await cli(['kill', 'base'])).toMatchObject({
      code: 64,
      told: expect.stringContaining('Which environment?'),
    })
  })
})

describe('an explanation', () => {
  it('has the answer, the sentence and the steps', async () => {
    const explained = await cli(['explain', 'first', '-e', 'staging', '-c', '{"targetingKey": "user-1"}'])
    expect(explained.code).toBe(0)
    expect(explained.said).toMatch(/^first in staging gives false \(off\) {2}STATIC\n/)
    expect(explained.said).toContain('✓ enabled')
    const then = await cli(['explain', 'first', '-e', 'staging', '--at', '2'])
    expect(then.said).toContain('disabled')
    writeFileSync(join(cli.folder, 'user.json'), '{"targetingKey": "user-1"}')
    expect((await cli(['explain', 'first', '-e', 'staging', '-c', '@user.json'])).code).toBe(0)
    expect(await cli(['explain', 'first', '-e', 'staging', '-c', '@nobody.json'])).toMatchObject({ code: 64 })
    expect(await cli(['explain', 'first', '-e', 'staging', '-c', '[1]'])).toMatchObject({
      code: 1,
      told: expect.stringContaining('/context'),
    })
  })
})

describe('a login', () => {
  const config = join(cli.folder, '.config/halyard/config.json')
  const bare = { environment: {} }

  it('checks the key, keeps it for its owner alone, and never shows it', async () => {
    expect(await cli(['login', '--url', url], { ...bare, stdin: 'hly_api_wrong_key' })).toMatchObject({
      code: 1,
      told: expect.stringContaining('does not know the key'),
    })
    expect(existsSync(config)).toBe(false)
    const key = await service.managementKey([{ role: 'viewer' }])
    const done = await cli(['login', '--url', `${url}/`], { ...bare, stdin: `${key}\n` })
    expect(done.code).toBe(0)
    expect(done.said + done.told).not.toContain(key)
    expect(statSync(config).mode & 0o777).toBe(0o600)
    expect(JSON.parse(readFileSync(config, 'utf8'))).toEqual({ url, key })
    const who = await cli(['whoami'], bare)
    expect(who.said).toContain('It sees 1 project: default')
    expect(who.said + who.told).not.toContain(key)
    expect((await cli(['flags', 'list'], bare)).code).toBe(0)
  })

  it('asks a person without showing what is typed', async () => {
    const asked: unknown[] = []
    const ask = async (question: string, hidden?: string) => {
      asked.push([question, hidden])
      return ADMIN_KEY
    }
    expect(await cli(['login', '--url', url], { ...bare, ask })).toMatchObject({ code: 0 })
    expect(asked).toEqual([[expect.stringContaining(url), 'hidden']])
  })

  it('keeps nothing in whichever folder somebody stands in, where there is no home', async () => {
    const homeless = { ...bare, home: '', stdin: ADMIN_KEY }
    expect(await cli(['login', '--url', url], homeless)).toEqual({
      code: 64,
      said: '',
      told: expect.stringContaining('set XDG_CONFIG_HOME'),
    })
    expect(existsSync('.config/halyard')).toBe(false)
    // What needs no file works.
    expect(await cli(['flags', 'list'], { home: '' })).toMatchObject({ code: 0, told: '' })
    expect(await cli(['logout'], homeless)).toMatchObject({ code: 0, said: 'Nothing was kept.' })
    const chosen = { ...homeless, environment: { XDG_CONFIG_HOME: join(cli.folder, 'chosen') } }
    expect((await cli(['login', '--url', url], chosen)).code).toBe(0)
    expect(existsSync(join(cli.folder, 'chosen/halyard/config.json'))).toBe(true)
  })

  it('never sends its key to another server', async () => {
    const elsewhere = { environment: { HALYARD_URL: 'http://127.0.0.1:59999' } }
    expect(await cli(['flags', 'list'], elsewhere)).toMatchObject({
      code: 64,
      told: expect.stringContaining('There is no key for'),
    })
  })

  it('tells a key of another kind, a damaged file, and forgets', async () => {
    const sdk = await service.sdkKey('server')
    expect(await cli(['login', '--url', url], { ...bare, stdin: sdk })).toMatchObject({
      code: 64,
      told: expect.stringContaining('a server key'),
    })
    expect((await cli(['logout'], bare)).said).toContain('Forgot the key')
    expect(existsSync(config)).toBe(false)
    expect(await cli(['whoami'], bare)).toMatchObject({
      code: 64,
      told: expect.stringContaining('halyard login'),
    })
    writeFileSync(config, '{"url"')
    chmodSync(config, 0o600)
    expect(await cli(['whoami'], bare)).toMatchObject({ code: 1, told: expect.stringContaining('damaged') })
    await cli(['login', '--url', url], { ...bare, stdin: ADMIN_KEY })
    await cli(['logout'], bare)
  })

  it('that is damaged stops nobody who says where and who without it, and can be forgotten', async () => {
    await cli(['flags', 'create', 'burning'])
    writeFileSync(config, '{"url"')
    const kill = ['kill', 'burning', '--env', 'production']
    expect(await cli(kill)).toMatchObject({
      code: 0,
      said: expect.stringContaining('Killed burning'),
      told: `warning: ${config} is damaged: run halyard login again. The project is default: --project or HALYARD_PROJECT says another.`,
    })
    expect(await cli([...kill, '--project', 'default'])).toMatchObject({ code: 0, told: '' })
    // Half of it said is not all.
    const half = { environment: { HALYARD_URL: url } }
    expect(await cli(kill, half)).toMatchObject({ code: 1, told: expect.stringContaining('damaged') })
    expect(await cli(['logout'], bare)).toMatchObject({
      code: 0,
      said: expect.stringContaining(`Forgot what was kept in ${config}, damaged.`),
    })
    expect(existsSync(config)).toBe(false)
  })
})

describe('when things fail', () => {
  it('the command line is explained', async () => {
    expect(await cli([])).toMatchObject({ code: 64, said: expect.stringContaining('Usage: halyard') })
    expect(await cli(['--help'])).toMatchObject({ code: 0 })
    expect(await cli(['help', 'flags', 'list'])).toMatchObject({
      code: 0,
      said: expect.stringContaining('Usage: halyard flags list'),
    })
    expect(await cli(['klil'])).toMatchObject({
      code: 64,
      told: expect.stringContaining('Did you mean kill?'),
    })
    expect(await cli(['flags'])).toMatchObject({
      code: 64,
      told: expect.stringContaining('list, get, create'),
    })
    expect(await cli(['kill'])).toMatchObject({ code: 64, told: expect.stringContaining('Name one flag') })
    expect(await cli(['kill', 'a', 'b'])).toMatchObject({
      code: 64,
      told: expect.stringContaining('"b" is too much'),
    })
    expect(await cli(['kill', 'a', '--froce'])).toMatchObject({
      code: 64,
      told: expect.stringContaining("Unknown option '--froce'"),
    })
    expect(await cli(['--version'])).toEqual({ code: 0, said: `halyard ${SDK_VERSION}`, told: '' })
  })

  it.each([
    [['kill', 'a', '-e', 'production', '--wait', 'all'], '--wait is one of sdks, servers, none.'],
    [['kill', 'a', '-e', 'production', '--timeout', '1h'], '--timeout is a time such as 500ms or 5s.'],
    [['changes', '-e', 'production', '--limit', 'ten'], '--limit takes a number, such as 50.'],
  ])('a value that no server takes is the command line’s fault: %j', async (args, told) => {
    expect(await cli(args)).toEqual({ code: 64, said: '', told: `halyard: ${told}` })
  })

  it('a server that nobody reaches is named, with what to do', async () => {
    const { code, told } = await cli(['flags', 'list', '--url', 'http://127.0.0.1:59999'])
    expect(code).toBe(75)
    expect(told).toMatch(
      /^halyard: http:\/\/127\.0\.0\.1:59999 cannot be reached: .*ECONNREFUSED.* Is the server running/,
    )
  })

  it('a write is sent again, under the same Idempotency-Key, while the server is away for a moment', async () => {
    const keys: unknown[] = []
    const pauses: number[] = []
    const flaky = createServer((request, response) => {
      keys.push(request.headers['idempotency-key'])
      if (keys.length === 1) return void request.socket.destroy()
      if (keys.length === 2) return void response.writeHead(503, { 'retry-after': '2' }).end('{}')
      response.end(
        '{"kill": {"at": "", "by": ""}, "serves": {"codeDefault": true}, "alsoOff": [], "revision": 7, "warnings": []}',
      )
    })
    await new Promise<void>((resolve) => flaky.listen(0, '127.0.0.1', resolve))
    const address = `http://127.0.0.1:${(flaky.address() as AddressInfo).port}`
    const pause = async (ms: number) => void pauses.push(ms)
    const done = await cli(['kill', 'a', '-e', 'production', '--url', address], { pause })
    expect(done).toMatchObject({ code: 0, said: expect.stringContaining('revision 7') })
    expect(keys).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/), keys[0], keys[0]])
    expect(pauses[1]).toBe(2000)
    flaky.close()
  })

  it('what is not Halyard is told from it', async () => {
    const other = createServer((_, response) => response.end('<html>'))
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const address = `http://127.0.0.1:${(other.address() as AddressInfo).port}`
    expect(await cli(['flags', 'list', '--url', address])).toMatchObject({
      code: 1,
      told: expect.stringContaining('is not Halyard'),
    })
    other.close()
  })
})

it('colours are for terminals, and for nobody where NO_COLOR is set', async () => {
  const environment = { HALYARD_URL: url, HALYARD_API_KEY: ADMIN_KEY }
  const painted = await cli(['flags', 'list'], { terminal: true })
  expect(painted.said).toContain('\u001b[')
  const plain = await cli(['flags', 'list'], {
    terminal: true,
    environment: { ...environment, NO_COLOR: '1' },
  })
  expect(plain.said).not.toContain('\u001b[')
})
