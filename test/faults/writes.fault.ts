/** People and programs that write at the same moment, send twice, and break rules past the service. */
import { randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import { processes } from '../support/process.ts'
import { ANY, DEVELOPMENT, PROJECT } from '../support/rest.ts'
import { until } from '../support/until.ts'
import { startBaseLoad, through } from './rig/base-load.ts'
import { expectGates } from './rig/gates.ts'
import { readHistory } from './rig/history.ts'
import { NONSENSE, putBySql } from './rig/nonsense.ts'
import { row } from './rig/row.ts'
import { isTaken } from './rig/writer.ts'

const all = processes()

row(
  'writes-lost-update',
  {
    fault: '200 rounds of two editors who read the same version on two servers, and each write their own',
    pass: 'one winner; the other gets 412; nothing is overwritten silently',
  },
  async (report) => {
    const load = await startBaseLoad(all)
    const path = `${DEVELOPMENT}/flags/contended`
    await load.api.must('POST', `${PROJECT}/flags`, { key: 'contended', type: 'boolean' })
    const outcomes: string[] = []
    const verdict = await through(load, async () => {
      for (let round = 0; round < 200; round += 1) {
        const [one, other] = [0, 1].map((turn) => load.fleet.members[(round + turn) % 3]?.api)
        const read = await load.api.ask('GET', path)
        const match = { 'if-match': read.headers.get('etag') ?? '' }
        const answers = await Promise.all(
          [one, other].map((api, editor) =>
            api?.ask(
              'PATCH',
              path,
              { rules: [{ id: 'r', description: `${round} ${editor}`, serve: { variant: 'on' } }] },
              match,
            ),
          ),
        )
        outcomes.push(
          answers
            .map((answer) => answer?.status)
            .sort()
            .join(' '),
        )
      }
    })
    const odd = outcomes.filter((outcome) => outcome !== '200 412')
    report.figure('rounds with one winner', `${outcomes.length - odd.length} of ${outcomes.length}`)
    expectGates(load, verdict, report, { staleness: 2_000, latency: Number.POSITIVE_INFINITY })
    // A read from a server that is a moment behind makes two losers: never two winners.
    expect(odd.filter((outcome) => outcome !== '412 412')).toEqual([])
    expect(odd.length).toBeLessThan(outcomes.length / 2)
  },
)

row(
  'writes-double-submit',
  {
    fault: '100 requests, each sent to all three servers at once under one Idempotency-Key',
    pass: 'one effect, one change record, the same answer',
  },
  async (report) => {
    const load = await startBaseLoad(all)
    const ids: string[] = []
    const unlike: string[] = []
    const verdict = await through(load, async () => {
      for (let number = 0; number < 100; number += 1) {
        const id = randomUUID()
        ids.push(id)
        const body = { serve: { variant: 'on' }, description: `rule ${number}` }
        const answers = await Promise.all(
          load.fleet.members.map(({ api }) =>
            api.ask('POST', `${DEVELOPMENT}/flags/split-0/rules`, body, { ...ANY, 'idempotency-key': id }),
          ),
        )
        const told = new Set(answers.map(({ status, body: { revision } }) => `${status} at ${revision}`))
        if (told.size !== 1) unlike.push([...told].join(', '))
        const { rules } = (answers[0]?.body ?? {}) as { rules?: { id: string; description?: string }[] }
        const own = rules?.find(({ description }) => description === `rule ${number}`)
        await load.api.must('DELETE', `${DEVELOPMENT}/flags/split-0/rules/${own?.id}`, undefined, ANY)
      }
    })
    const { records } = await readHistory(load.fleet.databaseUrl)
    const counts = ids.map((id) => records.filter(({ idempotencyKey }) => idempotencyKey === id).length)
    report.figure(
      'change records',
      `${counts.filter((count) => count === 1).length} of ${ids.length} requests have one`,
    )
    expectGates(load, verdict, report, { staleness: 2_000, latency: Number.POSITIVE_INFINITY })
    expect(unlike).toEqual([])
    expect(counts.every((count) => count === 1)).toBe(true)
  },
)

row(
  'writes-kill-racing-edit',
  {
    fault:
      '100 times a kill on one server, and an edit, an enabling and a revert of the same flag on the others, at once',
    pass: 'killed stays killed',
  },
  async (report) => {
    const load = await startBaseLoad(all)
    const path = `${DEVELOPMENT}/flags/raced`
    await load.api.must('POST', `${PROJECT}/flags`, { key: 'raced', type: 'boolean' })
    const { revision } = await load.api.must<{ revision: number }>('POST', `${path}/enable`)
    let undone = 0
    const verdict = await through(load, async () => {
      for (let round = 0; round < 100; round += 1) {
        const [a, b, c] = [0, 1, 2].map((turn) => load.fleet.members[(round + turn) % 3]?.api)
        const [killed] = await Promise.all([
          a?.must('PUT', `${path}/kill`),
          b?.ask(
            'PATCH',
            path,
            { rules: [{ id: 'r', description: `${round}`, serve: { variant: 'on' } }] },
            ANY,
          ),
          b?.ask('POST', `${path}/enable`),
          c?.ask('POST', `${DEVELOPMENT}/revert`, { toRevision: revision, flags: ['raced'] }),
        ])
        expect(killed).toMatchObject({ serves: { variant: 'off', value: false } })
        const { kill } = await load.api.must<{ kill: unknown }>('GET', path)
        const state = await until(
          'the first server has heard of the kill',
          async () => kill !== null || (await load.api.must<{ kill: unknown }>('GET', path)).kill !== null,
          3_000,
        ).catch(() => false)
        if (!state) undone += 1
        await a?.must('DELETE', `${path}/kill?acceptEdits=true`)
      }
    })
    report.figure('kills undone', `${undone} of 100`)
    expectGates(load, verdict, report, { staleness: 2_000, latency: Number.POSITIVE_INFINITY })
    expect(undone).toBe(0)
  },
)

row(
  'bad-rules-by-sql',
  {
    fault:
      'documents are replaced in the tables by nonsense: rules that are no list, a cycle, weights, a split without ranges, `__proto__`',
    pass: 'that flag alone errors, every other one works; it can be killed',
  },
  async (report) => {
    const load = await startBaseLoad(all)
    const broken = Object.keys(NONSENSE)
    for (const key of broken) {
      await load.api.must('POST', `${PROJECT}/flags`, { key, type: 'boolean' })
      await load.api.must('POST', `${DEVELOPMENT}/flags/${key}/enable`)
    }
    const answers: Record<string, string> = {}
    const off: Record<string, string> = {}
    const verdict = await through(load, async () => {
      for (const [key, text] of Object.entries(NONSENSE)) await putBySql(load.fleet.databaseUrl, key, text)
      // The servers, and their snapshots, hold the documents that they loaded: one that starts anew reads these.
      const [restarted] = load.fleet.members
      await restarted?.kill()
      await restarted?.start({ dataDir: all.freshFolder() })
      for (const key of broken) answers[key] = await evaluated(restarted?.url ?? '', load.key, key)
      answers.working = await evaluated(restarted?.url ?? '', load.key, 'segmented')
      for (const key of broken) {
        const killed = await restarted?.api.ask('PUT', `${DEVELOPMENT}/flags/${key}/kill`)
        // The former self of the server that was killed is missing, and so may be waited for.
        expect(isTaken(killed?.status ?? 0), `the kill of ${key} is answered ${killed?.status}`).toBe(true)
        // At once, whoever is still waited for.
        off[key] = await reasonOf(restarted?.url ?? '', load.key, key)
      }
    })
    report.figure('answers', JSON.stringify(answers))
    expectGates(load, verdict, report, {
      away: [load.fleet.members[0]?.name ?? ''],
      latency: Number.POSITIVE_INFINITY,
    })
    expect(answers.working).toMatch(/^200/)
    for (const key of broken)
      expect([key, answers[key]]).toEqual([key, expect.stringMatching(/^400 PARSE_ERROR/)])
    for (const key of broken) expect([key, off[key]]).toEqual([key, '200 DISABLED'])
  },
)

type Evaluated = {
  readonly status: number
  readonly errorCode?: string
  readonly reason?: string
  readonly value?: unknown
}

/** Status, and error or value. */
async function evaluated(url: string, key: string, flag: string): Promise<string> {
  const { status, errorCode, value } = await evaluate(url, key, flag)
  return `${status} ${errorCode ?? JSON.stringify(value)}`
}

/** Status, and error or reason. */
async function reasonOf(url: string, key: string, flag: string): Promise<string> {
  const { status, errorCode, reason } = await evaluate(url, key, flag)
  return `${status} ${errorCode ?? reason}`
}

async function evaluate(url: string, key: string, flag: string): Promise<Evaluated> {
  const answer = await fetch(`${url}/ofrep/v1/evaluate/flags/${flag}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: '{"context":{"targetingKey":"user-1"}}',
  })
  return { ...((await answer.json()) as Omit<Evaluated, 'status'>), status: answer.status }
}
