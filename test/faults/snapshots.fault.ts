/** The snapshots that instances keep in Redis are lost, and replaced by what must not be believed, under the base load. */
import { createHmac, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { expect, onTestFinished } from 'vitest'
import { processes } from '../support/process.ts'
import type { RedisProcess } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { type BaseLoad, startBaseLoad, through, untilWritten } from './rig/base-load.ts'
import { type Member, metricOf } from './rig/fleet.ts'
import { expectGates, milliseconds } from './rig/gates.ts'
import { row } from './rig/row.ts'
import { now } from './rig/timeline.ts'

const all = processes()
const BACK_WITHIN_MS = 5_000
/** Times that a poison is tried until nobody puts it right before it is read. */
const MOST_TRIES = 3
const KEYS = 'halyard:snapshot:'
/** A snapshot's beginning: its form, `epoch-revision`, a line's end; then 32 bytes of signature; then what is signed. */
const MARK = /^halyard-snapshot-1 (\d{16})-(\d{16})\n/
const SIGNATURE_BYTES = 32

type Shelf = ReadonlyMap<string, Buffer>

/** Straight from Redis, past the service. */
function redisOf({ url }: RedisProcess) {
  const client = new Redis(url, { retryStrategy: () => 100, maxRetriesPerRequest: null })
  client.on('error', () => {})
  onTestFinished(() => client.disconnect())
  return {
    all: async (): Promise<Shelf> => {
      const keys = await client.keys(`${KEYS}*`)
      const values = await Promise.all(keys.map((key) => client.getBuffer(key)))
      return new Map(keys.map((key, index) => [key, values[index] ?? Buffer.alloc(0)]))
    },
    put: async (shelf: Shelf): Promise<void> => {
      await Promise.all([...shelf].map(([key, bytes]) => client.set(key, bytes)))
    },
  }
}

const markIn = (bytes: Buffer | undefined): string =>
  MARK.exec(bytes?.toString('latin1', 0, 80) ?? '')?.[0] ?? ''

/** Whether each log's snapshot is there, and no older than it was. */
const isBack = (shelf: Shelf, before: Shelf): boolean =>
  [...before].every(([key, bytes]) => markIn(shelf.get(key)) >= markIn(bytes))

function redisIn({ fleet }: BaseLoad): RedisProcess {
  if (fleet.redis === undefined) throw new Error('there is no Redis')
  return fleet.redis
}

row(
  'redis-snapshot-back',
  {
    fault: '`FLUSHALL`, and `kill -9` with a restart that is empty, three times each',
    pass: 'each log’s snapshot is back ≤ 5 s, no older than it was',
  },
  async (report) => {
    const load = await startBaseLoad(all, { redis: true })
    const redis = redisIn(load)
    const stored = redisOf(redis)
    await until('every log has its snapshot', async () => (await stored.all()).size >= 5)
    const times: Record<'flushed' | 'restarted', number[]> = { flushed: [], restarted: [] }
    const lose = async (how: 'flushed' | 'restarted', work: () => Promise<unknown>): Promise<void> => {
      const before = await stored.all()
      await work()
      const from = now()
      await until(`snapshots are back after Redis was ${how}`, async () => isBack(await stored.all(), before))
      times[how].push(now() - from)
      await sleep(500)
    }
    const verdict = await through(load, async () => {
      for (let time = 0; time < 3; time += 1) {
        await lose('flushed', () => redis.cli('FLUSHALL'))
        await lose('restarted', async () => {
          await redis.kill()
          await redis.start()
        })
      }
    })
    for (const [how, list] of Object.entries(times))
      report.figure(`back after ${how}`, `at most ${milliseconds(Math.max(...list))}`)
    expectGates(load, verdict, report, { staleness: 2_000 })
    expect(Math.max(...times.flushed, ...times.restarted)).toBeLessThanOrEqual(BACK_WITHIN_MS)
  },
)

/** What somebody who can write to Redis puts in a snapshot's place. */
const POISONS: Readonly<Record<string, (now: Buffer, older: Buffer) => Buffer>> = {
  garbage: () => randomBytes(4_096),
  'cut short': (bytes) => bytes.subarray(0, Math.floor(bytes.length / 2)),
  older: (_bytes, older) => older,
  // Whole, of a revision yet to come, and signed: with a key of the forger's own.
  forged: (bytes) => {
    const [mark, epoch] = MARK.exec(bytes.toString('latin1', 0, 80)) ?? ['', '']
    const body = bytes.subarray(mark.length + SIGNATURE_BYTES)
    const next = `halyard-snapshot-1 ${epoch}-${'9'.repeat(15).padStart(16, '0')}\n`
    const signature = createHmac('sha256', randomBytes(32)).update(next).update(body).digest()
    return Buffer.concat([Buffer.from(next), signature, body])
  },
}

row(
  'redis-snapshot-poisoned',
  {
    fault:
      'SET of garbage, of half a snapshot, of an older and of a forged state in each snapshot’s place: while servers run, and before a boot without Postgres, with and without a disk',
    pass: 'ignored, with an alarm; served from disk, or not at all; mended by the next change',
    timeoutMs: 300_000,
  },
  async (report) => {
    const load = await startBaseLoad(all, { redis: true })
    const { postgres, members } = load.fleet
    const victim = members[0] as Member
    const { dataDir } = victim.server()
    const stored = redisOf(redisIn(load))
    await until('every log has its snapshot', async () => (await stored.all()).size >= 5)
    const older = await stored.all()
    const poison = (kind: string, good: Shelf): Shelf =>
      new Map(
        [...good].map(([key, bytes]) => [key, POISONS[kind]?.(bytes, older.get(key) ?? bytes) ?? bytes]),
      )
    const refused = async (at: readonly Member[]) => {
      const counts = at.map((member) => metricOf(member, 'halyard_snapshots_refused_total'))
      return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0)
    }
    const others = members.slice(1)

    const alarms: Record<string, number> = {}
    const mended: number[] = []
    const bare: Record<string, number> = {}
    const verdict = await through(load, async () => {
      // While all of it runs, the load's environment is mended by its next change; nobody needs to notice.
      for (const kind of Object.keys(POISONS)) {
        const good = await stored.all()
        await stored.put(poison(kind, good))
        const from = now()
        const key = newestIn(good, older)
        await until(`${kind} is mended`, async () => isMended((await stored.all()).get(key), good.get(key)))
        mended.push(now() - from)
      }
      await postgres.kill()
      // What was last committed has come to disk and Redis.
      await sleep(3_000)
      const good = await stored.all()
      for (const kind of Object.keys(POISONS)) {
        await victim.kill()
        const before = await refused(others)
        await stored.put(poison(kind, good))
        await victim.start({ dataDir, until: 'ready' })
        const here = await refused([victim])
        if (here > 0) expect(victim.server().stderr(), kind).toMatch(/a snapshot is (not believed|older)/)
        // One of the others may have looked first, and put it right: then it is that one's alarm.
        alarms[kind] = here + (await refused(others)) - before
        if (kind === 'older') continue
        // Without a disk there is nothing to be believed: it is up, and says that it is not ready.
        for (let tries = 0; tries < MOST_TRIES && bare[kind] === undefined; tries += 1) {
          await victim.kill()
          const poisoned = poison(kind, good)
          await stored.put(poisoned)
          await victim.start({ dataDir: all.freshFolder(), until: 'live' })
          await sleep(2_000)
          const { status } = await fetch(`${victim.url}/health/ready`)
          // Another one may have put it right meanwhile, in a round of its own or since something was killed.
          if (isSame(await stored.all(), poisoned)) bare[kind] = status
        }
      }
      await victim.kill()
      await victim.start({ dataDir, until: 'ready' })
      await postgres.start()
      await untilWritten(load)
    })
    report.figure('mended within', milliseconds(Math.max(...mended)))
    report.figure('refused at a boot', JSON.stringify(alarms))
    report.figure('ready without a disk', JSON.stringify(bare))
    expectGates(load, verdict, report, { staleness: 2_000, away: [victim.name] })
    for (const kind of Object.keys(POISONS)) expect([kind, alarms[kind]]).not.toEqual([kind, 0])
    expect(Object.keys(bare)).not.toEqual([])
    expect(Object.values(bare).filter((status) => status !== 503)).toEqual([])
    expect(Math.max(...mended)).toBeLessThanOrEqual(BACK_WITHIN_MS)
  },
)

const isSame = (shelf: Shelf, other: Shelf): boolean =>
  [...other].every(([key, bytes]) => shelf.get(key)?.equals(bytes))

/** The log that the load writes to: the one that has moved on furthest. */
function newestIn(shelf: Shelf, older: Shelf): string {
  const moved = [...shelf].filter(([key, bytes]) => markIn(bytes) !== markIn(older.get(key)))
  const [first] = moved.sort(([, one], [, other]) => (markIn(one) < markIn(other) ? 1 : -1))
  if (first === undefined) throw new Error('nothing was written since')
  return first[0]
}

/** A state that follows the one that was poisoned, and not the forger's. */
function isMended(bytes: Buffer | undefined, good: Buffer | undefined): boolean {
  const mark = markIn(bytes)
  return mark > markIn(good) && !mark.includes('9'.repeat(15))
}
