import { compile, evaluate } from '@halyard/sdk/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createTelemetry } from '../../../sdk/node/telemetry.ts'
import { SURROUNDINGS } from '../../../sdk/node/timing.ts'
import { TransportError } from '../../../sdk/transport/errors.ts'
import { booleanFlag, environment } from './rulesets.ts'

const MINUTE = 29_403_911
type Row = Record<string, unknown>
type Sent = { batch: string; counts: Row[]; events: Row[] }

beforeEach(() => void vi.useFakeTimers({ now: MINUTE * 60_000 + 1_000 }))
afterEach(() => void vi.useRealTimers())

const compiled = compile(environment({ a: booleanFlag(true), b: booleanFlag(false) }))
const decisionOf = (key: string) => evaluate(compiled, key, {}, 0)

/** Telemetry that tells a server which answers as it is told to. */
function telling(...answers: (Error | undefined)[]) {
  const sent: Sent[] = []
  const telemetry = createTelemetry({ ...SURROUNDINGS, clock: Date.now, random: () => 0.5 })
  const post = async (_path: string, body: object, until?: AbortSignal): Promise<void> => {
    sent.push(structuredClone(body) as Sent)
    if (answers.length > 0) {
      const answer = answers.shift()
      if (answer !== undefined) throw answer
    }
    until?.throwIfAborted()
  }
  telemetry.start({ post })
  const count = (key: string, times = 1) => {
    for (let time = 0; time < times; time++) telemetry.counted(key, decisionOf(key))
  }
  return { telemetry, sent, count }
}
const away = () => new TransportError('network', 'It is away.')
const refused = (status: number, retryAfterMs?: number) =>
  new TransportError('status', 'No.', { status, retryAfterMs })
const totals = (sent: Sent[]) => sent.flatMap(({ counts }) => counts.map(({ count }) => count))

test('is told every ten seconds: numbers by flag, variant, version and minute', async () => {
  const { sent, count } = telling()
  count('a', 41)
  count('b')
  await vi.advanceTimersByTimeAsync(10_000)
  const version = decisionOf('a').metadata.version
  expect(sent).toEqual([
    {
      batch: expect.stringMatching(/^[0-9a-f-]{36}$/),
      counts: [
        { flag: 'a', variant: 'on', version, minute: MINUTE, count: 41 },
        { flag: 'b', variant: 'off', version, minute: MINUTE, count: 1 },
      ],
      events: [],
    },
  ])
  await vi.advanceTimersByTimeAsync(60_000)
  expect(sent.length).toBe(1)
})

test('an evaluation counts in the minute in which it was', async () => {
  const { sent, count } = telling()
  await vi.advanceTimersByTimeAsync(56_000)
  count('a', 2)
  await vi.advanceTimersByTimeAsync(4_000)
  count('a', 3)
  await vi.advanceTimersByTimeAsync(10_000)
  expect(sent.flatMap(({ counts }) => counts.map(({ minute, count }) => [minute, count]))).toEqual([
    [MINUTE, 2],
    [MINUTE + 1, 3],
  ])
})

test('several answers with one variant are one number, and an unknown flag is none', async () => {
  const { telemetry, sent } = telling()
  const when = { attribute: 'plan', op: 'in', values: ['pro'] } as const
  const rules = [{ id: 'pro', when, serve: { variant: 'on' } }]
  const ruled = compile(environment({ a: booleanFlag(true, { rules }) }))
  for (const plan of ['pro', 'free', 'pro']) telemetry.counted('a', evaluate(ruled, 'a', { plan }, 0))
  telemetry.counted('nope', evaluate(ruled, 'nope', {}, 0))
  await telemetry.close()
  expect(sent.map(({ counts }) => counts.map(({ flag, count }) => [flag, count]))).toEqual([[['a', 3]]])
})

describe('where the server does not take it', () => {
  test('the same batch is told again, under the same name, later and later', async () => {
    const { sent, count } = telling(away(), away(), undefined)
    count('a')
    await vi.advanceTimersByTimeAsync(5_000)
    expect(sent.length).toBe(1)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(sent.length).toBe(3)
    expect(new Set(sent.map(({ batch }) => batch)).size).toBe(1)
  })

  test('it is left alone for as long as it asks', async () => {
    const { sent, count } = telling(refused(503, 40_000), undefined)
    count('a')
    await vi.advanceTimersByTimeAsync(5_000 + 39_000)
    expect(sent.length).toBe(1)
    await vi.advanceTimersByTimeAsync(2_000)
    expect(sent.length).toBe(2)
  })

  test('a batch that it will never take is dropped, and the rest is told', async () => {
    const { sent, count } = telling(refused(400), undefined)
    count('a', 7)
    await vi.advanceTimersByTimeAsync(5_000)
    count('a', 8)
    await vi.advanceTimersByTimeAsync(20_000)
    expect(totals(sent)).toEqual([7, 8])
  })

  test.each([401, 403])('what is refused for the key’s sake (%i) waits for another key', async (status) => {
    const { sent, count } = telling(refused(status), undefined)
    count('a', 7)
    await vi.advanceTimersByTimeAsync(5_000)
    await vi.advanceTimersByTimeAsync(SURROUNDINGS.timing.refusedMs - 1)
    expect(sent.length).toBe(1)
    count('a', 8)
    await vi.advanceTimersByTimeAsync(1)
    expect(totals(sent.slice(1))).toEqual([7, 8])
  })

  test('what waits is bounded, and the oldest is dropped', async () => {
    const { sent, count, telemetry } = telling(...Array.from({ length: 1_000 }, away))
    for (let round = 1; round <= 40; round++) {
      count('a', round)
      await vi.advanceTimersByTimeAsync(60_000)
    }
    const first = sent.length
    await telemetry.close()
    expect(sent.length).toBe(first + 1)
    expect(sent.at(-1)?.counts[0]?.count).toBeGreaterThan(20)
  })

  test('an hour later it is too late to tell, for it would count for another', async () => {
    const { sent, count } = telling(refused(503, 56 * 60_000), undefined)
    count('a', 5)
    await vi.advanceTimersByTimeAsync(57 * 60_000)
    expect(totals(sent)).toEqual([5])
  })
})

test('as many flags as a server takes go in a batch', async () => {
  const keys = Array.from({ length: 2_500 }, (_, index) => `flag-${index}`)
  const many = compile(environment(Object.fromEntries(keys.map((key) => [key, booleanFlag(true)]))))
  const { telemetry, sent } = telling()
  for (const key of keys) telemetry.counted(key, evaluate(many, key, {}, 0))
  await telemetry.close()
  expect(sent.map(({ counts }) => counts.length)).toEqual([1_000, 1_000, 500])
  expect([...telemetry.read()]).toEqual([])
})

test('events are counted and their values added up, by what was served', async () => {
  const { telemetry, sent } = telling()
  telemetry.happened('purchase', 19.9, 'a', decisionOf('a'))
  telemetry.happened('purchase', 20.1, 'a', decisionOf('a'))
  telemetry.happened('purchase', 1, 'b', decisionOf('b'))
  await telemetry.close()
  const version = decisionOf('a').metadata.version
  expect(sent[0]?.events).toEqual([
    { event: 'purchase', flag: 'a', variant: 'on', version, minute: MINUTE, count: 2, sum: 40 },
    { event: 'purchase', flag: 'b', variant: 'off', version, minute: MINUTE, count: 1, sum: 1 },
  ])
})

test('the flags that were read lately are known, two hundred of them', () => {
  const keys = Array.from({ length: 250 }, (_, index) => `flag-${index}`)
  const many = compile(environment(Object.fromEntries(keys.map((key) => [key, booleanFlag(true)]))))
  const { telemetry } = telling()
  for (const key of keys) telemetry.counted(key, evaluate(many, key, {}, 0))
  expect([...telemetry.read()]).toEqual(keys.slice(50))
})

describe('closing', () => {
  test('tells the rest once, and counts nothing from then on', async () => {
    const { telemetry, sent, count } = telling()
    count('a', 3)
    await telemetry.close()
    count('a')
    await telemetry.close()
    await vi.advanceTimersByTimeAsync(600_000)
    expect(totals(sent)).toEqual([3])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('while something is being told leaves no timer behind', async () => {
    const telemetry = createTelemetry({ ...SURROUNDINGS, clock: Date.now, random: () => 0.5 })
    let taken = (): void => {}
    const post = () => new Promise<void>((resolve) => (taken = resolve))
    telemetry.start({ post })
    telemetry.counted('a', decisionOf('a'))
    await vi.advanceTimersByTimeAsync(5_000)
    const closed = telemetry.close()
    taken()
    await closed
    expect(vi.getTimerCount()).toBe(0)
  })

  test('does not wait longer than its deadline for a server that says nothing', async () => {
    const telemetry = createTelemetry({ ...SURROUNDINGS, clock: Date.now })
    const post = (_path: string, _body: object, until?: AbortSignal) =>
      new Promise<void>((_, reject) => until?.addEventListener('abort', () => reject(until.reason)))
    telemetry.start({ post })
    telemetry.counted('a', decisionOf('a'))
    const closed = telemetry.close()
    await vi.advanceTimersByTimeAsync(SURROUNDINGS.timing.closeMs)
    await closed
  })
})
