/**
 * OFREP over HTTP against a bare Fastify that parses the same requests and answers constants of the same size. Both
 * serve from child processes; the load comes from this one, first to the one, then to the other.
 */
import { api, makeFlags, makeKey } from './rig/api.ts'
import { type Load, load, post } from './rig/load.ts'
import { ratioOf } from './rig/rounds.ts'
import { type Bench, judged, median, type Row } from './rig/row.ts'
import { type Running, startBare, startServer } from './rig/server.ts'
import { contexts, flagShapes } from './workload.ts'

const ROUNDS = 15
const ROUND_MS = 350
const SINGLE = '/ofrep/v1/evaluate/flags/'
const BULK = '/ofrep/v1/evaluate/flags'

export const http: Bench = {
  name: 'http',
  about: 'OFREP requests a second against a bare Fastify route',
  run: async () => {
    const halyard = await startServer()
    let bare: Running | undefined
    try {
      const call = api(halyard)
      const shapes = flagShapes(100)
      await makeFlags(call, shapes)
      const headers = { authorization: `Bearer ${await makeKey(call, 'server')}` }
      const asked = contexts(100)
      const single = shapes.map(({ key }, index) =>
        post(`${SINGLE}${key}`, { context: asked[index] }, headers),
      )
      const bulk = asked.map((context) => post(BULK, { context }, headers))
      // More than one run can ask, each for another user: no answer can come from a cache.
      const strangers = contexts(100_000, 7).map((context, index) =>
        post(BULK, { context: { ...context, targetingKey: `stranger-${index}` } }, headers),
      )
      const sizes = await Promise.all([
        answerOf(`${halyard.url}${SINGLE}${shapes[0]?.key}`, asked[0], headers),
        answerOf(`${halyard.url}${BULK}`, asked[0], headers),
      ])
      bare = await startBare(
        'bare-fastify.js',
        sizes.map(({ bytes }) => String(bytes)),
      )
      const unchanged = async (server: Running) =>
        await Promise.all(
          asked.map(async (context) => {
            const { etag } = await answerOf(`${server.url}${BULK}`, context, headers)
            return post(BULK, { context }, { ...headers, 'if-none-match': etag })
          }),
        )
      const [ours, theirs] = [await unchanged(halyard), await unchanged(bare)]
      return [
        await compare('OFREP single', 0.7, halyard, bare, single, single, 200),
        await compare(
          'OFREP bulk of 100 flags, every context new',
          0.45,
          halyard,
          bare,
          strangers,
          strangers,
          200,
        ),
        await compare('OFREP bulk of 100 flags, contexts asked before', 0.45, halyard, bare, bulk, bulk, 200),
        await compare('OFREP bulk, 304', 0.65, halyard, bare, ours, theirs, 304),
      ]
    } finally {
      await Promise.all([halyard.stop(), bare?.stop()])
    }
  },
}

async function compare(
  name: string,
  atLeast: number,
  halyard: Running,
  bare: Running,
  ours: readonly Buffer[],
  theirs: readonly Buffer[],
  status: number,
): Promise<Row> {
  const sides = [await side(halyard, ours, status), await side(bare, theirs, status)] as const
  for (const { lanes } of sides) await lanes.run(1_500)
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { lanes, server, rates, cpu } of sides) {
      const before = server.cpuMs()
      const { perSecond, requests } = await lanes.run(ROUND_MS)
      rates.push(perSecond)
      cpu.push(((server.cpuMs() - before) * 1_000) / requests)
    }
  }
  for (const { lanes } of sides) lanes.close()
  const [we, they] = sides
  return judged(
    {
      name,
      measured: median(we.rates),
      unit: 'per s',
      baseline: { name: 'bare Fastify', value: median(they.rates) },
      ratio: ratioOf(we.rates, they.rates),
      note: `processor time a request ${median(we.cpu).toFixed(0)} us, bare ${median(they.cpu).toFixed(0)} us`,
    },
    { of: 'ratio', atLeast },
  )
}

type Side = {
  readonly server: Running
  readonly lanes: Load
  readonly rates: number[]
  readonly cpu: number[]
}

async function side(server: Running, requests: readonly Buffer[], status: number): Promise<Side> {
  return { server, lanes: await load(server.port, requests, status), rates: [], cpu: [] }
}

async function answerOf(
  url: string,
  context: unknown,
  headers: Readonly<Record<string, string>>,
): Promise<{ readonly bytes: number; readonly etag: string }> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ context }),
  })
  const body = await answer.arrayBuffer()
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${Buffer.from(body).toString()}`)
  return { bytes: body.byteLength, etag: answer.headers.get('etag') ?? '' }
}
