/**
 * `npm run demo`: the whole story in one terminal. It starts the service on an embedded database in a temporary
 * folder, an app in a process of its own that holds a connected SDK, edits a flag over REST, and prints how long
 * each change took to arrive in the app. Needs `npm ci` and nothing else; leaves nothing behind.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const USERS = [
  { targetingKey: 'ada', plan: 'pro', version: '2.4.0' },
  { targetingKey: 'bob', plan: 'pro', version: '2.1.9' },
]
/** Everyone else: a thousand people without a plan. */
const CROWD = Array.from({ length: 1000 }, (_, index) => ({ targetingKey: `user-${index}` }))

const bold = (text) => (process.stdout.isTTY ? `\x1b[1m${text}\x1b[0m` : text)
const dim = (text) => (process.stdout.isTTY ? `\x1b[2m${text}\x1b[0m` : text)
const clock = () => performance.timeOrigin + performance.now()
const freePort = () =>
  new Promise((done, failed) => {
    const probe = createServer()
    probe.once('error', failed)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address()
      probe.close(() => done(port))
    })
  })

if (process.argv[2] === 'app') await app()
else await story()

/** The app: connects, and reports what its users get now, whenever that changes. */
async function app() {
  const { connect } = await import('@halyard/sdk/node')
  const flags = await connect({ app: { name: 'shop', version: '2.4.0' } })
  const report = () => {
    const line = {
      at: clock(),
      revision: flags.status().revision,
      users: USERS.map((user) => flags.boolean('checkout', false, user)),
      crowd: CROWD.filter((user) => flags.boolean('checkout', false, user)).length,
      reason: flags.details('checkout', false, USERS[0]).reason,
    }
    process.stdout.write(`${JSON.stringify(line)}\n`)
  }
  flags.on('change', report)
  report()
  process.stdin.on('end', async () => {
    await flags.close()
    process.exit(0)
  })
  process.stdin.resume()
}

async function story() {
  const started = clock()
  const folder = mkdtempSync(join(tmpdir(), 'halyard-demo-'))
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const adminKey = randomBytes(24).toString('hex')
  const children = []
  const node = (file, args, environment) => {
    const child = spawn(process.execPath, [file, ...args], {
      env: { PATH: process.env.PATH, ...environment },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    children.push(child)
    return child
  }
  const stop = () => {
    for (const child of children) if (child.exitCode === null) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('SIGINT', () => {
    stop()
    process.exit(130)
  })

  try {
    const server = node(join(here, '../dist/main.js'), [], {
      HALYARD_PORT: String(port),
      HALYARD_DATA_DIR: folder,
      HALYARD_ADMIN_KEY: adminKey,
      HALYARD_LOG_LEVEL: 'warn',
    })
    server.stdout.resume()
    await until(
      async () => (await fetch(`${url}/health/ready`)).ok,
      15_000,
      'the service did not become ready',
    )
    console.log(
      `${bold('Halyard')} is ready on ${url}, on an embedded Postgres, after ${ms(clock() - started)}.\n`,
    )

    const api = async (method, path, body) => {
      const answer = await fetch(`${url}/api/v1/projects/default${path}`, {
        method,
        headers: {
          authorization: `Bearer ${adminKey}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(method === 'PUT' || method === 'PATCH' ? { 'if-match': '*' } : {}),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const parsed = await answer.json()
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(parsed)}`)
      return parsed
    }
    const flag = '/environments/development/flags/checkout'

    await api('POST', '/flags', { key: 'checkout', type: 'boolean' })
    await api('POST', `${flag}/rules`, {
      description: 'pro users from 2.3.0 on',
      when: {
        all: [
          { attribute: 'plan', op: 'in', values: ['pro'] },
          { attribute: 'version', op: 'semverGte', values: ['2.3.0'] },
        ],
      },
      serve: { variant: 'on' },
    })
    const { secret } = await api('POST', '/environments/development/keys', {
      kind: 'server',
      name: 'demo app',
    })
    console.log('A flag, a rule (plan is pro, and version >= 2.3.0 → on) and a server key are made.')

    const shop = node(fileURLToPath(import.meta.url), ['app'], { HALYARD_URL: url, HALYARD_SDK_KEY: secret })
    const reports = []
    createInterface({ input: shop.stdout }).on('line', (line) => reports.push(JSON.parse(line)))
    await until(() => reports.length > 0, 10_000, 'the app did not connect')
    console.log('An app with a connected SDK runs in a process of its own. It now gives:')
    show(reports.at(-1))

    const step = async (title, edit) => {
      const from = clock()
      const answer = await edit()
      await until(
        () => reports.at(-1).revision >= answer.revision,
        10_000,
        `${title}: the change did not arrive`,
      )
      const report = reports.find((candidate) => candidate.revision >= answer.revision)
      console.log(
        `\n${bold(title)}  ${dim(`revision ${answer.revision}, in the app after`)} ${bold(ms(report.at - from))}`,
      )
      show(report)
      return answer
    }
    const split = (percent) =>
      api('PUT', `${flag}/fallthrough`, {
        split: {
          shares: [
            { variant: 'on', percent },
            { variant: 'off', percent: 100 - percent },
          ],
        },
      })

    await step('Enable it', () => api('POST', `${flag}/enable`))
    await step('25 % of everyone else', () => split(25))
    await step('50 % of everyone else (nobody who had it loses it)', () => split(50))
    const killed = await step('KILL it, whatever its rules say', () =>
      api('PUT', `${flag}/kill`, { comment: 'INC-481' }),
    )
    console.log(`  the kill's answer: apps now get ${JSON.stringify(killed.serves)}`)
    await step('Un-kill it', () => api('DELETE', `${flag}/kill`))

    shop.stdin.end()
    console.log(`\nDone in ${ms(clock() - started)}. Now yours: npm start`)
  } finally {
    stop()
  }
}

function show({ users, crowd }) {
  const word = (value) => (value ? 'on' : 'off')
  console.log(
    `  ada (pro, 2.4.0): ${word(users[0])}  ·  bob (pro, 2.1.9): ${word(users[1])}  ·  everyone else: ${crowd} of 1,000 on`,
  )
}

function ms(duration) {
  return duration >= 1000 ? `${(duration / 1000).toFixed(1)} s` : `${duration.toFixed(0)} ms`
}

async function until(condition, withinMs, otherwise) {
  const end = clock() + withinMs
  for (;;) {
    try {
      if (await condition()) return
    } catch (error) {
      if (clock() > end) throw error
    }
    if (clock() > end) throw new Error(otherwise)
    await new Promise((wake) => setTimeout(wake, 5))
  }
}
