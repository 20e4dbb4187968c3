/** The SDK in a process of its own: it never keeps one alive, never ends one early, and gives back what it took. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../../support/until.ts'
import { booleanFlag, environment } from '../../unit/node/rulesets.ts'
import { KEY, startWireServer, type WireServer } from '../../unit/node/wire-server.ts'
import { buildSdk, compileTs } from './build.ts'

let built: ReturnType<typeof buildSdk>
let server: WireServer
let scripts = 0

beforeAll(async () => {
  built = buildSdk()
  server = await startWireServer(environment({ a: booleanFlag(true) }), { heartbeatMs: 1_000 })
})
afterAll(async () => {
  await server?.stop()
  built?.remove()
})

type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string }

/**
 * Runs a script to its own end; one that does not end is killed, and `code` is null.
 * @param deaf nobody reads its standard error
 */
async function run(script: string, flags: readonly string[] = [], { deaf = false } = {}): Promise<Ended> {
  const file = join(built.folder, `script-${scripts++}.mjs`)
  writeFileSync(file, `import { connect } from './node/index.js'\n${script}`)
  const env = { ...process.env, HALYARD_URL: server.url, HALYARD_SDK_KEY: KEY }
  const child = spawn(process.execPath, [...flags, file], { env, timeout: 15_000 })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (text) => (stdout += text))
  child.stderr.on('data', (text) => (stderr += text))
  if (deaf) child.stderr.destroy()
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, stdout, stderr }
}

test('a script that is done ends, though its client is connected', async () => {
  const ended = await run(`
    const flags = await connect()
    while (!flags.status().connected) await new Promise((resolve) => setTimeout(resolve, 10))
    console.log(flags.boolean('a', false))
  `)
  expect(ended).toEqual({ code: 0, stdout: 'true\n', stderr: '' })
})

test('so does one whose server has a name of two addresses, of which the first answers nobody', async () => {
  // The connection of the first GET is taken up again, which settles it: the stream gets one of its own.
  server.instead.stream = (_, response) => {
    server.instead.stream = undefined
    response.socket?.destroy()
  }
  const ended = await run(`
    import dns from 'node:dns'
    const addresses = [{ address: '::1', family: 6 }, { address: '127.0.0.1', family: 4 }]
    dns.lookup = (name, options, done) => done(null, addresses)
    const url = process.env.HALYARD_URL.replace('127.0.0.1', 'flags.example')
    const flags = await connect({ url, logger: { warn() {}, error() {} } })
    while (!flags.status().connected) await new Promise((resolve) => setTimeout(resolve, 10))
    console.log(flags.boolean('a', false))
  `)
  expect(ended).toEqual({ code: 0, stdout: 'true\n', stderr: '' })
})

test('the first example of the README does what it says', async () => {
  const readme = readFileSync(new URL('../../../sdk/README.md', import.meta.url), 'utf8')
  const example =
    /```js\nimport \{ connect \} from '@halyard\/sdk\/node'\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
  const script = example.replace('http://127.0.0.1:4000', server.url).replaceAll("'checkout'", "'a'")
  const ended = await run(script)
  expect(ended).toMatchObject({ code: 0, stderr: '' })
  expect(ended.stdout).toMatch(/^true\n\{[\s\S]*value: true,[\s\S]*reason: 'STATIC'/)
})

test('its declarations serve an app that is compiled strictly, without our settings', () => {
  writeFileSync(
    join(built.folder, 'app.mts'),
    `import { connect, type Client, type ConnectOptions } from './node/index.js'
    const options: ConnectOptions = { url: undefined, key: async () => 'k', app: { name: 'shop' } }
    const flags: Client = await connect(options)
    const on: boolean = flags.boolean('a', false, { targetingKey: 'u', nested: { any: [1] } })
    const { colour }: { colour: string } = flags.object('b', { colour: 'red' })
    const stop: () => void = flags.on('change', ({ keys }) => keys.includes('a'))
    // @ts-expect-error: a boolean flag's default is a boolean
    flags.boolean('a', 'no')
    // @ts-expect-error: there is no such event
    flags.on('changed', () => {})
    export { on, colour, stop }`,
  )
  const compilerOptions = {
    strict: true,
    noEmit: true,
    target: 'es2022',
    module: 'nodenext',
    types: ['node'],
  }
  const project = join(built.folder, 'tsconfig.json')
  writeFileSync(project, JSON.stringify({ compilerOptions, files: ['app.mts'] }))
  compileTs(['-p', project])
})

test('a script that waits for connect does not end before it resolves', async () => {
  server.instead.ruleset = () => {}
  const ended = await run(`
    const flags = await connect({ startTimeoutMs: 300 })
    console.log(flags.status().state)
  `)
  server.instead.ruleset = undefined
  expect(ended).toEqual({ code: 0, stdout: 'starting\n', stderr: '' })
})

test('a short script leaves its cache file behind', async () => {
  const cacheFile = join(built.folder, 'cache.json')
  const ended = await run(`await connect({ mode: 'once', cacheFile: ${JSON.stringify(cacheFile)} })`)
  expect(ended.code).toBe(0)
  await until('the file is there', () => existsSync(cacheFile))
})

test('no server, no key, nothing right: no unhandled rejection, and a warning each on standard error', async () => {
  const ended = await run(`
    const flags = await connect({ url: 'http://127.0.0.1:9', startTimeoutMs: 300 })
    flags.on('error', () => { throw new Error('of a listener') })
    flags.on('error', async () => { throw new Error('of a listener, later') })
    // The next attempt is at a chance moment.
    const holds = setInterval(() => {}, 1_000)
    await new Promise((resolve) => flags.on('error', resolve))
    clearInterval(holds)
    await new Promise((resolve) => setTimeout(resolve, 100))
    console.log(flags.boolean('a', true))
    await flags.close()
  `)
  expect(ended).toMatchObject({ code: 0, stdout: 'true\n' })
  expect(ended.stderr.match(/cannot be reached/g)).toHaveLength(1)
  expect(ended.stderr).toMatch(/A listener of "error" failed/)
})

test('where a name has several addresses, the warning says what each of them met', async () => {
  const ended = await run(`
    import dns from 'node:dns'
    const addresses = [{ address: '127.0.0.1', family: 4 }, { address: '127.0.0.2', family: 4 }]
    dns.lookup = (name, options, done) => done(null, addresses)
    await connect({ url: 'http://flags.example:9', startTimeoutMs: 300 })
  `)
  expect(ended).toMatchObject({ code: 0, stdout: '' })
  const both = 'connect ECONNREFUSED 127.0.0.1:9, connect ECONNREFUSED 127.0.0.2:9'
  expect(ended.stderr).toBe(`halyard warning: http://flags.example:9 cannot be reached: ${both}\n`)
})

test('a warning that nobody reads any more does not end the app', async () => {
  const ended = await run(
    `
    const flags = await connect({ url: 'http://127.0.0.1:9', startTimeoutMs: 300 })
    await new Promise((resolve) => setTimeout(resolve, 300))
    console.log(flags.boolean('a', true))
  `,
    [],
    { deaf: true },
  )
  expect(ended).toMatchObject({ code: 0, stdout: 'true\n' })
})

test('after two hundred clients were connected and closed, handles and memory are back', async () => {
  const ended = await run(
    `
    const settle = async () => {
      for (let turn = 0; turn < 5; turn++) { gc(); await new Promise((resolve) => setTimeout(resolve, 20)) }
      return { heap: process.memoryUsage().heapUsed, handles: process.getActiveResourcesInfo().length }
    }
    const round = async () => {
      for (let batch = 0; batch < 10; batch++) {
        const clients = await Promise.all(Array.from({ length: 20 }, () => connect()))
        for (const flags of clients) flags.on('change', () => {})
        await Promise.all(clients.map((flags) => flags.close()))
      }
    }
    await round()
    const before = await settle()
    await round()
    const after = await settle()
    console.log(JSON.stringify({ handles: after.handles - before.handles, grown: after.heap - before.heap }))
  `,
    ['--expose-gc'],
  )
  expect(ended).toMatchObject({ code: 0, stderr: '' })
  const { handles, grown } = JSON.parse(ended.stdout)
  expect(handles).toBeLessThanOrEqual(0)
  // A client alone holds some 100 KB; two hundred that were kept would show.
  expect(grown).toBeLessThan(1_500_000)
  await until('the server has no connection left', () => server.sockets.size === 0)
})
