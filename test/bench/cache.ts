/**
 * Where the evaluation cache pays: a bulk answer computed, from memory, and from Redis over a longer and longer way.
 * In one process, without HTTP: what stands around an answer is the same wherever it comes from.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Compiled, type Context, compile, type FlagConfig, type Ruleset } from '@halyard/sdk/core'
import type { BulkAnswer } from '../../server/live/live.ts'
import type { RedisLink } from '../../server/live/redis/connect.ts'
import { startRedis } from '../support/redis-process.ts'
import type { Bench, Row } from './rig/row.ts'
import { built } from './rig/server.ts'
import { contexts, flagShapes, ruleset } from './workload.ts'

const FLAGS = [20, 200, 2_000] as const
const RULES = ['simple', 'segment', 'regex'] as const
const ROUND_TRIPS_MS = [0, 0.5, 2] as const
const MEMBERS = 100_000
/** Contexts that come in turn; their answers for 2,000 flags are just too many for 64 MiB. */
const UNIFORM = 220
const MEMORY_BYTES = 64 * 2 ** 20
const NOTHING_KEPT = 1
const ROUNDS = 25
const ROUND_MS = 10

type Ask = (context: Context) => BulkAnswer | Promise<BulkAnswer>
/** What is measured, as it was built. */
async function loadTools() {
  const [cost, evaluations, metrics, answers, connect, url] = await Promise.all([
    built<typeof import('../../server/live/cost.ts')>('live/cost.js'),
    built<typeof import('../../server/live/evaluations.ts')>('live/evaluations.js'),
    built<typeof import('../../server/live/metrics.ts')>('live/metrics.js'),
    built<typeof import('../../server/live/redis/answers.ts')>('live/redis/answers.js'),
    built<typeof import('../../server/live/redis/connect.ts')>('live/redis/connect.js'),
    built<typeof import('../../server/live/redis/url.ts')>('live/redis/url.js'),
  ])
  return { ...cost, ...evaluations, ...metrics, ...answers, ...connect, ...url }
}
type Tools = Awaited<ReturnType<typeof loadTools>>

type Way = {
  readonly name: string
  readonly ask: Ask
  /** Where its answers come from; a round with another is made again, once the way is open. */
  readonly from: readonly BulkAnswer['from'][]
  readonly open: () => boolean
}

export const cache: Bench = {
  name: 'cache',
  about: 'a bulk answer computed, from memory, and from Redis over round trips of 0, 0.5 and 2 ms',
  run: async () => {
    const tools = await loadTools()
    const redis = await startRedis()
    const proxies: ChildProcess[] = []
    const links: RedisLink[] = []
    try {
      for (const roundTrip of ROUND_TRIPS_MS) {
        const script = join(dirname(fileURLToPath(import.meta.url)), 'delay-proxy.js')
        const proxy = fork(script, [String(redis.port), String(roundTrip)])
        proxies.push(proxy)
        const [port] = (await once(proxy, 'message')) as [number]
        links.push(await linkTo(tools, port))
      }
      const rows: Row[] = []
      for (const flags of FLAGS) {
        for (const rules of RULES) {
          rows.push(...(await measure(tools, flags, rules, links)))
          await redis.cli('flushall')
        }
      }
      return rows
    } finally {
      await Promise.all(links.map((link) => link.close()))
      for (const proxy of proxies) proxy.disconnect()
      await redis.remove()
    }
  },
}

async function linkTo({ openRedis, parseRedisUrl }: Tools, port: number): Promise<RedisLink> {
  const address = parseRedisUrl(`redis://127.0.0.1:${port}`)
  if (typeof address === 'string') throw new Error(address)
  const silent = { info: () => {}, warn: () => {}, error: () => {} }
  const link = openRedis({ address, prefix: 'bench:', ca: undefined }, { log: silent, random: Math.random })
  while (!link.usable()) await new Promise((resolve) => setTimeout(resolve, 10))
  return link
}

async function measure(
  tools: Tools,
  flags: number,
  rules: (typeof RULES)[number],
  links: readonly RedisLink[],
): Promise<readonly Row[]> {
  const compiled = compile(rulesetOf(flags, rules))
  const asked = askedContexts()
  const ways: Way[] = [
    { name: 'computed', ask: askOf(tools, compiled, NOTHING_KEPT), from: ['computed'], open: () => true },
    {
      name: 'memory',
      ask: askOf(tools, compiled, MEMORY_BYTES),
      from: ['memory', 'computed'],
      open: () => true,
    },
    ...links.map((link, index) => ({
      name: `redis ${ROUND_TRIPS_MS[index]} ms`,
      ask: askOf(tools, compiled, NOTHING_KEPT, link),
      from: ['redis' as const],
      open: link.usable,
    })),
  ]
  const rows: Row[] = []
  for (const [kind, list] of [
    ['hot', asked.slice(0, 1)],
    ['uniform', asked],
  ] as const) {
    const medians = new Map<string, Round>()
    for (const way of ways) {
      // Twice: a context is remembered when it comes again, and what Redis was not told yet is waited for.
      for (const context of [...list, ...list, ...list]) await way.ask(context)
      medians.set(way.name, await rounds(way, list))
    }
    const base = medians.get('computed')
    if (base === undefined) throw new Error('nothing was computed')
    for (const [name, { latency, cpu, bytes, computed }] of medians) {
      const left = computed === 0 || name === 'computed' ? '' : `, ${Math.round(computed * 100)} % computed`
      rows.push({
        name: `${flags} flags, ${rules}, ${kind}: ${name}`,
        measured: latency,
        unit: 'us',
        ...(name !== 'computed' && {
          baseline: { name: 'computed', value: base.latency },
          ratio: latency / base.latency,
        }),
        note: `processor ${cpu.toFixed(0)} us, ${Math.round(bytes)} bytes, estimated ${Math.round(tools.costOf(compiled, 'server'))} us${left}`,
      })
    }
  }
  return rows
}

type Round = {
  readonly latency: number
  readonly cpu: number
  readonly bytes: number
  readonly computed: number
}

/**
 * Of many short rounds the fastest: what else the machine does can only add, and with a server, a proxy and this
 * process there is more to do than it has cores. Where Redis timed out a round is made again.
 */
async function rounds(way: Way, list: readonly Context[]): Promise<Round> {
  const good: Round[] = []
  const turn = { at: 0 }
  for (let tries = 0; good.length < ROUNDS && tries < 10 * ROUNDS; tries++) {
    while (!way.open()) await new Promise((resolve) => setTimeout(resolve, 10))
    const one = await round(way, list, turn)
    if (one !== undefined) good.push(one)
  }
  if (good.length < ROUNDS) throw new Error(`${way.name}: this machine is too busy to measure it`)
  const least = (figure: keyof Round): number => Math.min(...good.map((one) => one[figure]))
  const mean = (figure: keyof Round): number => good.reduce((sum, one) => sum + one[figure], 0) / ROUNDS
  return { latency: least('latency'), cpu: least('cpu'), bytes: mean('bytes'), computed: mean('computed') }
}

/** One after another: the time that an answer takes, and what this process spends on it, microseconds. */
async function round(
  { ask, from }: Way,
  list: readonly Context[],
  turn: { at: number },
): Promise<Round | undefined> {
  let count = 0
  let bytes = 0
  let computed = 0
  const [start, cpu] = [performance.now(), process.cpuUsage()]
  while (performance.now() - start < ROUND_MS || count < 3) {
    const asking = ask(list[turn.at++ % list.length] as Context)
    const answer = asking instanceof Promise ? await asking : asking
    if (!from.includes(answer.from)) return undefined
    if (answer.from === 'computed') computed++
    bytes += answer.body.length
    count++
  }
  const latency = ((performance.now() - start) * 1_000) / count
  const { user, system } = process.cpuUsage(cpu)
  return { latency, cpu: (user + system) / count, bytes: bytes / count, computed: computed / count }
}

function askOf(tools: Tools, compiled: Compiled, cacheBytes: number, link?: RedisLink): Ask {
  const evaluations = tools.createEvaluations({
    clock: { now: () => Date.now() },
    metrics: tools.createLiveMetrics(),
    streamToken: () => 'x'.repeat(120),
    cacheBytes,
    shared: link && tools.redisAnswers(link, Buffer.alloc(32, 7)),
    worthSharing: 0,
  })
  const environment = { id: 'env_1', compiled, state: compiled.state }
  return (context) => evaluations.evaluateAll(environment, { scope: 'server', keyId: 'key' }, context)
}

function askedContexts(): readonly Context[] {
  return contexts(UNIFORM, 11).map((context, index) => ({
    ...context,
    userAgent: `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${100 + (index % 40)}.0.6367.118 Safari/537.36`,
  })) as unknown as readonly Context[]
}

function rulesetOf(flags: number, rules: (typeof RULES)[number]): Ruleset {
  const shapes = flagShapes(flags)
  // Half of those who ask are members.
  const units = Array.from({ length: MEMBERS }, (_, index) => `user-${index * 2}`)
  const made = ruleset(shapes, rules === 'segment' ? { key: 'beta', units } : undefined)
  if (rules !== 'regex') return made
  const flag = Object.fromEntries(
    Object.entries(made.entries.flag ?? {}).map(([key, entry], index) => {
      const config = entry.definition as unknown as FlagConfig
      const values = [
        `(?:Chrome|Firefox|Safari)/\\d{2,3}\\.${index}.*(?:Mobile|Tablet)`,
        `\\((?:iPhone|iPad|Android ${index % 20}); .*\\) AppleWebKit/[5-9]\\d\\d`,
      ]
      const matching = { attribute: 'userAgent', op: 'matches' as const, values }
      const [, ...rest] = config.rules
      const list = [{ id: 'browser', when: matching, serve: { variant: 'on' } }, ...rest]
      return [key, { ...entry, definition: { ...config, rules: list } }]
    }),
  )
  return { ...made, entries: { ...made.entries, flag } } as unknown as Ruleset
}
