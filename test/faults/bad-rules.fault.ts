/** Documents that no evaluator could live with are sent to three servers, and racing writers try to close circles, under the base load. */
import { randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import { processes } from '../support/process.ts'
import { ANY, type Answer, DEVELOPMENT, PROJECT } from '../support/rest.ts'
import { BAD, type Bad } from './rig/bad-documents.ts'
import { type BaseLoad, startBaseLoad, through } from './rig/base-load.ts'
import { expectGates, milliseconds } from './rig/gates.ts'
import { readHistory } from './rig/history.ts'
import { row } from './rig/row.ts'
import { now } from './rig/timeline.ts'

const all = processes()
const ROUNDS = 40
const SEGMENT = `${DEVELOPMENT}/segments/victims`
const RING = ['ring-0', 'ring-1', 'ring-2']

row(
  'bad-rules-by-request',
  {
    fault: `${BAD.length} documents that must not be (20,000 levels deep, catastrophic patterns, huge segments, bad weights, \`__proto__\`), and ${ROUNDS} rounds each of three writers on three servers who close a circle of prerequisites, and of segments`,
    pass: '4xx with a pointer, and nothing half-done; never a circle; the base load unhurt',
  },
  async (report) => {
    const load = await startBaseLoad(all)
    await load.api.must('POST', `${PROJECT}/flags`, { key: 'victim', type: 'boolean' })
    await load.api.must('PUT', SEGMENT, { when: null })
    for (const key of RING) {
      await load.api.must('POST', `${PROJECT}/flags`, { key, type: 'boolean' })
      await load.api.must('PUT', `${DEVELOPMENT}/segments/${key}`, { when: null })
    }
    const ids: string[] = []
    const unlike: string[] = []
    let slowest = 0
    let refused = 0
    const circles: Record<'flag' | 'segment', string[]> = { flag: [], segment: [] }
    const verdict = await through(load, async () => {
      for (const [index, bad] of BAD.entries()) {
        const from = now()
        const id = randomUUID()
        ids.push(id)
        const answer = await send(load, index, bad, id)
        slowest = Math.max(slowest, now() - from)
        const fault = faultOf(answer)
        if (fault === undefined) refused += 1
        else unlike.push(`${bad.what}: ${fault}`)
      }
      for (const kind of ['flag', 'segment'] as const) {
        for (let round = 0; round < ROUNDS; round += 1) circles[kind].push(await raceRound(load, kind, round))
      }
    })
    const { records, at, head } = await readHistory(load.fleet.databaseUrl)
    const done = records.filter(({ idempotencyKey }) => ids.includes(idempotencyKey ?? ''))
    report.figure(
      'refused with a pointer',
      `${refused} of ${BAD.length}, the slowest in ${milliseconds(slowest)}`,
    )
    for (const [kind, outcomes] of Object.entries(circles))
      report.figure(
        `circles of ${kind}s refused`,
        `${outcomes.filter((outcome) => outcome.includes('422')).length} of ${ROUNDS}`,
      )
    expectGates(load, verdict, report, { staleness: 500 })
    expect(unlike).toEqual([])
    expect(done, 'nothing of what was refused is in the history').toEqual([])
    expect(at(head)?.('flag', 'victim')).toMatchObject({
      rules: [],
      prerequisites: [],
      variants: { on: true, off: false },
    })
    // Each round empties the ring, and ends with what the three writers left.
    for (const outcomes of Object.values(circles))
      expect(outcomes.filter((outcome) => outcome !== '200 200 422' && outcome !== '200 422 422')).toEqual([])
    expect(await circleEver(load)).toEqual([])
  },
)

async function send({ fleet }: BaseLoad, index: number, bad: Bad, id: string): Promise<Answer> {
  const { api } = fleet.members[index % fleet.members.length] ?? {}
  if (api === undefined) throw new Error('there is no server')
  return await api.ask(bad.method, bad.path, bad.body, { ...ANY, 'idempotency-key': id })
}

/** What is not as it must be in a refusal. */
function faultOf({ status, body }: Answer): string | undefined {
  const { errors, detail } = body as { errors?: { pointer: string; message: string }[]; detail?: string }
  if (status < 400 || status > 499) return `${status}`
  if (!detail) return `${status} without a detail`
  // What is not read, since it is too large or no JSON, has no places.
  if (status === 413 || String(body.type).endsWith('malformed-json')) return undefined
  const first = errors?.[0]
  return first !== undefined && first.message !== ''
    ? undefined
    : `${status} without a pointer: ${JSON.stringify(body)}`
}

/** Three writers, each on a server of its own, add one side each of a triangle at the same moment. */
async function raceRound({ fleet, api }: BaseLoad, kind: 'flag' | 'segment', round: number): Promise<string> {
  const path = (key: string) => `${DEVELOPMENT}/${kind}s/${key}`
  const naming = (key: string | undefined) =>
    kind === 'flag'
      ? { prerequisites: key === undefined ? [] : [{ flag: key, variants: ['on'] }] }
      : { when: key === undefined ? null : { segment: key } }
  const write = (to: typeof api | undefined, key: string, named: string | undefined) =>
    to?.ask('PATCH', path(key), naming(named), ANY)
  for (const key of RING) await write(api, key, undefined)
  const answers = await Promise.all(
    RING.map((key, index) =>
      write(fleet.members[(index + round) % fleet.members.length]?.api, key, RING[(index + 1) % RING.length]),
    ),
  )
  for (const answer of answers) {
    if (answer?.status !== 200) expect(faultOf(answer as Answer)).toBeUndefined()
  }
  return answers
    .map((answer) => answer?.status)
    .sort()
    .join(' ')
}

/** At every revision that there ever was: the circles in it. */
async function circleEver({ fleet }: BaseLoad): Promise<readonly string[]> {
  const { records, at } = await readHistory(fleet.databaseUrl)
  return records.flatMap(({ epoch, revision }) => {
    const find = at({ epoch, revision })
    const required = RING.every((key) =>
      JSON.stringify(find?.('flag', key) ?? null).includes('"flag":"ring-'),
    )
    const named = RING.every((key) =>
      JSON.stringify(find?.('segment', key) ?? null).includes('"segment":"ring-'),
    )
    return required || named ? [`${epoch}-${revision}`] : []
  })
}
