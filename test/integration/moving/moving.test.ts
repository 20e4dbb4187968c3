/** Everything that a database has arrives in another, byte by byte; or nothing does. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  createWriteStream,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync, gzipSync } from 'node:zlib'
import { sql } from 'drizzle-orm'
import pg from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import { rowsOf } from '../../../server/store/database.ts'
import { applyMigrations, runMigration, shippedMigrations } from '../../../server/store/migrate.ts'
import { backupOf } from '../../../server/store/moving/dump.ts'
import { packed as pack, unpacked, writeBackupFile } from '../../../server/store/moving/file.ts'
import { BackupError } from '../../../server/store/moving/format.ts'
import { restoreFrom } from '../../../server/store/moving/load.ts'
import { postgresDatabase } from '../../../server/store/postgres.ts'
import { temporaryFolder } from '../../support/postgres-embedded.ts'
import { contentsOf, makeHistory, type Place, places } from './support.ts'

const fresh = places()
const ABOUT = { version: '0.1.0', at: Date.parse('2026-03-04T05:06:07.089Z') }
const KINDS = ['postgres', 'embedded'] as const

/** The backup of a place, as a file. */
async function backUp(place: Place, path: string): Promise<void> {
  const database = await place.open()
  await database.survey((db) => writeBackupFile(path, backupOf(db, ABOUT))).finally(() => database.close())
}
const restore = (place: Place, from: Parameters<typeof unpacked>[0]) =>
  place.fill((db) => restoreFrom(db, unpacked(from)))

describe.each(KINDS)('a history in %s', (kind) => {
  let source: Place
  let contents: Readonly<Record<string, string>>
  beforeAll(async () => {
    source = await fresh[kind]()
    await makeHistory(source)
    contents = await contentsOf(source)
    expect(Object.values(contents).filter((digest) => digest.startsWith('0 '))).toEqual([])
  })

  it.each(KINDS)('moves to %s as it is, with nothing left over', async (other) => {
    const target = await fresh[other]()
    const database = await source.open()
    const restored = await target
      .fill((db) => database.survey((from) => restoreFrom(db, Readable.from(backupOf(from, ABOUT)))))
      .finally(() => database.close())
    expect(await contentsOf(target)).toEqual(contents)
    expect(restored.migrated).toEqual([])
    const counts = Object.fromEntries(
      Object.entries(contents).map(([table, digest]) => [table, Number.parseInt(digest, 10)]),
    )
    expect(restored.rows).toEqual(counts)
  })

  it.each(KINDS)('is restored to %s from a file that only its owner can read', async (other) => {
    const path = join(temporaryFolder().dir, 'backup.gz')
    await backUp(source, path)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const target = await fresh[other]()
    const { header } = await restore(target, path)
    expect(header).toMatchObject({ version: '0.1.0', at: '2026-03-04T05:06:07.089Z', format: 1 })
    expect(await contentsOf(target)).toEqual(contents)
  })
})

describe('the file', () => {
  const { dir } = temporaryFolder()
  const path = join(dir, 'backup.gz')
  let source: Place
  let lines: string[]
  beforeAll(async () => {
    source = await fresh.postgres()
    await makeHistory(source)
    await backUp(source, path)
    lines = gunzipSync(readFileSync(path)).toString().split('\n')
  })

  it('says where each log stood, and is there as a whole or not at all', async () => {
    const header = JSON.parse(lines[0]!)
    const log = {
      project: 'shop',
      epoch: expect.stringMatching(/^\d+$/),
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    }
    expect(header.logs).toEqual([
      { ...log, id: expect.stringMatching(/^env_/), environment: 'production', revision: expect.any(String) },
      { ...log, id: expect.stringMatching(/^env_/), environment: 'production', revision: expect.any(String) },
      { ...log, id: expect.stringMatching(/^prj_/), environment: '', revision: '2' },
      { ...log, id: 'system', project: '', environment: '', revision: '0', hash: '' },
    ])
    expect(header.migrations).toEqual(shippedMigrations().map(({ name }) => name))
    expect(readdirSync(dir)).toEqual(['backup.gz'])
  })

  it('is never overwritten', async () => {
    const before = readFileSync(path)
    await expect(backUp(source, path)).rejects.toThrow('is there already: choose another name')
    expect(readFileSync(path)).toEqual(before)
    expect(readdirSync(dir)).toEqual(['backup.gz'])
  })

  it('that is there already is said before the database is read', async () => {
    const unread = new Readable({ read: () => expect.unreachable('it was read') })
    await expect(writeBackupFile(path, unread)).rejects.toThrow('choose another name')
  })

  it('that cannot be written is told by its own name, with what else to do', async () => {
    const nowhere = join(dir, 'none', 'b.gz')
    const refused = backUp(source, nowhere)
    await expect(refused).rejects.toThrow(BackupError)
    await expect(refused).rejects.toThrow(`cannot be written as ${nowhere} (ENOENT`)
    await expect(refused).rejects.toThrow('name another place with --out')
  })

  const FULL = '/dev/full'
  if (!existsSync(FULL)) console.warn(`a disk without room is not tried: there is no ${FULL}`)
  it.skipIf(!existsSync(FULL))('is told to have no room', async () => {
    await expect(pack(Readable.from(['a line\n']), createWriteStream(FULL))).rejects.toThrow('make room')
  })

  it('is told to have no reader', async () => {
    const reader = spawn('true', { stdio: ['pipe', 'ignore', 'ignore'] })
    await once(reader, 'exit')
    const away = pack(endlessly(), reader.stdin)
    await expect(away).rejects.toThrow('who should read it from the pipe has gone')
  })
  async function* endlessly() {
    for (;;) {
      yield `${randomBytes(4_000).toString('hex')}\n`
      await sleep(1)
    }
  }

  it('is not left half where the database fails on the way', async () => {
    const half = join(dir, 'half.gz')
    async function* failing() {
      yield 'a line\n'
      throw new Error('the database went away')
    }
    await expect(writeBackupFile(half, failing())).rejects.toThrow('the database went away')
    expect(readdirSync(dir)).toEqual(['backup.gz'])
  })

  it('is not left half where it is stopped, however long the database takes', async () => {
    const stopping = new AbortController()
    async function* endless() {
      yield 'a line\n'
      setImmediate(() => stopping.abort(new Error('stopped by SIGINT')))
      await new Promise(() => {})
    }
    const stopped = writeBackupFile(join(dir, 'half.gz'), endless(), stopping.signal)
    await expect(stopped).rejects.toThrow('stopped by SIGINT')
    expect(readdirSync(dir)).toEqual(['backup.gz'])
  })

  const row = () => lines.findIndex((line) => line.includes('"kill"'))
  const spoilt: Readonly<Record<string, [make: () => Buffer, sentence: string]>> = {
    'cut in the middle': [() => readFileSync(path).subarray(0, 2_000), 'cut short'],
    'without its last bytes': [() => readFileSync(path).subarray(0, -4), 'cut short'],
    'with a byte changed': [
      () => {
        const bytes = Buffer.from(readFileSync(path))
        bytes[bytes.length - 6]! ^= 1
        return bytes
      },
      'damaged',
    ],
    empty: [() => Buffer.alloc(0), 'cut short'],
    'of nothing': [() => gzipSync(''), 'no backup of Halyard'],
    'not packed': [() => Buffer.from(lines.join('\n')), 'no backup of Halyard'],
    'of something else': [() => gzipSync('{"a":1}\n'), 'no backup of Halyard'],
    'of rows alone': [() => gzipSync(lines.slice(2, 4).join('\n')), 'no backup of Halyard'],
    'without its footer': [() => packed(lines.toSpliced(-2, 1)), 'its end is missing'],
    'with half a footer': [() => gzipSync(lines.join('\n').slice(0, -10)), 'cut short'],
    'with a text changed': [() => changed(row(), (line) => line.replace('kill', 'bill')), 'check sum'],
    'with a row twice': [() => packed(lines.toSpliced(row(), 0, lines[row()]!)), 'not as they were written'],
    'without a row': [() => packed(lines.toSpliced(row(), 1)), 'check sum'],
    'with a row of other columns': [() => changed(row(), () => '["a"]'), 'does not fit its table'],
    'with a row of something else': [() => changed(row(), () => '[1]'), `line `],
    'with a value of another type': [
      () => changed(row(), (line) => line.replace(/"\d+"/, '"x"')),
      'not as they were written',
    ],
    'with a table of its own': [() => changed(1, () => '{"table":"a","columns":[]}'), 'no table "a"'],
    'with a column of its own': [() => changed(1, (line) => line.replace('log_id', 'x')), 'no column "x"'],
    'with a table twice': [() => packed(lines.toSpliced(1, 0, lines[1]!)), 'there twice'],
    'with rows of no table': [() => packed(lines.toSpliced(1, 1)), 'does not fit its table'],
    'with more than its end': [() => packed([...lines.slice(0, -1), '[]', '']), 'something follows'],
    'with a header that lacks something': [
      () => changed(0, () => '{"halyard":"backup","format":1}'),
      'header lacks',
    ],
  }
  const packed = (parts: string[]) => gzipSync(parts.join('\n'))
  const changed = (at: number, change: (line: string) => string) =>
    packed(lines.map((line, index) => (index === at ? change(line) : line)))

  it.each(Object.keys(spoilt))('is refused %s, and nothing of it is there', async (what) => {
    const [make, sentence] = spoilt[what]!
    const target = await fresh.postgres()
    const refused = restore(target, Readable.from([make()]))
    await expect(refused).rejects.toThrow(BackupError)
    await expect(refused).rejects.toThrow(sentence)
    expect(await contentsOf(target)).toEqual({})
  })

  it('that is half leaves no embedded database behind', async () => {
    const half = join(dir, 'half.gz')
    writeFileSync(half, readFileSync(path))
    truncateSync(half, 2_000)
    const target = await fresh.embedded()
    await expect(restore(target, half)).rejects.toThrow('cut short')
    expect(readdirSync(target.dir!).filter((name) => name.startsWith('postgres'))).toEqual([])
    await restore(target, path)
    expect(await contentsOf(target)).toEqual(await contentsOf(source))
  })

  it('that is not there is named', async () => {
    const refused = restore(await fresh.postgres(), join(dir, 'nowhere.gz'))
    await expect(refused).rejects.toThrow(BackupError)
    await expect(refused).rejects.toThrow(`The backup cannot be read: ENOENT`)
    await expect(refused).rejects.toThrow('nowhere.gz')
  })
})

describe('restoring', () => {
  let source: Place
  const path = join(temporaryFolder().dir, 'backup.gz')
  beforeAll(async () => {
    source = await fresh.postgres()
    await makeHistory(source)
    await backUp(source, path)
  })

  it('never overwrites: neither a history nor its beginning', async () => {
    const contents = await contentsOf(source)
    await expect(restore(source, path)).rejects.toThrow('This database is not empty')
    expect(await contentsOf(source)).toEqual(contents)

    const embedded = await fresh.embedded()
    await restore(embedded, path)
    await expect(restore(embedded, path)).rejects.toThrow('nothing is ever overwritten')
    expect(existsSync(join(embedded.dir!, 'postgres'))).toBe(true)
  })

  it('holds up no service that works on the database which was named by mistake', async () => {
    const reader = new pg.Client({ connectionString: source.url })
    await reader.connect()
    await reader.query('BEGIN; SELECT count(*) FROM halyard.logs')
    await expect(restore(source, path)).rejects.toThrow('This database is not empty')
    await reader.end()
  })

  it('takes texts that a database cannot write for no damage of the backup', async () => {
    const name = `halyard_latin_${randomBytes(4).toString('hex')}`
    const onServer = (statement: string) =>
      source.fill((db) => db.execute(sql.raw('COMMIT')).then(() => db.execute(sql.raw(statement))))
    await onServer(`CREATE DATABASE ${name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`)
    const url = Object.assign(new URL(source.url!), { pathname: `/${name}` }).href
    const database = postgresDatabase({ url })
    const restored = database.transact('migration', async (db) => ({
      keep: true,
      value: await restoreFrom(db, unpacked(path)),
    }))
    await expect(restored).rejects.toThrow('ENCODING UTF8')
    await database.close()
    await onServer(`DROP DATABASE ${name} WITH (FORCE)`)
  })

  it('and backing up wait for the other side for as long as it takes', async () => {
    const impatient = sql`SET LOCAL idle_in_transaction_session_timeout = '200ms'`
    async function* slowly<T>(parts: AsyncIterable<T>) {
      for await (const part of parts) {
        yield part
        await sleep(500)
      }
    }
    const database = await source.open()
    const target = await fresh.postgres()
    await database.survey(async (from) => {
      await from.execute(impatient)
      const lines = (await Readable.from(slowly(backupOf(from, ABOUT))).toArray()).join('')
      await target.fill(async (db) => {
        await db.execute(impatient)
        return restoreFrom(db, slowly(Readable.from([lines.slice(0, 3_000), lines.slice(3_000)])))
      })
    })
    await database.close()
    expect(await contentsOf(target)).toEqual(await contentsOf(source))
  })

  it('takes a database that was migrated and never used', async () => {
    const target = await fresh.postgres()
    const database = await target.open()
    await applyMigrations(database)
    await database.close()
    await restore(target, path)
    expect(await contentsOf(target)).toEqual(await contentsOf(source))
  })

  it('waits for whoever migrates the same database', async () => {
    const target = await fresh.postgres()
    const database = await target.open()
    const both = await Promise.allSettled([applyMigrations(database), restore(target, path)])
    await database.close()
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled'])
    expect(await contentsOf(target)).toEqual(await contentsOf(source))
  })

  it.each(KINDS)('makes the schema of an older backup in %s, and then migrates it', async (kind) => {
    const shipped = shippedMigrations()
    const older = await fresh.postgres()
    const database = await older.open()
    await database.transact('migration', async (db) => {
      await runMigration(db, shipped[0]!)
      await db.execute(sql`INSERT INTO halyard.logs (id, kind, project, environment, epoch, revision, head_hash, bytes, digest, opened_at)
        VALUES ('system', 'system', '', '', 1, 1, 'h', 2, 3, '2020-01-01')`)
      await db.execute(sql`INSERT INTO halyard.changes (log_id, revision, epoch, change_id, actor_kind, actor_id, actor_name, action, at, documents, previous_hash, hash)
        VALUES ('system', 1, 1, 'c', 'system', 'a', 'A', 'test', '2020-01-01T00:00:00.5Z', '[]', '', 'h')`)
      return { keep: true, value: undefined }
    })
    const file = join(temporaryFolder().dir, 'older.gz')
    await database.survey((db) => writeBackupFile(file, backupOf(db, ABOUT)))
    await database.close()

    const target = await fresh[kind]()
    const { migrated } = await restore(target, file)
    expect(migrated).toEqual(shipped.slice(1).map(({ name }) => name))
    const restored = await target.open()
    // As 0002 makes of it: the log's time is that of its newest record.
    const rows = await restored.read(async (db) =>
      rowsOf(
        await db.execute(
          sql`SELECT revision::text, (changed_at = '2020-01-01T00:00:00.5Z') AS known FROM halyard.logs`,
        ),
      ),
    )
    expect(rows).toEqual([{ revision: '1', known: true }])
    expect(await applyMigrations(restored)).toEqual([])
    await restored.close()
  })

  it('refuses the backup of a newer release, and names what it does not know', async () => {
    const target = await fresh.postgres()
    const shipped = shippedMigrations().slice(0, -1)
    const newest = shippedMigrations().at(-1)!.name
    await expect(target.fill((db) => restoreFrom(db, unpacked(path), shipped))).rejects.toThrow(newest)
    const format2 = Readable.from(['{"halyard":"backup","format":2,"version":"9.0.0"}\n'])
    await expect(target.fill((db) => restoreFrom(db, format2))).rejects.toThrow('newer release (9.0.0)')
    expect(await contentsOf(target)).toEqual({})
  })

  it('keeps the references between tables, as the migrations made them', async () => {
    const target = await fresh.postgres()
    await restore(target, path)
    const references = async (place: Place) => {
      const database = await place.open()
      const rows = await database.survey(async (db) => {
        await db.execute(sql`SET LOCAL search_path = ''`)
        return rowsOf<{ name: string }>(
          await db.execute(sql`SELECT conname AS name, pg_get_constraintdef(oid) AS definition, convalidated AS checked
            FROM pg_constraint WHERE connamespace = 'halyard'::regnamespace ORDER BY conname`),
        )
      })
      await database.close()
      return rows
    }
    expect(await references(target)).toEqual(await references(source))
    expect((await references(target)).map(({ name }) => name)).toContain('logs_parent_id_fkey')
  })
})

describe('a database without Halyard', () => {
  it('is nothing to back up', async () => {
    const place = await fresh.postgres()
    await expect(backUp(place, join(temporaryFolder().dir, 'b.gz'))).rejects.toThrow('nothing to back up')
  })
})
