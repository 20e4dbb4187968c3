/**
 * Moving, as people do it: the service stopped, everything moved by one command, the service started on the other
 * database at the same address. Apps, keys, kills and repeated requests go on as if nothing had happened.
 */
import { spawn } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { MAIN, plainEnvironment, processes, type Server } from '../support/process.ts'
import { ANY, DEVELOPMENT, PROJECT, type Rest, rest, sdkKey } from '../support/rest.ts'
import { type SdkProcess, startSdk } from '../support/sdk-process.ts'
import { until } from '../support/until.ts'

const all = processes()
const FLAG = `${DEVELOPMENT}/flags/checkout`
const PROBES = {
  crowd: { flag: 'checkout', crowd: 1_000 },
  dead: { flag: 'search', otherwise: true, context: { targetingKey: 'ada' } },
} as const

type Ran = { readonly code: number | null; readonly said: string; readonly told: string }
async function halyard(args: readonly string[], settings: Readonly<Record<string, string>>): Promise<Ran> {
  const one = all.startScript(MAIN, settings, args)
  const { code } = await one.ended
  return { code, said: one.stdout(), told: one.stderr() }
}
const split = (percent: number) => ({
  split: {
    shares: [
      { variant: 'on', percent },
      { variant: 'off', percent: 100 - percent },
    ],
  },
})

/** A ramp that has moved, a kill, and an edit that may be sent again. */
async function makeHistory(api: Rest): Promise<void> {
  for (const key of ['checkout', 'search'])
    await api.must('POST', `${PROJECT}/flags`, { key, type: 'boolean' })
  await api.must('POST', `${FLAG}/enable`)
  for (const percent of [40, 10, 30]) await api.must('PUT', `${FLAG}/fallthrough`, split(percent), ANY)
  await api.must('POST', `${DEVELOPMENT}/flags/search/enable`)
  await api.must('PUT', `${DEVELOPMENT}/flags/search/kill`, { comment: 'INC-481' })
}
const edit = (api: Rest) =>
  api.ask(
    'PATCH',
    FLAG,
    {
      rules: [
        { id: 'vip', when: { attribute: 'plan', op: 'in', values: ['vip'] }, serve: { variant: 'on' } },
      ],
    },
    {
      ...ANY,
      'idempotency-key': 'the-vip-rule',
    },
  )

type Moving = { readonly from: Server; readonly database: string; readonly to: string }
const MOVES: Readonly<Record<string, () => Promise<Moving>>> = {
  'from the embedded database to Postgres': async () => {
    const from = await all.startServer()
    return { from, database: 'embedded', to: await all.freshDatabase() }
  },
  'from Postgres to the embedded database': async () => {
    const database = await all.freshDatabase()
    return { from: await all.startServer({ database }), database, to: 'embedded' }
  },
}

describe.each(Object.entries(MOVES))('a move %s', (_, begin) => {
  it('leaves every app where it is, and nothing behind', { timeout: 120_000 }, async () => {
    const { from, database, to } = await begin()
    const api = rest(from.url, from.adminKey)
    await makeHistory(api)
    const edited = await edit(api)
    expect(edited.status).toBe(200)
    const key = await sdkKey(api, 'server')
    const app: SdkProcess<keyof typeof PROBES> = await startSdk(all, { url: from.url, key }, PROBES)
    await app.see('the server', ({ state }) => state === 'ready')
    const before = await app.ask()
    expect((before.results.crowd.value as string[]).length).toBeGreaterThan(200)
    expect(before.results.dead).toEqual({ value: false, variant: 'off', reason: 'DISABLED' })
    const changes = await api.must<{ items: unknown[] }>('GET', `${DEVELOPMENT}/changes`)
    const configuration = await api.must('GET', FLAG)
    await from.stop()

    const settings = { HALYARD_DATA_DIR: from.dataDir }
    const moved = await halyard(['move', '--to', to], { ...settings, DATABASE_URL: database })
    expect(moved).toMatchObject({ code: 0, told: '', said: expect.stringMatching(/^Moved 5 logs with /) })
    expect(moved.said).not.toContain('halyard@')
    expect((await app.ask()).results).toEqual(before.results)

    const server = await from.again({ database: to })
    const after = rest(server.url, server.adminKey)
    // It tries again within half a minute.
    await until(
      'the app is connected',
      async () => {
        await sleep(500)
        return (await app.ask()).connected
      },
      40_000,
    )
    expect((await app.ask()).results).toEqual(before.results)
    expect((await app.ask()).epoch).toBe(before.epoch)
    expect(await after.must('GET', FLAG)).toEqual(configuration)
    expect(await after.must('GET', `${DEVELOPMENT}/changes`)).toEqual(changes)
    expect(await after.must('GET', `${DEVELOPMENT}/flags/search`)).toMatchObject({
      kill: { comment: 'INC-481' },
    })
    const again = await edit(after)
    expect(again).toMatchObject({ status: 200, body: { revision: edited.body.revision } })

    const { revision } = await after.must<{ revision: number }>('PUT', `${FLAG}/fallthrough`, split(50), ANY)
    await app.see('the next edit', (line) => line.revision >= revision)
    const next = await app.ask()
    expect(next.results.crowd.value).toEqual(expect.arrayContaining(before.results.crowd.value as string[]))
    expect(next.results.dead.value).toBe(false)
    const revisions = app.lines().map((line) => line.revision)
    expect(revisions).toEqual(revisions.toSorted((a, b) => a - b))
    await app.close()
    await server.stop()
    const verified = await halyard(['verify'], { ...settings, DATABASE_URL: to })
    expect(verified).toMatchObject({ code: 0, said: expect.stringContaining('Whole: 5 logs') })
  })
})

describe('a backup of a Postgres that is written to', () => {
  it('is one moment of it, through a pipe into another database', async () => {
    const [database, other] = [await all.freshDatabase(), await all.freshDatabase()]
    const server = await all.startServer({ database })
    const api = rest(server.url, server.adminKey)
    await makeHistory(api)
    let stopped = false
    const writing = (async () => {
      for (let percent = 0; !stopped; percent = (percent + 1) % 100) {
        await api.must('PUT', `${FLAG}/fallthrough`, split(percent), ANY)
      }
    })()
    const halyardTo = (args: string[], url: string) =>
      spawn(process.execPath, [MAIN, ...args], {
        env: { ...plainEnvironment(), DATABASE_URL: url, HALYARD_DATA_DIR: join(all.freshFolder(), 'none') },
        stdio: ['pipe', 'pipe', 'inherit'],
      })
    const restore = halyardTo(['restore', '-'], other)
    const said = restore.stdout.setEncoding('utf8').toArray()
    await pipeline(halyardTo(['backup', '--out', '-'], database).stdout, restore.stdin)
    expect((await said).join('')).toMatch(/^Restored 5 logs with /)
    stopped = true
    await writing
    await server.stop()

    expect(await halyard(['verify'], { DATABASE_URL: other })).toMatchObject({ code: 0 })
    const restored = await server.again({ database: other })
    const after = rest(restored.url, restored.adminKey)
    expect(await after.must('GET', `${DEVELOPMENT}/flags/search`)).toMatchObject({
      kill: { comment: 'INC-481' },
    })
    expect((await after.ask('GET', FLAG)).status).toBe(200)
    await restored.stop()
  })

  it('that is older than what apps have seen takes nobody back, and no kill', {
    timeout: 120_000,
  }, async () => {
    const [database, other] = [await all.freshDatabase(), await all.freshDatabase()]
    const server = await all.startServer({ database })
    const api = rest(server.url, server.adminKey)
    await makeHistory(api)
    const key = await sdkKey(api, 'server')
    const app = await startSdk(all, { url: server.url, key }, PROBES)
    const out = join(all.freshFolder(), 'b.gz')
    expect((await halyard(['backup', '--out', out], { DATABASE_URL: database })).code).toBe(0)
    await api.must('PUT', `${FLAG}/fallthrough`, split(60), ANY)
    const { revision } = await api.must<{ revision: number }>('PUT', `${FLAG}/kill`, { comment: 'INC-482' })
    const killed = await app.see('the kill', (line) => line.revision >= revision)
    await server.stop()

    expect((await halyard(['restore', out], { DATABASE_URL: other })).code).toBe(0)
    const restored = await server.again({ database: other })
    const after = rest(restored.url, restored.adminKey)
    await until(
      'the app goes on in a newer epoch',
      async () => {
        await sleep(500)
        return (await app.ask()).epoch > killed.epoch
      },
      40_000,
    )
    expect(await after.must('GET', FLAG)).toMatchObject({ kill: { comment: 'INC-482' } })
    await after.must('DELETE', `${FLAG}/kill`)
    const next = await after.must<{ revision: number; epoch: number }>(
      'PUT',
      `${FLAG}/fallthrough`,
      split(70),
      ANY,
    )
    await app.see('the next edit', ({ epoch, revision }) => epoch === next.epoch && revision >= next.revision)
    expect(((await app.ask()).results.crowd.value as string[]).length).toBeGreaterThan(600)
    const states = app.lines().map(({ epoch, revision }) => [epoch, revision] as const)
    expect(states).toEqual(states.toSorted(([e1, r1], [e2, r2]) => e1 - e2 || r1 - r2))
    await app.close()
    await restored.stop()
  })

  it('goes into a file under a name of its own, that only its owner can read', async () => {
    const database = await all.freshDatabase()
    await halyard(['migrate'], { DATABASE_URL: database })
    const out = join(all.freshFolder(), 'b.gz')
    const backedUp = await halyard(['backup', '--out', out], { DATABASE_URL: database })
    expect(backedUp).toMatchObject({ code: 0, told: '', said: expect.stringContaining(`to ${out} (`) })
    expect(statSync(out).mode & 0o777).toBe(0o600)
    const again = await halyard(['backup', '--out', out], { DATABASE_URL: database })
    expect(again).toMatchObject({ code: 1, told: `halyard: ${out} is there already: choose another name.\n` })
  })

  it('takes no more memory for a long history than for a short one', async () => {
    const [database, other] = [await all.freshDatabase(), await all.freshDatabase()]
    await halyard(['migrate'], { DATABASE_URL: database })
    const client = new pg.Client({ connectionString: database })
    await client.connect()
    // Far more than the processes below may hold: 96 MB of texts.
    await client.query(`
      INSERT INTO halyard.logs (id, kind, project, environment, epoch, revision, head_hash, bytes, digest, opened_at)
        VALUES ('system', 'system', '', '', 1, 6000, '', 0, 0, now());
      INSERT INTO halyard.changes (log_id, revision, epoch, change_id, actor_kind, actor_id, actor_name, action, at, documents, previous_hash, hash)
        SELECT 'system', n, 1, 'c' || n, 'system', 'a', 'A', 'test', now(), '[]', '', md5(n::text) FROM generate_series(1, 6000) AS n;
      INSERT INTO halyard.entries (log_id, kind, key, revision, text, digest)
        SELECT 'system', 'flag', 'f' || n, n, '"' || repeat(md5(n::text), 500) || '"', md5(n::text) FROM generate_series(1, 6000) AS n`)
    await client.end()
    const out = join(all.freshFolder(), 'b.gz')
    const bounded = { NODE_OPTIONS: '--max-old-space-size=64' }
    const backedUp = await halyard(['backup', '--out', out], { ...bounded, DATABASE_URL: database })
    expect(backedUp).toMatchObject({ code: 0, said: expect.stringContaining('6,000 versions') })
    const restored = await halyard(['restore', out], { ...bounded, DATABASE_URL: other })
    expect(restored).toMatchObject({ code: 0, told: '', said: expect.stringContaining('6,000 versions') })
  })
})

describe('what stands in the way', () => {
  it('of an embedded database is the service on it: stop that first', async () => {
    const server = await all.startServer()
    const settings = { DATABASE_URL: 'embedded', HALYARD_DATA_DIR: server.dataDir }
    const target = await all.freshDatabase()
    const out = join(all.freshFolder(), 'b.gz')
    for (const args of [
      ['backup', '--out', out],
      ['move', '--to', target],
    ]) {
      const refused = await halyard(args, settings)
      expect(refused).toMatchObject({ code: 75, told: expect.stringContaining('stop the service first') })
      expect(refused.told).not.toMatch(/^\s+at /m)
    }
    expect(existsSync(out)).toBe(false)
    await server.stop()
    expect((await halyard(['restore', out], { DATABASE_URL: target })).told).toContain(`open '${out}'`)
    expect((await halyard(['restore', out], { DATABASE_URL: target })).code).toBe(1)
  })

  it('of a move from Postgres is a service on it, whose later writes would stay behind', async () => {
    const database = await all.freshDatabase()
    const server = await all.startServer({ database })
    const move = () =>
      halyard(['move', '--to', 'embedded'], { DATABASE_URL: database, HALYARD_DATA_DIR: server.dataDir })
    expect(await move()).toMatchObject({
      code: 1,
      told: expect.stringContaining('stop every instance first'),
    })
    expect(existsSync(join(server.dataDir, 'postgres'))).toBe(false)
    await server.stop()
    expect(await move()).toMatchObject({ code: 0 })
    expect(await move()).toMatchObject({
      code: 1,
      told: expect.stringContaining('nothing is ever overwritten'),
    })
  })

  it.each([
    [['move'], 64, 'move needs --to'],
    [['move', '--to', 'mysql://db'], 64, '--to takes'],
    [['move', '--to', 'embedded'], 64, 'in already'],
    [['backup'], 64, 'has no embedded database'],
    [['restore'], 64, 'one operand, file'],
    [['move', '--to', 'postgres://halyard@127.0.0.1:1/none'], 64, 'has no embedded database'],
  ])('of %j is told, with exit code %i', async (args, code, sentence) => {
    const settings = { DATABASE_URL: 'embedded', HALYARD_DATA_DIR: join(all.freshFolder(), 'none') }
    const refused = await halyard(args, settings)
    expect(refused).toMatchObject({ code, said: '', told: expect.stringContaining(sentence) })
  })
})
