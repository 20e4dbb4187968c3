/**
 * One instance with 10,000 streams: what a stream costs in memory, and how long a kill takes to reach all of them,
 * against Node's own HTTP server that writes the very same frame to as many. Both are open all the time; the rounds
 * take turns. The clock starts as the request is sent, and stops as the bytes are read in other processes.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Api, api, ENVIRONMENT, makeFlags, makeKey } from './rig/api.ts'
import { ratioOf } from './rig/rounds.ts'
import { type Bench, judged, median, quantile, type Row } from './rig/row.ts'
import { type Memory, type Running, startBare, startServer } from './rig/server.ts'
import type { StreamsAsked, StreamsJob, StreamsReport } from './worker-streams.ts'
import { flagShapes } from './workload.ts'

const STREAMS = 10_000
const PROCESSES = 2
/** The first ones pay for code and pools, and stay out of the account of memory. */
const FIRST = 200
const ROUNDS = 25
const WARMING = 5
/** Before each round, so that what the one before left behind is no part of it. */
const PAUSE_MS = 300
const EVENT = 'event: delta'
const OURS = 0
const BARE = 1

export const streams: Bench = {
  name: 'streams',
  about: `a kill to ${STREAMS.toLocaleString('en')} streams of one instance, against a bare SSE fan-out; memory a stream`,
  run: async () => {
    const halyard = await startServer({
      HALYARD_STREAMS_PER_SECOND: '1000000',
      HALYARD_MAX_STREAMS_PER_KEY: '20000',
    })
    let bare: Running | undefined
    const workers: ChildProcess[] = []
    try {
      const call = api(halyard)
      const shapes = flagShapes(100)
      await makeFlags(call, shapes)
      const key = await makeKey(call, 'server')
      bare = await startBare('bare-sse.js', [])
      const jobs: readonly StreamsJob[] = [
        {
          port: halyard.port,
          path: '/sdk/v1/stream',
          headers: {
            authorization: `Bearer ${key}`,
            'halyard-app': 'bench/1.0.0',
            'halyard-sdk': 'node/0.1.0',
          },
          streams: STREAMS,
          event: EVENT,
        },
        { port: bare.port, path: '/stream', headers: {}, streams: STREAMS, event: EVENT },
      ]
      const script = join(dirname(fileURLToPath(import.meta.url)), 'worker-streams.js')
      for (let index = 0; index < PROCESSES; index += 1) workers.push(fork(script, [JSON.stringify(jobs)]))
      await Promise.all(workers.map((worker) => once(worker, 'message')))
      const ours = await opened(workers, OURS, halyard)
      const theirs = await opened(workers, BARE, bare)
      const sides = [
        { name: 'halyard', group: OURS, running: halyard, p99: [], all: [], cpu: [], lost: 0 },
        { name: 'bare', group: BARE, running: bare, p99: [], all: [], cpu: [], lost: 0 },
      ] satisfies [Side, Side]
      await rounds(sides, workers, call, key, shapes[0]?.key ?? '')
      const after = { ours: await halyard.memory(), theirs: await bare.memory() }
      return [...memoryRows(ours, theirs, after), delayRow(sides)]
    } finally {
      for (const worker of workers) if (worker.connected) worker.disconnect()
      await Promise.all([halyard.stop(), bare?.stop()])
    }
  },
}

type Side = {
  readonly name: string
  readonly group: number
  readonly running: Running
  /** Of each round. */
  readonly p99: number[]
  readonly all: number[]
  /** Processor time of the server in each round, milliseconds. */
  readonly cpu: number[]
  lost: number
}

/** Opens all streams of a group. @returns the server's memory before the counted ones, and with all of them */
async function opened(
  workers: readonly ChildProcess[],
  group: number,
  running: Running,
): Promise<{ readonly before: Memory; readonly with: Memory }> {
  const open = async (from: number, to: number) => {
    const share = (count: number) => count / workers.length
    await askAll(workers, { ask: 'open', group, from: share(from), to: share(to) })
  }
  await open(0, FIRST)
  const before = await running.memory()
  await open(FIRST, STREAMS)
  return { before, with: await running.memory() }
}

async function rounds(
  sides: readonly [Side, Side],
  workers: readonly ChildProcess[],
  call: Api,
  key: string,
  flag: string,
): Promise<void> {
  const [halyard, bare] = sides
  const path = `${ENVIRONMENT}/flags/${flag}/kill`
  for (let round = -WARMING; round < ROUNDS; round += 1) {
    const { next } = await frameOf(halyard.running.port, key)
    const kill = async () => void (await call('PUT', path, { comment: `round ${round}` }))
    await measured(halyard, workers, kill, round >= 0)
    const bytes = await next
    const publish = async () => {
      const answer = await fetch(bare.running.url, { method: 'POST', body: new Uint8Array(bytes) })
      await answer.arrayBuffer()
    }
    await measured(bare, workers, publish, round >= 0)
    await call('DELETE', path)
    await heard(workers, OURS)
  }
}

/** One round of one side. */
async function measured(
  side: Side,
  workers: readonly ChildProcess[],
  send: () => Promise<void>,
  counts: boolean,
): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  const cpu = side.running.cpuMs()
  const sent = Number(process.hrtime.bigint()) / 1e6
  await send()
  const times = (await heard(workers, side.group)).map((at) => at - sent)
  if (!counts) return
  side.p99.push(quantile(times, 0.99))
  side.all.push(...times)
  side.cpu.push(side.running.cpuMs() - cpu)
  side.lost += STREAMS - times.length
}

/** Waits until every stream has heard, or for five seconds. */
async function heard(workers: readonly ChildProcess[], group: number): Promise<readonly number[]> {
  const times: number[] = []
  const deadline = performance.now() + 5_000
  while (times.length < STREAMS && performance.now() < deadline) {
    // Asking costs the workers little, and nothing while they are being measured.
    await new Promise((resolve) => setTimeout(resolve, 500))
    for (const report of await askAll(workers, { ask: 'report', group })) times.push(...report.times)
  }
  return times
}

async function askAll(
  workers: readonly ChildProcess[],
  asked: StreamsAsked,
): Promise<readonly StreamsReport[]> {
  return await Promise.all(
    workers.map(async (worker) => {
      worker.send(asked)
      const [answer] = (await once(worker, 'message')) as [StreamsReport]
      return answer
    }),
  )
}

/** Opens one stream more, when it is let in. @returns what resolves with the next change's frame, as it was sent */
async function frameOf(port: number, key: string): Promise<{ readonly next: Promise<Buffer> }> {
  const socket = connect({ host: '127.0.0.1', port })
  socket.write(
    `GET /sdk/v1/stream HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\nauthorization: Bearer ${key}\r\n\r\n`,
  )
  const [head] = (await once(socket, 'data')) as [Buffer]
  if (!head.toString('latin1').startsWith('HTTP/1.1 200')) {
    // Under pressure no new stream is let in: that is over in a moment, or there would be nothing to compare.
    socket.destroy()
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    return frameOf(port, key)
  }
  const next = new Promise<Buffer>((resolve, reject) => {
    let text = ''
    socket.on('error', reject)
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString('utf8')
      const frame = /event: delta\n[^\r]*?\n\n/.exec(text)?.[0]
      if (frame === undefined) return
      socket.destroy()
      resolve(Buffer.from(frame))
    })
  })
  return { next }
}

function memoryRows(
  ours: { readonly before: Memory; readonly with: Memory },
  theirs: { readonly before: Memory; readonly with: Memory },
  after: { readonly ours: Memory; readonly theirs: Memory },
): readonly Row[] {
  const each = (before: Memory, later: Memory, field: keyof Memory) =>
    (later[field] - before[field]) / (STREAMS - FIRST) / 1_024
  const row = (name: string, later: Memory, bareLater: Memory): Row =>
    judged(
      {
        name,
        measured: each(ours.before, later, 'rss'),
        unit: 'KB',
        baseline: { name: 'bare SSE', value: each(theirs.before, bareLater, 'rss') },
        note: `heap ${each(ours.before, later, 'heapUsed').toFixed(1)} KB, external ${each(ours.before, later, 'external').toFixed(1)} KB (bare: heap ${each(theirs.before, bareLater, 'heapUsed').toFixed(1)} KB), resident ${(later.rss / 2 ** 20).toFixed(0)} MB in all`,
      },
      { of: 'measured', atMost: 20 },
    )
  return [
    row(`an idle stream, of ${STREAMS.toLocaleString('en')}`, ours.with, theirs.with),
    row(`a stream after ${2 * (ROUNDS + WARMING)} changes`, after.ours, after.theirs),
  ]
}

function delayRow([ours, theirs]: readonly [Side, Side]): Row {
  const ms = (value: number) => value.toFixed(0)
  return judged(
    {
      name: `kill to ${STREAMS.toLocaleString('en')} streams, p99`,
      measured: quantile(ours.all, 0.99),
      unit: 'ms',
      baseline: { name: 'bare SSE', value: quantile(theirs.all, 0.99) },
      ratio: ratioOf(ours.p99, theirs.p99),
      note: `p50 ${ms(median(ours.all))} ms, bare ${ms(median(theirs.all))} ms; processor time of the server a round ${ms(median(ours.cpu))} ms, bare ${ms(median(theirs.cpu))} ms; not heard ${ours.lost} and ${theirs.lost} of ${ROUNDS * STREAMS}`,
    },
    { of: 'ratio', atMost: 2 },
  )
}
