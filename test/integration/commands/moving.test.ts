/** Who may back up and restore: the service's login reads everything, and only the owner makes a schema. */
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { folderOf } from '../../../server/store/embedded.ts'
import { asStranger } from '../../support/as-stranger.ts'
import { command } from '../../support/edge.ts'
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts'
import { temporaryFolder } from '../../support/postgres-embedded.ts'
import { until } from '../../support/until.ts'

const folder = temporaryFolder()
// Others may pass it, so that one folder in it can be closed to them.
chmodSync(folder.dir, 0o755)
const out = join(folder.dir, 'b.gz')
const login = `halyard_web_${randomBytes(4).toString('hex')}`
let source: FreshDatabase
let target: FreshDatabase

async function asOwner(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: source.url })
  await client.connect()
  await client.query(statement).finally(() => client.end())
}
const as = (user: string, { url }: FreshDatabase) =>
  Object.assign(new URL(url), { username: user, password: 'p' }).href

beforeAll(async () => {
  source = await freshDatabase()
  target = await freshDatabase()
  await command(['migrate'], { DATABASE_URL: source.url })
  await asOwner(`CREATE ROLE ${login} LOGIN PASSWORD 'p' IN ROLE halyard_app`)
})
afterAll(async () => {
  await target.drop()
  await asOwner(`DROP ROLE ${login}`)
  await source.drop()
  folder.remove()
})

it('a login that is only a member of the service’s role can back up', async () => {
  expect(await command(['backup', '--out', out], { DATABASE_URL: as(login, source) })).toMatchObject({
    code: 0,
    told: '',
  })
  expect(existsSync(out)).toBe(true)
})

it('and cannot restore: it is told that the owner can', async () => {
  const refused = await command(['restore', out], { DATABASE_URL: as(login, target) })
  expect(refused).toMatchObject({ code: 78, said: '' })
  expect(refused.told).toMatch(
    /^halyard: The role of DATABASE_URL may not do this; its owner may \(permission denied/,
  )
  expect(await command(['restore', out], { DATABASE_URL: target.url })).toMatchObject({ code: 0, told: '' })
})

it('has its rights in what the owner restored, with nothing to be run in between', async () => {
  const again = await command(['backup', '--out', '-'], { DATABASE_URL: as(login, target) })
  expect(again).toMatchObject({ code: 0, told: expect.stringMatching(/^Backed up/) })
})

it.each(['foo', '', 'mysql://ann:canary@db/h'])(
  'a move to %j is refused as a mistake of the command line',
  async (to) => {
    const { code, told } = await command(['move', '--to', to], { DATABASE_URL: source.url })
    expect([code, told]).toEqual([64, expect.stringContaining('--to')])
    expect(told).not.toMatch(/DATABASE_URL|canary/)
  },
)

it('a backup without a name for its file is refused before the database is read', async () => {
  const refused = await command(['backup', '--out', ''], {
    DATABASE_URL: 'postgres://halyard@127.0.0.1:1/none',
  })
  expect(refused).toMatchObject({ code: 64, told: expect.stringContaining('--out takes') })
})

it('a move says which secret to keep, where there is one', async () => {
  const keeps = async (name: string, settings: Record<string, string> = {}) => {
    const dataDir = join(folder.dir, name)
    const moved = await command(['move', '--to', 'embedded'], {
      DATABASE_URL: source.url,
      HALYARD_DATA_DIR: dataDir,
      ...settings,
    })
    expect(moved.code).toBe(0)
    return moved.said.split('DATABASE_URL=embedded.')[1]
  }
  expect(await keeps('none')).toBe('')
  expect(await keeps('set', { HALYARD_SECRET: 's'.repeat(32) })).toBe(' Keep HALYARD_SECRET as it is.')
  mkdirSync(join(folder.dir, 'kept'))
  writeFileSync(join(folder.dir, 'kept', 'secret'), 's'.repeat(43))
  expect(await keeps('kept')).toBe(` Keep ${join(folder.dir, 'kept', 'secret')} as it is.`)
})

it('a restore that is stopped leaves nothing half', async () => {
  const dataDir = join(folder.dir, 'stopped')
  const input = new PassThrough()
  input.write(readFileSync(out).subarray(0, 500))
  const settings = { DATABASE_URL: 'embedded', HALYARD_DATA_DIR: dataDir }
  const drafts = () => existsSync(dataDir) && readdirSync(dataDir).some((name) => name.startsWith('postgres'))
  const stopped = until('it has begun', drafts).then(() => 'SIGINT' as const)
  expect(await command(['restore', '-'], settings, input, stopped)).toMatchObject({
    code: 130,
    said: '',
    told: 'halyard: stopped by SIGINT: nothing is left of it.',
  })
  expect(drafts()).toBe(false)
})

it('a move takes its URL from the input, too, so that its password stands in no list of processes', async () => {
  const settings = { DATABASE_URL: source.url, HALYARD_DATA_DIR: join(folder.dir, 'by-input') }
  const wrong = await command(['move', '--to', '-'], settings, Readable.from(['mysql://ann:canary@db\n']))
  expect([wrong.code, wrong.told]).toEqual([64, expect.stringContaining('--to takes')])
  const moved = await command(['move', '--to', '-'], settings, Readable.from(['embedded\n']))
  expect(moved).toMatchObject({ code: 0, told: '', said: expect.stringMatching(/^Moved/) })
})

it('a move is taken back where a service came to the old database meanwhile', async () => {
  const dataDir = join(folder.dir, 'overtaken')
  const service = new pg.Client({ connectionString: source.url, application_name: 'halyard' })
  const moving = command(['move', '--to', 'embedded'], {
    DATABASE_URL: source.url,
    HALYARD_DATA_DIR: dataDir,
  })
  // Its folder is made when the old database was found free.
  await until('it has begun', () => existsSync(dataDir))
  await service.connect()
  expect(await moving).toMatchObject({
    code: 1,
    said: '',
    told: expect.stringMatching(/stop every instance first.* Nothing was moved\./),
  })
  await service.end()
  expect(readdirSync(dataDir).filter((name) => name.startsWith('postgres'))).toEqual([])
})

describe('an embedded database', () => {
  const COMMANDS = [
    ['backup', '--out', '-'],
    ['verify'],
    ['move', '--to', 'postgres://halyard@127.0.0.1:1/none'],
  ]
  const made = () => {
    const dataDir = mkdtempSync(join(folder.dir, 'embedded-'))
    mkdirSync(folderOf(dataDir))
    return dataDir
  }
  const refusedIn = async (dataDir: string, args: readonly string[]) => {
    const refused = await command(args, { DATABASE_URL: 'embedded', HALYARD_DATA_DIR: dataDir })
    expect(refused.told).not.toContain('has no embedded database')
    return refused
  }

  it.each(COMMANDS)('that this user may not read is not told to be missing (%s)', async (...args) => {
    const dataDir = made()
    for (const closed of [dataDir, folderOf(dataDir)]) {
      const refused = await asStranger(closed, () => refusedIn(dataDir, args))
      const told = `The data folder ${dataDir} cannot be used: this user may not read and write it`
      expect(refused).toMatchObject({ code: 78, told: expect.stringContaining(told) })
    }
  })

  it.each(COMMANDS)('in what is a file is not told to be missing (%s)', async (...args) => {
    const refused = await refusedIn(out, args)
    expect(refused).toMatchObject({ code: 78, told: expect.stringContaining('a part of its path is a file') })
  })

  it('cannot be restored into what is a file', async () => {
    const refused = await refusedIn(out, ['restore', out])
    expect(refused).toMatchObject({ code: 78, told: expect.stringContaining('it is a file') })
  })

  it.each(COMMANDS)('that does not open is told by its folder, with what to do (%s)', async (...args) => {
    const dataDir = made()
    writeFileSync(join(folderOf(dataDir), 'PG_VERSION'), '9.6\n')
    const refused = await refusedIn(dataDir, args)
    const told = `The embedded database in ${folderOf(dataDir)} does not open`
    expect(refused).toMatchObject({ code: 1, told: expect.stringContaining(told) })
    expect(refused.told).toContain('Restore a backup')
  })
})
