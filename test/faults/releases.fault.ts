/** Two releases on one database, and migrations that are killed, raced and held up, under the base load. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { MAIN, processes } from '../support/process.ts'
import { APPS } from './rig/apps.ts'
import { startBaseLoad, through } from './rig/base-load.ts'
import type { Member } from './rig/fleet.ts'
import { expectGates, milliseconds } from './rig/gates.ts'
import { haproxyIsHere, startHaproxy } from './rig/haproxy.ts'
import { AS_THIS, asRelease, BEFORE, buildRelease, whyNotBuilt } from './rig/release.ts'
import { row } from './rig/row.ts'
import { quantile } from './rig/timeline.ts'
import { isTaken } from './rig/writer.ts'

const all = processes()
/** For so long two releases serve side by side after each server that was replaced. */
const BESIDE_MS = 2_500

row(
  'releases-side-by-side',
  {
    fault: `three servers of the release before (${BEFORE}) are replaced by this one, one after another, and by the old one again (a rollback), behind the HAProxy of docs/deploy; half of the SDKs are of each release`,
    pass: 'zero errors: no failed evaluation, no failed write; every process ends with 0; the history is whole',
    waits: whyNotBuilt(BEFORE) ?? (haproxyIsHere() ? undefined : 'there is no HAProxy on this machine'),
    timeoutMs: 600_000,
  },
  async (report) => {
    const before = buildRelease(BEFORE)
    const load = await startBaseLoad(all, {
      as: asRelease(before),
      unkeyed: true,
      behind: startHaproxy,
      apps: { scripts: [before.apps, APPS] },
    })
    const { members } = load.fleet
    const become = async (member: Member, as: typeof AS_THIS) => {
      await member.stop()
      await member.start(as)
      await sleep(BESIDE_MS)
    }
    const verdict = await through(load, async () => {
      for (const member of members) await become(member, AS_THIS)
      await sleep(BESIDE_MS)
      for (const member of members) await become(member, asRelease(before))
      await sleep(BESIDE_MS)
      for (const member of members) await become(member, AS_THIS)
    })
    const failed = load.writer.writes.flatMap(({ what, tries }) =>
      // A kill that meets a server on its way out is in effect, and names it (202).
      tries.filter(({ status }) => !isTaken(status)).map(({ status }) => `${what}: ${status}`),
    )
    const times = load.writer.writes.flatMap(({ tries }) => tries.map(({ ms }) => ms))
    report.figure('servers replaced', '9')
    report.figure('writes failed', `${failed.length} of ${load.writer.writes.length}`)
    report.figure('slowest write', milliseconds(Math.max(...times)))
    report.figure('write p99', milliseconds(quantile(times, 0.99)))
    report.figure(
      'evaluations asked',
      `${load.evaluations.times.filter(({ target }) => target !== 'control').length}`,
    )
    const verified = all.startScript(MAIN, { DATABASE_URL: load.fleet.databaseUrl }, ['verify'])
    const { code } = await verified.ended
    report.figure('history', verified.stdout().trim().split('\n').at(-1) ?? '')
    // A stream that is lost is made up for by a poll, each 10 s.
    expectGates(load, verdict, report, { staleness: 11_000, latency: 50 })
    expect(failed).toEqual([])
    expect([code, verified.stderr()]).toEqual([0, ''])
  },
)
