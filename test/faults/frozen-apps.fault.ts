/** The scenario of a kill that proves itself: many apps on three servers, and some of them frozen. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished } from 'vitest'
import { ROOT } from '../support/build.ts'
import { processes } from '../support/process.ts'
import { ANY, DEVELOPMENT, PROJECT, sdkKey } from '../support/rest.ts'
import { type SdkProcess, startSdk } from '../support/sdk-process.ts'
import { until } from '../support/until.ts'
import { CLIENTS } from './rig/base-load.ts'
import { startFleet } from './rig/fleet.ts'
import { milliseconds } from './rig/gates.ts'
import { row } from './rig/row.ts'
import { now } from './rig/timeline.ts'

const all = processes()
const FLAG = 'checkout'
const FROZEN = 3
/** Node processes that start at once. */
const WAVE = 8
/** Long enough to tell that they have been silent. */
const FROZEN_MS = 3_000
const APPLIED_WITHIN_MS = 1_000
const CLI = join(ROOT, 'sdk/dist/cli/halyard.js')

type App = SdkProcess<'it'>

row(
  'kill-frozen-apps',
  {
    fault: `${FROZEN} of ${CLIENTS} processes with SDKs, on three servers, are frozen (SIGSTOP) as a flag is killed`,
    pass: 'exactly those are named, by app, version, instance, revision and silence; all others have applied it; after SIGCONT they apply it ≤ 1 s',
  },
  async (report) => {
    const { members, adminKey } = await startFleet(all, { redis: true })
    const [first] = members
    if (first === undefined) throw new Error('there is no server')
    const { api, url } = first
    await api.must('POST', `${PROJECT}/flags`, { key: FLAG, type: 'boolean', fallthrough: { variant: 'on' } })
    await api.must('POST', `${DEVELOPMENT}/flags/${FLAG}/enable`, undefined, ANY)
    const key = await sdkKey(api, 'server')
    const apps = await startAll(
      members.map((member) => member.url),
      key,
    )
    const frozen = [...apps].filter(([pod]) => FROZEN_PODS.includes(pod))
    const wake = () => {
      for (const [, { child }] of frozen) child.kill('SIGCONT')
    }
    onTestFinished(wake)

    for (const [, { child }] of frozen) child.kill('SIGSTOP')
    await sleep(FROZEN_MS)
    const killed = await halyard(url, adminKey)
    const [, at = ''] = /revision (\d+)/.exec(killed.said) ?? []
    const told = /SDKs (\d+) of (\d+)/.exec(killed.said)?.slice(1).map(Number)
    const named = [...killed.said.matchAll(/(\S+@\S+) (pod-\d+)-\w+ \(at (\d+), silent (\d+) s\)/g)]
    const woken = now()
    wake()
    const applied = await Promise.all(frozen.map(([, app]) => untilOff(app).then(() => now() - woken)))
    const again = await until('the servers know it of all', async () => {
      const answer = await halyard(url, adminKey)
      return answer.code === 0 ? answer : undefined
    })
    const knownAfter = now() - woken

    console.log(`$ halyard kill ${FLAG}\n${killed.said}\n\nAfter SIGCONT:\n${again.said}`)
    report.figure('SDKs', `${told?.join(' of ')}`)
    report.figure('named', named.map(([, app, pod]) => `${app} ${pod}`).join(', '))
    report.figure('applied after SIGCONT', milliseconds(Math.max(...applied)))
    report.figure('known of all after', milliseconds(knownAfter))
    expect(killed.code, 'not all have said so').toBe(3)
    expect(killed.said).toContain('servers 3 of 3')
    expect(told).toEqual([CLIENTS - FROZEN, CLIENTS])
    expect(named.map(([, app, pod, revision]) => `${app} ${pod} at ${revision}`).sort()).toEqual(
      FROZEN_PODS.map((pod) => `shop@2.4.0 ${pod} at ${Number(at) - 1}`).sort(),
    )
    for (const [, , , , silent] of named) expect(Number(silent) * 1_000).toBeGreaterThanOrEqual(FROZEN_MS)
    expect(Math.max(...applied)).toBeLessThanOrEqual(APPLIED_WITHIN_MS)
    expect(again.said).toContain(`SDKs ${CLIENTS} of ${CLIENTS} applied it`)
    for (const app of apps.values()) expect((await app.ask()).results.it.value).toBe(false)
    expect(members.flatMap((member) => member.lives.filter(({ to }) => to < now()))).toEqual([])
  },
)

/** One on each server. */
const FROZEN_PODS = Array.from({ length: FROZEN }, (_, index) => `pod-${2 * index + 1}`)

/** By the names of their pods; each begins with another server, and its stream works. */
async function startAll(urls: readonly string[], key: string): Promise<ReadonlyMap<string, App>> {
  const apps = new Map<string, App>()
  const start = async (number: number) => {
    const url = urls.map((_url, turn) => urls[(number + turn) % urls.length]).join(',')
    const instance = `pod-${number}`
    const probes = { it: { flag: FLAG, otherwise: false, context: {} } }
    const app = { name: 'shop', version: '2.4.0', instance }
    const one = await startSdk(all, { url, key }, probes, { app })
    await until('its stream works', async () => {
      const { connected, results } = await one.ask()
      return connected && results.it.value === true
    })
    apps.set(instance, one)
  }
  for (let from = 0; from < CLIENTS; from += WAVE) {
    const wave = Array.from({ length: Math.min(WAVE, CLIENTS - from) }, (_, index) => start(from + index))
    await Promise.all(wave)
  }
  return apps
}

const untilOff = (app: App) => app.see('the flag as killed', ({ results }) => results.it.value === false)

/** Kills it from a command line, which waits for all apps for up to two seconds. */
async function halyard(
  url: string,
  key: string,
): Promise<{ readonly code: number | null; readonly said: string }> {
  const settings = { HALYARD_URL: url, HALYARD_API_KEY: key, HALYARD_ENV: 'development' }
  const command = all.startScript(CLI, settings, ['kill', FLAG, '--comment', 'INC-481'])
  const { code } = await command.ended
  return { code, said: command.stdout().trimEnd() }
}
