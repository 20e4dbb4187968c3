/**
 * Hours of clients and writes that come and go: what the servers hold does not grow. `--minutes` says how long; without
 * it, it is as short as it can be and still say something.
 */
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { processes, type Running } from '../support/process.ts'
import { ANY, DEVELOPMENT } from '../support/rest.ts'
import { until } from '../support/until.ts'
import { type BaseLoad, CLIENTS, startBaseLoad } from './rig/base-load.ts'
import { SEGMENT } from './rig/flags.ts'
import { askProbe, type Member, type Memory, metricOf, PROBE } from './rig/fleet.ts'
import { milliseconds } from './rig/gates.ts'
import { row } from './rig/row.ts'
import { type Slope, slopeOf } from './rig/slope.ts'
import { now, quantile } from './rig/timeline.ts'

const all = processes()
const CHURN = fileURLToPath(new URL('./rig/churn.mjs', import.meta.url))
const MINUTES = Number(process.env.HALYARD_FAULTS_MINUTES ?? 1.5)
const LASTS_MS = MINUTES * 60_000
/**
 * The first part, at least, is not measured: what is bounded fills up. In a long run V8 goes on learning types for most
 * of an hour, so that two hours measure their second one.
 */
const WARM_UP = MINUTES < 10 ? 1 / 3 : 1 / 2
/** V8 compiles, and learns types, for some thousands of visits and writes: that is memory, and no leak. */
const WARM_VISITS = MINUTES < 10 ? 6_000 : 20_000
/**
 * What is held may be so much more at the end than at the beginning of the measured time. A short run finds what is
 * coarse, such as streams or clients that stay: V8 is still at work in it.
 */
const MOST_GROWTH = MINUTES < 10 ? 0.05 : 0.02
/** Deltas and authors that are kept of an environment are bounded by count: so many writes fill them. */
const FILLING_WRITES = 1_500
/**
 * Identifiers of ended kills are bounded, too, by more than hours of kills come to: 72 bytes each, in every client. Filled,
 * each client that comes and goes is a megabyte, and hides what little is left behind; so a long run kills seldom.
 */
const KILL_EVERY_MS = MINUTES < 10 ? 4_000 : 60_000
const FEWEST_SAMPLES = 20
const QUIET_MS = 6_000
/** How many connections may be open, and timers run, that are there in one quiet moment and not in another. */
const POOLED: Readonly<Record<string, number>> = { TCPSocketWrap: 4, Timeout: 4 }
/** What the system has been asked and answers in a moment, such as a snapshot's being written: nothing that is held. */
const UNDER_WAY = /Req|(Connect|Write|Shutdown)Wrap$/

type Churn = {
  readonly running: Running
  readonly came: () => number
  readonly here: () => number
  readonly wrong: readonly string[]
  /** It pauses, or goes on. */
  readonly turn: () => void
  /** It hurries, or does no more. */
  readonly hurry: () => void
}

function startChurn(load: BaseLoad): Churn {
  const urls = load.fleet.members.map(({ url }) => url)
  const running = all.startScript(CHURN, { NODE_OPTIONS: `--import=${PROBE}` }, [
    JSON.stringify({ urls, key: load.key, abreast: 6, stayMs: 800 }),
  ])
  let last = { came: 0, here: 0 }
  const wrong: string[] = []
  if (running.child.stdout === null) throw new Error('the churn has no output')
  createInterface({ input: running.child.stdout }).on('line', (text) => {
    const line = JSON.parse(text) as typeof last & { readonly wrong?: readonly string[] }
    if (line.wrong === undefined) return
    last = line
    wrong.push(...line.wrong)
  })
  return {
    running,
    came: () => last.came,
    here: () => last.here,
    wrong,
    turn: () => void running.child.kill('SIGUSR1'),
    hurry: () => void running.child.kill('SIGHUP'),
  }
}

/** The load adds members for ever; what is meant to stay the same is taken out again. */
async function forgetMembers({ api }: BaseLoad): Promise<void> {
  const path = `${DEVELOPMENT}/segments/${SEGMENT}/members`
  const { items } = await api.must<{ items: { unit: unknown }[] }>('GET', `${path}?limit=10000`)
  const remove = items.map(({ unit }) => unit).filter((unit) => String(unit).startsWith('member-'))
  if (remove.length > 0) await api.must('PATCH', path, { included: { remove } }, ANY)
}

async function fill({ fleet }: BaseLoad): Promise<void> {
  for (let number = 0; number < FILLING_WRITES; number += 20) {
    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        fleet.members[index % fleet.members.length]?.api.must(
          'PATCH',
          `${DEVELOPMENT}/flags/filler`,
          { rules: [{ id: 'r', description: `${number + index}`, serve: { variant: 'on' } }] },
          ANY,
        ),
      ),
    )
  }
}

type Measured = {
  readonly name: string
  readonly memory: () => Promise<Memory>
  readonly cache: () => Promise<number>
}

row(
  'soak',
  {
    fault: `${MINUTES} minutes of SDKs and pages that come and go, writes, kills and remote evaluations`,
    pass: `G0 to G2; live memory does not grow: its slope is within its error of zero, or it gains less than ${100 * MOST_GROWTH} % over the measured time; no more timers, sockets and listeners at the end than at the beginning`,
    timeoutMs: LASTS_MS + 540_000,
  },
  async (report) => {
    const load = await startBaseLoad(all, {
      servers: 2,
      clients: CLIENTS,
      redis: true,
      perSecond: 5,
      pace: { writers: 1, pauseMs: 700, killEveryMs: KILL_EVERY_MS },
      apps: { tickMs: 500, perTick: 1 },
    })
    const { members } = load.fleet
    const churn = startChurn(load)
    await load.api.must('POST', '/api/v1/projects/default/flags', { key: 'filler', type: 'boolean' })
    const measured: readonly Measured[] = [
      ...members.map(
        (member: Member): Measured => ({
          name: member.name,
          memory: member.memory,
          cache: () => metricOf(member, 'halyard_evaluation_cache_bytes'),
        }),
      ),
      { name: 'the apps', memory: () => askProbe(churn.running), cache: async () => 0 },
    ]
    await until('some have come', () => churn.came() > 10)
    const quiet = async (): Promise<readonly Memory[]> => {
      churn.turn()
      await until('nobody who comes and goes is here', () => churn.here() === 0, 30_000)
      await sleep(QUIET_MS)
      const memories = await Promise.all(measured.map(({ memory }) => memory()))
      churn.turn()
      return memories
    }
    const began = now()
    churn.hurry()
    await fill(load)
    await until('enough have come and gone', () => churn.came() >= WARM_VISITS, 300_000)
    churn.hurry()
    await sleep(Math.max(0, LASTS_MS * WARM_UP - (now() - began) - QUIET_MS))
    await forgetMembers(load)
    const before = await quiet()
    await sleep(2_000)

    const samples = measured.map((): { at: number; value: number; code: number; rss: number }[] => [])
    const everyMs = Math.max(1_500, LASTS_MS / 200)
    const from = now()
    while (now() - began < LASTS_MS - QUIET_MS || (samples[0]?.length ?? 0) < FEWEST_SAMPLES) {
      await forgetMembers(load)
      for (const [index, { memory, cache }] of measured.entries()) {
        const { heapUsed, external, code, rss } = await memory()
        // What is cached is bounded by a size of its own, and code by the program; neither may have got there yet.
        samples[index]?.push({
          at: (now() - from) / 60_000,
          value: heapUsed - code + external - (await cache()),
          code,
          rss,
        })
      }
      await sleep(everyMs)
    }
    await forgetMembers(load)
    const after = await quiet()
    churn.running.child.stdin?.end()
    await churn.running.ended
    const verdict = await load.end()

    const slopes = measured.map(({ name }, index): [string, Slope] => [name, slopeOf(samples[index] ?? [])])
    for (const [index, [name, slope]] of slopes.entries()) {
      const own = samples[index] ?? []
      const later = slopeOf(own.slice(Math.floor(own.length / 2)))
      report.figure(
        `${name}: live memory`,
        `${described(slope, own.length)}; in the second half ${described(later, Math.ceil(own.length / 2))}`,
      )
      report.figure(`${name}: code`, `${megabytes(own[0]?.code)} → ${megabytes(own.at(-1)?.code)}`)
      report.figure(
        `${name}: resident`,
        `${megabytes(samples[index]?.[0]?.rss)} → ${megabytes(samples[index]?.at(-1)?.rss)}`,
      )
      report.figure(`${name}: held`, `${held(before[index])} → ${held(after[index])}`)
    }
    report.figure('came and went', `${churn.came()}`)
    report.figure(
      'writes',
      `${load.writer.writes.length + FILLING_WRITES}, p99 ${milliseconds(
        quantile(
          load.writer.writes.flatMap(({ tries }) => tries.map(({ ms }) => ms)),
          0.99,
        ),
      )}`,
    )
    const { wrongEvaluations, lostWrites, wrong, checked } = verdict
    report.figure('G0 wrong', `${wrongEvaluations.length} of ${checked.local + checked.remote}`)
    report.figure('G1 lost', `${lostWrites.length} of ${verdict.acknowledged}`)
    report.figure('G2 back', `${wrong.length}`)
    expect({
      wrongEvaluations: wrongEvaluations.slice(0, 5),
      lostWrites,
      wrong: [...wrong, ...churn.wrong].slice(0, 5),
    }).toEqual({
      wrongEvaluations: [],
      lostWrites: [],
      wrong: [],
    })
    expect(load.evaluations.failures).toEqual([])
    expect(load.fleet.accidents()).toEqual([])
    for (const [name, { slope, within, growth, mean }] of slopes) {
      const grows = slope - within > 0 && growth > MOST_GROWTH * mean
      expect([name, grows, described({ slope, within, growth, mean }, 0)]).toEqual([
        name,
        false,
        expect.anything(),
      ])
    }
    for (const [index, { name }] of measured.entries())
      expect([name, more(before[index], after[index])]).toEqual([name, []])
  },
)

const megabytes = (bytes = 0) => `${(bytes / 2 ** 20).toFixed(1)} MB`

function described({ slope, within, growth, mean }: Slope, count: number): string {
  const kilobytes = (bytes: number) => (bytes / 1_024).toFixed(1)
  return `${megabytes(mean)}, ${kilobytes(slope)} ± ${kilobytes(within)} KB a minute (${((100 * growth) / mean).toFixed(2)} % in all, ${count} samples)`
}

/** Of what there is more than before, but for connections of pools, and their timers, which come and go. */
function more(before: Memory | undefined, after: Memory | undefined): readonly string[] {
  const counts = ({ resources = {}, listeners = 0 }: Partial<Memory> = {}) => ({ ...resources, listeners })
  const then: Readonly<Record<string, number>> = counts(before)
  return Object.entries(counts(after))
    .filter(([name, count]) => !UNDER_WAY.test(name) && count > (then[name] ?? 0) + (POOLED[name] ?? 0))
    .map(([name, count]) => `${name}: ${then[name] ?? 0} → ${count}`)
}

/** What keeps the event loop going, and who listens to the process. */
function held(memory: Memory | undefined): string {
  const { resources = {}, listeners = 0 } = memory ?? {}
  const parts = Object.entries(resources).sort(([one], [other]) => (one < other ? -1 : 1))
  return [...parts.map(([name, count]) => `${name} ${count}`), `listeners ${listeners}`].join(', ')
}
