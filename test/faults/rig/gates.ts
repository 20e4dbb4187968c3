/**
 * G0 to G6 of a row under the base load, as figures and as what must hold. Latency is compared with a bare server's in
 * the same seconds, so that what the machine does to both is nobody's fault.
 */
import { expect } from 'vitest'
import type { BaseLoad, Judged } from './base-load.ts'
import type { Report } from './row.ts'
import { type Phase, quantile } from './timeline.ts'

/** Milliseconds. */
export type Bounds = {
  /** G3: the 99th percentile of staleness while the fault lasts, and in health. */
  readonly staleness?: number
  readonly health?: number
  /** G4: by how much the 99th percentile of remote evaluations may grow; Infinity where the fault is its growth. */
  readonly latency?: number
  /** G5: the slowest answer to a kill, whatever it is. */
  readonly kill?: number
  /** Names of servers that are away, or may be slow: what was asked of them is not judged by time. */
  readonly away?: readonly string[]
}

const HEALTH_MS = 500
const LATENCY_MS = 5
const KILL_MS = 1_000
/** Where timers are later than this, others have the cores, and an answer waits for them just so. */
const QUIET_MS = 10
/** Processes that a change goes through: server, database, server, app. Each may have to wait for a core. */
const HOPS = 4
/** By how much live memory may have grown a minute after the fault. */
const MEMORY = 1.1
/** How much slower a local evaluation's median may be: the machine is shared with everything else. */
const PACE = 2

/** Expects the gates, and leaves their figures. */
export function expectGates(load: BaseLoad, verdict: Judged, report: Report, bounds: Bounds = {}): void {
  const { wrongEvaluations, lostWrites, wrong, checked, acknowledged, memory = [] } = verdict
  const { claims, falseClaims } = verdict
  report.figure(
    'G0 wrong',
    `${wrongEvaluations.length} of ${checked.local + checked.remote} (${checked.states} states)`,
  )
  report.figure('G1 lost', `${lostWrites.length} of ${acknowledged}`)
  report.figure('G2 back', `${wrong.length}`)
  const health = stalenessOf(load, 'baseline')
  const fault = stalenessOf(load, 'fault')
  report.figure('G3 p99', `${milliseconds(quantile(health, 0.99))} → ${milliseconds(quantile(fault, 0.99))}`)
  const lag = { baseline: lagOf(load, 'baseline'), fault: lagOf(load, 'fault') }
  report.figure('timers late p99', `${milliseconds(lag.baseline)} → ${milliseconds(lag.fault)}`)
  const { away = [] } = bounds
  const latency = latencyOf(load, away)
  report.figure(
    'G4 p99',
    `${milliseconds(latency.before)} → ${milliseconds(latency.during)} (bare ${milliseconds(latency.bareBefore)} → ${milliseconds(latency.bareDuring)})`,
  )
  const kills = killAnswersOf(load, 'fault', away)
  report.figure('G5 slowest', milliseconds(Math.max(...kills)))
  report.figure('G5 false claims', `${falseClaims.length} of ${claims}`)
  const failures = load.evaluations.failures.filter(({ target }) => !away.includes(target))
  report.figure('evaluations failed', `${failures.length}`)
  const accidents = load.fleet.accidents()
  report.figure('G6 accidents', `${accidents.length}`)
  for (const { name, before, after } of memory)
    report.figure(`G6 memory of ${name}`, `${megabytes(before)} → ${megabytes(after)}`)

  // All of them at once: one that fails hides none of the others.
  const broken = {
    'G0: each result equals an independent evaluation of its state': wrongEvaluations,
    'G1: each 2xx is in the final state and in the audit trail': lostWrites,
    'G2: revisions never decrease, and nothing throws': wrong,
    'G5: what answers to kills say is true': falseClaims,
    'no remote evaluation fails': failures,
    'G6: no process ends, and no rejection goes unhandled': accidents,
  }
  const examples = Object.entries(broken).map(([gate, faults]) => [gate, faults.slice(0, 5)])
  expect(Object.fromEntries(examples.filter(([, faults]) => faults?.length))).toEqual({})
  for (const { name, before, after } of memory)
    expect(after / before, `G6: live memory of ${name} a minute later`).toBeLessThanOrEqual(MEMORY)
  expect(quantile(health, 0.99), 'G3: staleness in health').toBeLessThanOrEqual(
    (bounds.health ?? HEALTH_MS) + HOPS * lag.baseline,
  )
  if (bounds.staleness !== undefined && fault.length > 0)
    expect(quantile(fault, 0.99), 'G3: staleness while the fault lasts').toBeLessThanOrEqual(
      bounds.staleness + HOPS * lag.fault,
    )
  const noise = Math.max(0, lag.fault - QUIET_MS)
  if (!Number.isNaN(latency.excess))
    expect(latency.excess, 'G4: latency of remote evaluations').toBeLessThanOrEqual(
      (bounds.latency ?? LATENCY_MS) + noise,
    )
  const [before, during] = [paceOf(load, 'baseline'), paceOf(load, 'fault')]
  expect(during / before, 'G4: a local evaluation is unchanged').toBeLessThanOrEqual(PACE)
  if (kills.length > 0)
    expect(Math.max(...kills), 'G5: a kill is answered').toBeLessThanOrEqual(
      (bounds.kill ?? KILL_MS) + HOPS * noise,
    )
}

const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MB`

export const milliseconds = (ms: number): string =>
  Number.isFinite(ms)
    ? ms >= 1_000
      ? `${(ms / 1_000).toFixed(1)} s`
      : `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
    : '–'

/**
 * For each client, and each write that was acknowledged in the phase: from its 2xx until the client held its revision
 * or a newer one. Infinity where that never came to be. In health, up to the fault: what a client had not heard by then
 * is held up by that.
 */
function stalenessOf({ apps, writer, timeline }: BaseLoad, phase: Phase): readonly number[] {
  const writes = writer.writes
    .flatMap(({ acknowledged }) => (acknowledged === undefined ? [] : [acknowledged]))
    .filter(({ at }) => timeline.phaseAt(at) === phase)
    .sort((a, b) => a.epoch - b.epoch || a.revision - b.revision)
  const byClient = new Map<string, { epoch: number; revision: number; at: number }[]>()
  for (const { client, ...hearing } of apps.heard) {
    const list = byClient.get(client)
    if (list) list.push(hearing)
    else byClient.set(client, [hearing])
  }
  const all: number[] = []
  for (const hearings of byClient.values()) {
    let next = 0
    for (const { epoch, revision, at } of writes) {
      while (next < hearings.length && isBefore(hearings[next], { epoch, revision })) next += 1
      const heard = hearings[next]
      const end = phase === 'baseline' ? timeline.endOf(at) : Number.POSITIVE_INFINITY
      all.push(Math.max(0, Math.min(heard?.at ?? Number.POSITIVE_INFINITY, end) - at))
    }
  }
  return all
}

function isBefore(
  one: { readonly epoch: number; readonly revision: number } | undefined,
  other: { readonly epoch: number; readonly revision: number },
): boolean {
  if (one === undefined) return false
  return one.epoch < other.epoch || (one.epoch === other.epoch && one.revision < other.revision)
}

function latencyOf({ evaluations, timeline }: BaseLoad, away: readonly string[]) {
  const p99 = (phase: Phase, bare: boolean) =>
    quantile(
      evaluations.times
        .filter(({ target }) => (target === 'control') === bare && !away.includes(target))
        .filter(({ at }) => timeline.phaseAt(at) === phase)
        .map(({ ms }) => ms),
      0.99,
    )
  const [before, during] = [p99('baseline', false), p99('fault', false)]
  const [bareBefore, bareDuring] = [p99('baseline', true), p99('fault', true)]
  return {
    before,
    during,
    bareBefore,
    bareDuring,
    excess: during - before - Math.max(0, bareDuring - bareBefore),
  }
}

/** Each answer to a kill: how long whoever asked a server waited for it. */
function killAnswersOf(
  { writer, timeline }: BaseLoad,
  phase: Phase,
  away: readonly string[],
): readonly number[] {
  return writer.kills
    .flatMap(({ tries }) => tries)
    .filter(({ at, target }) => timeline.phaseAt(at) === phase && !away.includes(target))
    .map(({ ms }) => ms)
}

/** The 99th percentile of how late timers were. */
function lagOf({ apps, timeline }: BaseLoad, phase: Phase): number {
  return quantile(
    apps.lags.filter(({ at }) => timeline.phaseAt(at) === phase).map(({ ms }) => ms),
    0.99,
  )
}

/** The median of a local evaluation in nanoseconds. */
function paceOf({ apps, timeline }: BaseLoad, phase: Phase): number {
  return quantile(
    apps.paces.filter(({ at }) => timeline.phaseAt(at) === phase).map(({ ns }) => ns),
    0.5,
  )
}
