/**
 * The Node SDK and the whole service, with a network between them that changes bytes: what an app is served is a state
 * of the service or nothing, never one that nobody wrote.
 */
import { isDeepStrictEqual } from 'node:util'
import { rulesetOf, type State, tagOf } from '@halyard/sdk/core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createKeys } from '../../../sdk/node/keys.ts'
import { SURROUNDINGS } from '../../../sdk/node/timing.ts'
import { createWire, type Wire } from '../../../sdk/node/wire.ts'
import { seeded } from '../../bench/workload.ts'
import { startService, type TestService } from '../../support/start-service.ts'
import { type TcpProxy, tcpProxy } from '../../support/tcp-proxy.ts'
import { until } from '../../support/until.ts'
import { FAST, fast } from '../../unit/node/clients.ts'

const PROJECT = '/api/v1/projects/default'
const ENVIRONMENT = `${PROJECT}/environments/development`
const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 1e6))
const FLAGS = 12

let service: TestService
let url: string
let proxy: TcpProxy
let key: string
let random: () => number

beforeAll(async () => {
  random = seeded(SEED)
  service = await startService()
  url = await service.listen()
  key = await service.sdkKey('server')
  for (let n = 0; n < FLAGS; n++) {
    const flag = { key: `flag-${n}`, type: 'boolean', fallthrough: { variant: 'on' } }
    await must('POST', `${PROJECT}/flags`, flag)
    await must('POST', `${ENVIRONMENT}/flags/flag-${n}/enable`)
    const when = { attribute: 'plan', op: 'in', values: ['pro', `plan-${n}`] }
    await must('POST', `${ENVIRONMENT}/flags/flag-${n}/rules`, { id: 'r', when, serve: { variant: 'off' } })
  }
  proxy = await tcpProxy(url)
})
afterAll(async () => {
  await proxy?.close()
  await service?.close()
})

async function must(method: string, path: string, body?: unknown): Promise<void> {
  const asked = await service.ask(method, path, { body, headers: { 'if-match': '*' } })
  if (asked.status > 299) throw new Error(`${method} ${path} was answered ${asked.status}: ${asked.text}`)
}

function held(): State {
  const { id } = service.live.environment('default', 'development') ?? {}
  const state = id && service.live.live(id)?.state
  if (!state) throw new Error('the environment is not held')
  return state
}

function damaged(bytes: Buffer, at: number): Buffer {
  const changed = Buffer.from(bytes)
  changed[at] = (changed[at] as number) ^ (1 + Math.floor(random() * 255))
  return changed
}

function wire(): Wire {
  const ended = new AbortController()
  const made = createWire({
    urls: [new URL(`http://127.0.0.1:${proxy.port}/`)],
    keys: createKeys(key, 1_000, ended.signal),
    app: { name: 'app', version: '1' },
    instance: 'one',
    surroundings: { ...SURROUNDINGS, timing: { ...FAST, bodyMs: 150 } },
    signal: ended.signal,
  })
  onTestFinished(() => {
    ended.abort()
    made.close()
  })
  return made
}

test.each([
  ['as it is', 'xx, yyyy'],
  ['in gzip', 'xx, gzip'],
  ['in brotli', 'br, gzip'],
])(
  `a ruleset %s with any one byte changed is refused, or is the one that was sent (SEED=${SEED})`,
  async (_, accepted) => {
    const { ruleset } = wire()
    const truth = held()
    let to = 0
    let length = 0
    let changes = true
    proxy.treat(() => ({
      up: (bytes, pass) =>
        pass(Buffer.from(bytes.toString('latin1').replace('br, gzip', accepted), 'latin1')),
      down: (bytes, pass) => {
        const at = to - length
        length += bytes.length
        pass(changes && at >= 0 && at < bytes.length ? damaged(bytes, at) : bytes)
      },
    }))
    onTestFinished(() => proxy.heal())
    const ask = () => {
      length = 0
      return ruleset({ tag: undefined, aside: true, headersMs: 150 })
    }
    changes = false
    expect(await ask()).toEqual(truth)
    const whole = length
    changes = true
    let refused = 0
    for (let n = 0; n < 1_000; n++) {
      to = Math.floor(random() * whole)
      try {
        const state = await ask()
        expect(
          isDeepStrictEqual(state, truth),
          `byte ${to} of ${whole}: ${JSON.stringify(rulesetOf(state as State))}`,
        ).toBe(true)
      } catch (error) {
        if (!(error instanceof Error) || error.name !== 'TransportError') throw error
        refused++
      }
    }
    expect(refused).toBeGreaterThan(100)
  },
)

test(`streams and polls with bytes changed serve no state but the service's, and get to the newest (SEED=${SEED})`, async () => {
  const states = new Map([[tagOf(held()), held()]])
  const flags = await fast({
    url: `http://127.0.0.1:${proxy.port}`,
    key,
    timing: { heartbeatMs: 15_000, bodyMs: 150 },
  })
  await until('the stream works', () => flags.status().connected)
  let touched = 0
  proxy.treat(() => ({
    down: (bytes, pass) => {
      if (random() < 0.5) return pass(bytes)
      touched++
      pass(damaged(bytes, Math.floor(random() * bytes.length)))
    },
  }))
  const errors: Error[] = []
  flags.on('error', (error) => errors.push(error))
  const seen: { readonly tag: string; readonly free: boolean[]; readonly pro: boolean[] }[] = []
  const look = (): void => {
    const { epoch, revision } = flags.status()
    const all = (plan: string) =>
      Array.from({ length: FLAGS }, (_, n) => flags.boolean(`flag-${n}`, false, { plan }))
    seen.push({ tag: `${epoch}-${revision}`, free: all('free'), pro: all('pro') })
  }
  flags.on('change', look)
  for (let n = 0; n < 100; n++) {
    const flag = `flag-${n % FLAGS}`
    await must(
      'POST',
      `${ENVIRONMENT}/flags/${flag}/${Math.floor(n / FLAGS) % 2 === 0 ? 'disable' : 'enable'}`,
    )
    states.set(tagOf(held()), held())
    await new Promise((resolve) => setTimeout(resolve, 5))
    look()
  }
  proxy.heal()
  // What was changed last may have been the only word of it: the next edit tells.
  await must('PUT', `${ENVIRONMENT}/flags/flag-0/kill`)
  await until('the newest state is held', () => flags.status().revision === held().revision)
  expect(touched).toBeGreaterThan(20)
  expect(errors.length).toBeGreaterThan(0)
  expect(new Set(seen.map(({ tag }) => tag)).size).toBeGreaterThan(10)
  for (const { tag, free, pro } of seen) {
    if (tag === tagOf(held())) continue
    const entries = states.get(tag)?.entries.get('flag')
    if (entries === undefined) throw new Error(`${tag} was never a state of the service`)
    const enabled = (n: number) => entries.get(`flag-${n}`)?.definition as { enabled: boolean }
    expect(free).toEqual(Array.from({ length: FLAGS }, (_, n) => enabled(n).enabled))
    expect(pro).toEqual(Array.from({ length: FLAGS }, () => false))
  }
})
