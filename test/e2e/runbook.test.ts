/**
 * docs/runbook.md, tried as somebody on call would: its blocks of `sh` are pasted into one shell, in their order, against
 * a real server, a real Postgres and real apps, and print the blocks of `text` that follow them (numbers, times and ids
 * aside). Between them happens what the document's hidden comments name: an app freezes, the database goes away.
 */
import { chmodSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ROOT } from '../support/build.ts'
import { plainEnvironment, processes, type Server } from '../support/process.ts'
import { type SdkProcess, startSdk } from '../support/sdk-process.ts'
import { type Shell, startShell } from '../support/shell.ts'
import { type TcpProxy, tcpProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/until.ts'

type Step =
  | { readonly kind: 'run'; readonly what: string }
  | { readonly kind: 'sh' | 'text'; readonly text: string }

const document = readFileSync(join(ROOT, 'docs/runbook.md'), 'utf8')
const steps: readonly Step[] = [
  ...document.matchAll(/^<!-- run: (.*?) -->$|^```(sh|text)\n(.*?)^```$/gms),
].map(([, what, kind, text = '']) =>
  what === undefined ? { kind: kind as 'sh' | 'text', text } : { kind: 'run', what },
)

const all = processes()

describe('the runbook', () => {
  let server: Server
  let database: TcpProxy
  let shell: Shell
  let printed = ''
  const apps = new Map<string, SdkProcess<'it'>>()

  /** As Anna, who set it all up. */
  const call = async (method: string, path: string, body: unknown = {}, key = server.adminKey) => {
    const answer = await fetch(server.url + path, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'if-match': '*' },
      ...(method === 'GET' ? {} : { body: JSON.stringify(body) }),
    })
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
    return answer.json()
  }
  const ask = (method: string, path: string, body?: unknown) =>
    call(method, `/api/v1/projects/default/${path}`, body, anna)
  let anna: string

  beforeAll(async () => {
    const url = await all.freshDatabase()
    database = await tcpProxy(url)
    server = await all.startServer({
      database: database.via(url),
      settings: { HALYARD_ADVERTISED_URL: 'http://10.0.0.7:4000' },
    })
    const { secret } = await call('POST', '/api/v1/api-keys', { name: 'anna', grants: [{ role: 'admin' }] })
    anna = secret
    for (const [key, tags] of [
      ['checkout', ['payments']],
      ['express-checkout', ['payments']],
      ['refunds', []],
      ['halyard-drill', []],
    ] as const) {
      await ask('POST', 'flags', { key, type: 'boolean', tags, fallthrough: { variant: 'on' } })
      await ask('POST', `environments/production/flags/${key}/enable`)
    }
    await ask('PATCH', 'environments/production/flags/express-checkout', {
      prerequisites: [{ flag: 'checkout', variants: ['on'] }],
    })
    const { secret: key } = await ask('POST', 'environments/production/keys', {
      name: 'apps',
      kind: 'server',
    })
    for (const [name, version, instance] of [
      ['shop', '2.4.0', 'pod-1'],
      ['shop', '2.4.0', 'pod-7'],
      ['admin', '1.9.2', 'pod-9'],
    ] as const) {
      const options = { app: { name, version, instance } }
      const probes = { it: { flag: 'checkout', otherwise: false, context: {} } }
      const app = await startSdk(all, { url: server.url, key }, probes, options)
      await until('its stream works', async () => (await app.ask()).connected)
      apps.set(instance, app)
    }
    const grants = [{ role: 'viewer' }, { role: 'killer' }]
    const { secret: nightShift } = await call('POST', '/api/v1/api-keys', { name: 'night shift', grants })
    const folder = all.freshFolder()
    const bin = join(folder, 'bin')
    mkdirSync(bin)
    // As npm installs it.
    chmodSync(join(ROOT, 'sdk/dist/cli/halyard.js'), 0o755)
    symlinkSync(join(ROOT, 'sdk/dist/cli/halyard.js'), join(bin, 'halyard'))
    const { PATH = '', ...plain } = plainEnvironment()
    shell = startShell(folder, {
      ...plain,
      PATH: `${bin}${delimiter}${PATH}`,
      HOME: folder,
      HALYARD_URL: server.url,
      HALYARD_API_KEY: nightShift,
    })
  })
  afterAll(async () => {
    for (const { child } of apps.values()) child.kill('SIGCONT')
    shell?.end()
    await database?.close()
  })

  const stored = async () => (await (await fetch(`${server.url}/health/ready`)).json()).store.ok as boolean
  const ACTIONS: Readonly<Record<string, () => unknown>> = {
    start: () => undefined,
    'freeze pod-7': () => apps.get('pod-7')?.child.kill('SIGSTOP'),
    'thaw pod-7': () => apps.get('pod-7')?.child.kill('SIGCONT'),
    'database away': () => database.takeAway(),
    async 'database back'() {
      await database.giveBack()
      await until('the kill is in the database', async () => {
        if (!(await stored())) return false
        const { items } = await ask('GET', 'environments/production/changes?flag=refunds')
        return JSON.stringify(items).includes('INC-482')
      })
    },
    'edit checkout': () =>
      ask('PATCH', 'environments/production/flags/checkout', { targets: [] }).then(() =>
        ask('PATCH', 'environments/production/flags/checkout', { rules: [rule] }),
      ),
  }
  const rule = { when: { attribute: 'plan', op: 'in', values: ['beta'] }, serve: { variant: 'on' } }

  it.each(steps.map((step) => [titleOf(step), step] as const))('%s', async (_, step) => {
    if (step.kind === 'run') {
      expect(Object.keys(ACTIONS)).toContain(step.what)
      await ACTIONS[step.what]?.()
      return
    }
    if (step.kind === 'text') {
      expect(masked(printed)).toBe(masked(step.text))
      return
    }
    const { code, output } = await shell.run(step.text)
    printed = output
    // 3: an app is frozen.
    expect([0, 3], output).toContain(code)
    expect(output).not.toMatch(/"status":[45]\d\d|Error|command not found/)
  })

  it('leaves every flag alive, every app on, and nobody behind', async () => {
    const { items } = await ask('GET', 'environments/production/flags')
    expect(items.filter((flag: { kill: unknown }) => flag.kill !== null)).toEqual([])
    for (const app of apps.values()) expect((await app.ask()).results.it.value).toBe(true)
    const { total } = await ask('GET', 'environments/production/delivery')
    expect(total).toMatchObject({ processes: 3, current: 3, away: 0 })
  })
})

function titleOf(step: Step): string {
  if (step.kind === 'run') return `(meanwhile: ${step.what})`
  const [first = ''] = step.text.split('\n')
  return step.kind === 'sh' ? `can be pasted: ${first}` : `prints: ${first}`
}

/** What is another one each time: ids, times, revisions, durations; and the spaces that columns need for them. */
function masked(text: string): string {
  return text
    .replaceAll(/ +/g, ' ')
    .replaceAll(/\b(pod-\d+)-[0-9a-f]{8}\b/g, '$1-ID')
    .replaceAll(/\S+ \(http:/g, 'ID (http:')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replaceAll(/\b(revision|at|slowest|within|silent|p50|p99) +[\d.]+/g, '$1 N')
    .replaceAll(/ \d+ \((\d) behind\)/g, ' N ($1 behind)')
    .replaceAll(/(pod-\d+-ID) +\d+ /g, '$1 N ')
    .replaceAll(/behind +\d+ s/g, 'behind N s')
    .replaceAll(/(\d )+\d+$/gm, (counts) => counts.replace(/\d+$/, 'N'))
    .trim()
}
