/** The history's tools as operators run them: npm scripts beside a service, their exit codes, what they print. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import pg from 'pg'
import { expect, it } from 'vitest'
import { ROOT } from '../support/build.ts'
import { plainEnvironment, processes, type Server } from '../support/process.ts'
import { PROJECT, rest } from '../support/rest.ts'
import { until } from '../support/until.ts'

const all = processes()

type Ran = { readonly code: number | null; readonly said: string; readonly told: string }

/** `npm run`, with what follows `--`. */
function npm(
  script: string,
  args: readonly string[],
  settings: Readonly<Record<string, string>>,
  input = '',
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn('npm', ['run', '--silent', script, '--', ...args], {
      cwd: ROOT,
      env: { ...plainEnvironment(), ...settings },
    })
    const written = { stdout: '', stderr: '' }
    child.stdout.on('data', (bytes: Buffer) => {
      written.stdout += bytes.toString()
    })
    child.stderr.on('data', (bytes: Buffer) => {
      written.stderr += bytes.toString()
    })
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, said: written.stdout, told: written.stderr }))
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
}

/** The head of a log that a server logged at a revision. What it writes comes later than its answers. */
async function loggedHead(server: Server, environment: string, revision: number): Promise<string> {
  let head = ''
  await until('the commit is logged', () => {
    head = newestHead(server, environment)
    return head.startsWith(`${revision}:`)
  })
  return head
}

function newestHead(server: Server, environment: string): string {
  const heads = server
    .stderr()
    .split('\n')
    .filter((line) => line.includes('"msg":"committed"'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  const head = heads.findLast((one) => one.project === 'default' && one.environment === environment)
  return `${head?.revision}:${head?.hash}`
}

async function someEdits(server: Server) {
  const { ask } = rest(server.url, server.adminKey)
  await ask('POST', `${PROJECT}/flags`, { key: 'checkout', type: 'boolean' })
  for (const verb of ['enable', 'disable']) {
    await ask('POST', `${PROJECT}/environments/production/flags/checkout/${verb}`)
  }
}

it('verifies a history while the service runs, against a head that it logged, and finds what was edited', async () => {
  const database = await all.freshDatabase()
  const settings = { DATABASE_URL: database }
  const server = await all.startServer({ database })
  await someEdits(server)
  const head = await loggedHead(server, 'production', 4)
  expect(head).toMatch(/^4:[0-9a-f]{64}$/)

  const whole = await npm('audit:verify', ['--expect', head], settings)
  expect(whole).toMatchObject({ code: 0, told: '' })
  expect(whole.said).toContain(`head of default/production: ${head}\n`)
  expect(whole.said).toMatch(/\nWhole: 5 logs, \d+ records, \d+ versions of documents, in \d+\.\d s\.\n$/)
  const narrow = await npm('audit:verify', ['--log', 'default/production', '--log', 'system'], settings)
  expect(narrow.said).toContain('Whole: 2 logs')

  const client = new pg.Client({ connectionString: database })
  await client.connect()
  await client.query(`UPDATE halyard.changes SET actor_name = 'Mallory' WHERE action = 'flag.disable'`)
  await client.end()
  const edited = await npm('audit:verify', ['--expect', head], settings)
  expect(edited.code).toBe(1)
  expect(edited.said).toContain('TAMPERED  default/production  revision 4: the record was changed')
  expect(edited.said).toMatch(/\nNOT WHOLE: 2 findings in /)
  await server.stop()
})

it('verifies an embedded history once the service was stopped, and says so before', async () => {
  const dataDir = join(all.freshFolder(), 'data')
  const settings = { HALYARD_DATA_DIR: dataDir }
  const nothing = await npm('audit:verify', [], settings)
  expect(nothing.code).toBe(64)
  expect(nothing.told).toContain(`${dataDir} has no embedded database`)

  const server = await all.startServer({ dataDir })
  await someEdits(server)
  const busy = await npm('audit:verify', [], settings)
  expect(busy.code).toBe(75)
  expect(busy.told).toContain('one process at a time: stop the service first')
  await server.stop()
  const whole = await npm('audit:verify', ['--expect', await loggedHead(server, 'production', 4)], settings)
  expect(whole).toMatchObject({ code: 0, told: '' })
})

it.each([
  [['--expect', '12'], {}, 64, 'write revision:hash'],
  [['--deep'], {}, 64, "Unknown option '--deep'"],
  [[], { DATABASE_URL: 'postgres://halyard@127.0.0.1:1/none' }, 75, 'ECONNREFUSED'],
  [[], { DATABASE_URL: 'mysql://db' }, 78, 'DATABASE_URL'],
] as const)('ends %j with %j in %i', async (args, settings, code, sentence) => {
  const ran = await npm('audit:verify', args, settings)
  expect(ran).toMatchObject({ code, said: '' })
  expect(ran.told).toContain(sentence)
  expect(ran.told).not.toMatch(/^\s+at /m)
})

it('asks which log and which database is meant, where there is none', async () => {
  const database = await all.freshDatabase()
  const empty = await npm('audit:verify', [], { DATABASE_URL: database })
  expect(empty.code).toBe(64)
  expect(empty.told).toContain('The database lacks what this release needs (0001-logs, ')
  const server = await all.startServer({ database })
  const unknown = await npm('audit:verify', ['--log', 'default/prod'], { DATABASE_URL: database })
  expect(unknown).toMatchObject({ code: 64, told: 'halyard: There is no log default/prod.\n' })
  await server.stop()
})

it('erases a person beside a service that runs, who has the new state within seconds', async () => {
  const database = await all.freshDatabase()
  const settings = { DATABASE_URL: database }
  const server = await all.startServer({ database })
  await someEdits(server)
  const { ask } = rest(server.url, server.adminKey)
  const flag = `${PROJECT}/environments/production/flags/checkout`
  await ask('PUT', `${flag}/targets/on`, { units: ['user-42', 'user-7'] }, { 'if-match': '*' })
  const head = await loggedHead(server, 'production', 5)
  const where = ['--environment', 'default/production', '--comment', 'DSR-17']

  const naming = [...where.slice(0, 3), 'as user-42 asked', '--identifier', 'user-42']
  const refused = await npm('history:erase', naming, settings)
  expect(refused).toMatchObject({ code: 64, said: '' })
  expect(refused.told).toContain('--comment names the person')

  const tried = await npm(
    'history:erase',
    [...where, '--identifier', '-', '--dry-run'],
    settings,
    'user-42\n',
  )
  expect(tried).toMatchObject({ code: 0, told: '' })
  expect(tried.said).toContain('Would be: 1 documents edited, 1 versions redacted. Nothing was changed.')
  const erased = await npm('history:erase', [...where, '--identifier', '-'], settings, 'user-42\n')
  expect(erased).toMatchObject({ code: 0, told: '' })
  expect(erased.said).toContain('default/production: 1 documents edited, 1 versions redacted')
  expect(erased.said).not.toContain('user-42')

  await until('the service has it', async () => {
    const { body } = await ask<{ targets: object[] }>('GET', flag)
    return JSON.stringify(body.targets).includes('["user-7"]')
  })
  expect(await npm('audit:verify', ['--expect', head], settings)).toMatchObject({ code: 0 })

  // The role of the service may not: by a login that is a member of it, and nothing else.
  const client = new pg.Client({ connectionString: database })
  await client.connect()
  const login = `halyard_login_${Date.now()}`
  await client.query(`CREATE ROLE ${login} LOGIN IN ROLE halyard_app`)
  const url = new URL(database)
  url.username = login
  const asLogin = await npm('history:erase', [...where, '--identifier', 'user-7'], { DATABASE_URL: url.href })
  expect(asLogin).toMatchObject({ code: 78, said: '' })
  expect(asLogin.told).toContain('The role of DATABASE_URL may not do this; its owner may')
  await client.query(`DROP ROLE ${login}`)
  await client.end()
  await server.stop()
})
