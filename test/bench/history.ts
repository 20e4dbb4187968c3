/**
 * Questions about the past on a real Postgres with long histories: 1,000 flags with 100,000 changes, and with a
 * million. What a commit costs on the longest, beside one on an empty log; and what verifying a million records takes.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Api, api, makeFlags } from './rig/api.ts'
import { type SeededHistory, seedHistory } from './rig/history-seed.ts'
import { withPostgres } from './rig/postgres.ts'
import { ratioOf } from './rig/rounds.ts'
import { type Bench, judged, median, quantile, type Row } from './rig/row.ts'
import { ROOT, startServer } from './rig/server.ts'
import { flagShapes, seeded } from './workload.ts'

const FLAGS = 1_000
const LONG = 100_000
const LONGEST = 1_000_000
const ASKED = 60
const ROUNDS = 25
const EDITS_A_ROUND = 20
const CONTEXT = { targetingKey: 'user-42', plan: 'pro', version: '2.4.0', country: 'CH' }

export const history: Bench = {
  name: 'history',
  about: 'questions about the past, and commits on a long one, on a real Postgres',
  run: async () => await withPostgres(run),
}

async function run(url: string): Promise<readonly Row[]> {
  // Once, for the schema; what is seeded is found by the next start.
  await (await startServer({ DATABASE_URL: url })).stop()
  const long = await seedHistory(url, { flags: FLAGS, changes: LONG, project: 'long' })
  const longest = await seedHistory(url, { flags: FLAGS, changes: LONGEST, project: 'longest' })
  const server = await startServer({ DATABASE_URL: url })
  const call = api(server)
  try {
    await makeFlags(call, flagShapes(FLAGS))
    return [
      ...(await explanations(call, long, longest)),
      ...(await changes(call, long, longest)),
      await commits(call, longest),
      ...(await verification(url)),
    ]
  } finally {
    await server.stop()
  }
}

const environmentOf = ({ project, environment }: SeededHistory) =>
  `/projects/${project}/environments/${environment}`

/** Milliseconds of each call, one after another. */
async function timed(times: number, ask: (turn: number) => Promise<unknown>): Promise<readonly number[]> {
  const samples: number[] = []
  for (let turn = 0; turn < times; turn++) {
    const start = performance.now()
    await ask(turn)
    samples.push(performance.now() - start)
  }
  return samples
}

const shown = (samples: readonly number[]) => ({
  name: 'median',
  value: median(samples),
})

/** Each at another time, so that none is answered from what the one before loaded. */
async function explanations(call: Api, long: SeededHistory, longest: SeededHistory): Promise<readonly Row[]> {
  const random = seeded(7)
  const explain = (seededLog: SeededHistory, at: unknown) =>
    call('POST', `${environmentOf(seededLog)}/explain`, {
      flag: seededLog.flags[Math.floor(random() * FLAGS)],
      context: CONTEXT,
      at,
    })
  const timeIn = (seededLog: SeededHistory) =>
    new Date(seededLog.timeOf(3 + Math.floor(random() * (seededLog.revision - 3)))).toISOString()
  await timed(10, () => explain(long, timeIn(long)))
  const first = await timed(ASKED, () => explain(long, timeIn(long)))
  const moment = timeIn(long)
  const { revision } = await call<{ revision: number }>('POST', `${environmentOf(long)}/explain`, {
    flag: long.flags[0],
    context: CONTEXT,
    at: moment,
  })
  const again = await timed(ASKED, () => explain(long, revision))
  const far = await timed(ASKED, () => explain(longest, timeIn(longest)))
  return [
    judged(
      {
        name: `explain at a past time, ${FLAGS} flags, ${LONG.toLocaleString('en')} changes, p95`,
        measured: quantile(first, 0.95),
        unit: 'ms',
        baseline: shown(first),
      },
      { of: 'measured', atMost: 100 },
    ),
    {
      name: 'the same at a revision that was asked about just before, p95',
      measured: quantile(again, 0.95),
      unit: 'ms',
      baseline: shown(again),
    },
    {
      name: `the same among ${LONGEST.toLocaleString('en')} changes, p95`,
      measured: quantile(far, 0.95),
      unit: 'ms',
      baseline: shown(far),
    },
  ]
}

async function changes(call: Api, long: SeededHistory, longest: SeededHistory): Promise<readonly Row[]> {
  const rows: Row[] = []
  const filters: readonly (readonly [string, SeededHistory, string])[] = [
    [`changes, first page, among ${LONG.toLocaleString('en')}`, long, ''],
    [`changes, first page, among ${LONGEST.toLocaleString('en')}`, longest, ''],
    ['of one flag', longest, `?flag=${longest.flags[17]}`],
    ['of an actor who made none', longest, '?actor=nobody'],
    [
      'of one day',
      longest,
      `?since=${instant(longest.timeOf(LONGEST / 2))}&until=${instant(longest.timeOf(LONGEST / 2) + 86_400_000)}`,
    ],
  ]
  for (const [name, seededLog, query] of filters) {
    const ask = () => call('GET', `${environmentOf(seededLog)}/changes${query}`)
    await timed(10, ask)
    const samples = await timed(ASKED, ask)
    rows.push(
      judged(
        { name: `${name}, p95`, measured: quantile(samples, 0.95), unit: 'ms', baseline: shown(samples) },
        { of: 'measured', atMost: 20 },
      ),
    )
  }
  return rows
}

const instant = (ms: number) => new Date(ms).toISOString()

/** The same edit of the same flag in two environments, in turn; both have as many flags. */
async function commits(call: Api, longest: SeededHistory): Promise<Row> {
  const flag = longest.flags[3] ?? ''
  const sides = [environmentOf(longest), '/projects/default/environments/production'].map((environment) => ({
    environment,
    samples: [] as number[],
  }))
  for (let round = -3; round < ROUNDS; round++) {
    for (const { environment, samples } of sides) {
      const times = await timed(EDITS_A_ROUND, (turn) =>
        call('POST', `${environment}/flags/${flag}/${turn % 2 === 0 ? 'enable' : 'disable'}`),
      )
      if (round >= 0) samples.push(median(times))
    }
  }
  const [onLongest = [], onShort = []] = sides.map(({ samples }) => samples)
  return judged(
    {
      name: `an edit over HTTP after ${LONGEST.toLocaleString('en')} changes`,
      measured: median(onLongest),
      unit: 'ms',
      baseline: { name: `after ${(2 * FLAGS).toLocaleString('en')}`, value: median(onShort) },
      ratio: ratioOf(onLongest, onShort),
    },
    { of: 'ratio', atMost: 2 },
  )
}

/** `npm run audit:verify`, and the most memory that its process had. */
async function verification(url: string): Promise<readonly Row[]> {
  const start = performance.now()
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  const [, ...args] = (scripts['audit:verify'] ?? '').split(' ')
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { ...process.env, DATABASE_URL: url },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  let peakKb = 0
  const watching = setInterval(() => {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
      peakKb = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? peakKb)
    } catch {
      // It has ended.
    }
  }, 50)
  const [code] = (await once(child, 'exit')) as [number | null]
  clearInterval(watching)
  if (code !== 0) throw new Error(`audit:verify ended with ${code}`)
  const seconds = (performance.now() - start) / 1_000
  return [
    { name: 'audit:verify of 1.1 million records', measured: seconds, unit: 's' },
    {
      name: 'the most memory that it had',
      measured: peakKb / 1_024,
      unit: 'MB',
      note: 'Node itself and the libraries are about 90 MB of it',
    },
  ]
}
