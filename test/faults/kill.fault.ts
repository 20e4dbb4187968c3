/** The kill switch, pulled on every kind of flag there is and on such as no evaluator understands, under the base load. */
import { expect } from 'vitest'
import { seeded } from '../bench/workload.ts'
import { processes } from '../support/process.ts'
import { DEVELOPMENT, PROJECT, type Rest } from '../support/rest.ts'
import { until } from '../support/until.ts'
import type { Apps } from './rig/apps.ts'
import { type BaseLoad, startBaseLoad, through } from './rig/base-load.ts'
import type { Fleet } from './rig/fleet.ts'
import { expectGates, milliseconds } from './rig/gates.ts'
import { NONSENSE, putBySql } from './rig/nonsense.ts'
import { row } from './rig/row.ts'
import { now, quantile } from './rig/timeline.ts'
import { type Animal, dependantsIn, FALLBACKS, makeZoo } from './rig/zoo.ts'

const all = processes()
const SHAPES = 48
const ROUNDS = 3
const SEED = 20_260_102
const ANSWERED_WITHIN_MS = 1_000
const BOOLEAN = '"type":"boolean","enabled":true,"variants":{"on":true,"off":false}'

/** Put past the service as well: whatever stands where a flag's document should. */
const MORE_NONSENSE: Readonly<Record<string, string>> = {
  ...NONSENSE,
  'bad-number': '17',
  'bad-list': '[]',
  'bad-text': '"off"',
  'bad-deep': `{${BOOLEAN},"offVariant":"off","rules":${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
  'bad-pattern': `{${BOOLEAN},"offVariant":"off","prerequisites":[],"targets":[],"rules":[{"id":"r","when":{"attribute":"plan","op":"matches","values":["("]},"serve":{"variant":"on"}}],"fallthrough":{"variant":"gone"}}`,
  'bad-off': `{${BOOLEAN},"offVariant":"gone","prerequisites":[],"targets":[],"rules":[],"fallthrough":{"variant":"on"}}`,
  'bad-type': '{"type":"boolean","enabled":true,"variants":{"off":"no"},"offVariant":"off"}',
}
/** Of those that have an off variant which can be used: what it is. */
const STILL_OFF: Readonly<Record<string, Animal['off']>> = {
  ...Object.fromEntries(
    ['bad-rules', 'bad-cycle', 'bad-split', 'bad-deep', 'bad-pattern'].map((key) => [
      key,
      { variant: 'off', value: false },
    ]),
  ),
  'bad-proto': { variant: '__proto__', value: true },
}

row(
  'kill-any-shape',
  {
    fault: `${SHAPES} flags of generated shapes and ${Object.keys(MORE_NONSENSE).length} broken ones are all killed, ${ROUNDS} times, by one server after another; one is archived`,
    pass: 'each kill is answered ≤ 1 s, and tells truly what is served and what else is off: the off variant, else the code’s default, at each server and app',
  },
  async (report) => {
    let zoo: readonly Animal[] = []
    const load = await startBaseLoad(all, {
      prepare: async (fleet) => {
        zoo = [...(await makeZoo(first(fleet), SHAPES, seeded(SEED))), ...(await breakSome(fleet))]
      },
    })
    const probes = zoo.flatMap(({ key, fallback }) =>
      [0, 1, 6].map((user) => ({ flag: key, fallback, user })),
    )
    const apps = await load.startMore({
      clients: load.fleet.members.map(({ url }) => ({ urls: [url] })),
      probes,
      // So that no app asks the same third of them each time.
      perTick: 50,
    })
    const times: number[] = []
    const wrong: string[] = []
    const killed: Killed[] = []
    const verdict = await through(load, async () => {
      for (let round = 0; round < ROUNDS; round += 1) {
        const from: Killed[] = []
        for (const [index, animal] of zoo.entries()) {
          const { api } = load.fleet.members[(index + round) % load.fleet.members.length] ?? {}
          if (api === undefined) throw new Error('there is no server')
          const at = now()
          const { status, body } = await api.ask<KillAnswer>(
            'PUT',
            `${DEVELOPMENT}/flags/${animal.key}/kill`,
            { comment: `${round}` },
          )
          times.push(now() - at)
          const told = JSON.stringify(body.serves)
          if (status !== 200 || told !== JSON.stringify(animal.off ?? { codeDefault: true }))
            wrong.push(`${animal.key} was answered ${status}, and serves ${told}`)
          const also = body.alsoOff?.filter((key) => key.startsWith('zoo-'))
          if (animal.key.startsWith('zoo-') && String(also) !== String(dependantsIn(zoo, animal.key)))
            wrong.push(`${animal.key} says that these are off, too: ${also}`)
          from.push({ animal, epoch: body.epoch, from: body.revision, to: Number.POSITIVE_INFINITY })
        }
        wrong.push(...(await everyServerServesOff(load, zoo)))
        await holds(apps, Math.max(...from.map(({ from: revision }) => revision)))
        // All that is asked once is asked again with all of them killed.
        const before = apps.evaluations()
        await until('every app has asked about each', () => apps.evaluations() - before > 6 * probes.length)
        for (const one of from) {
          killed.push({ ...one, to: await endKill(first(load.fleet), one.animal.key) })
        }
      }
      await archivedOne(load)
    })
    const judged = apps.outcomes.flatMap((outcome) => {
      const kill = killed.find(
        ({ animal, epoch, from, to }) =>
          animal.key === outcome.probe.flag &&
          epoch === outcome.at.epoch &&
          from <= outcome.at.revision &&
          outcome.at.revision < to,
      )
      return kill === undefined ? [] : [{ outcome, kill }]
    })
    const lies = judged.filter(({ outcome: { reason, variant, value }, kill: { animal } }) => {
      const { off } = animal
      return (
        reason !== 'DISABLED' ||
        variant !== (off?.variant ?? null) ||
        JSON.stringify(value) !== JSON.stringify(off ? off.value : animal.fallback)
      )
    })
    const seen = new Set(judged.map(({ kill }) => kill.animal.key))
    report.figure('kills', `${times.length}, answered in ${milliseconds(quantile(times, 0.99))} (p99)`)
    report.figure(
      'evaluations of killed flags',
      `${judged.length} different ones by apps, ${lies.length} not off`,
    )
    // What is dear is the thousands of changes a minute, not the shapes.
    expectGates(load, verdict, report, { staleness: 500, latency: 50 })
    expect(wrong).toEqual([])
    expect(lies.slice(0, 5)).toEqual([])
    expect(seen.size, 'each was seen as killed by an app').toBe(zoo.length)
    expect(Math.max(...times)).toBeLessThanOrEqual(ANSWERED_WITHIN_MS)
  },
)

type KillAnswer = {
  readonly epoch: number
  readonly revision: number
  readonly serves: unknown
  readonly alsoOff?: string[]
}
/** From its revision on, and before the one that ended it. */
type Killed = { readonly animal: Animal; readonly epoch: number; readonly from: number; readonly to: number }

const first = ({ members: [member] }: Fleet): Rest => {
  if (member === undefined) throw new Error('there is no server')
  return member.api
}

/** Breaks documents in the tables, and has each server read them anew. */
async function breakSome(fleet: Fleet): Promise<readonly Animal[]> {
  const { members, databaseUrl } = fleet
  const api = first(fleet)
  for (const [key, text] of Object.entries(MORE_NONSENSE)) {
    await api.must('POST', `${PROJECT}/flags`, { key, type: 'boolean' })
    await putBySql(databaseUrl, key, text)
  }
  for (const member of members) {
    await member.stop()
    await member.start({ dataDir: all.freshFolder() })
  }
  return Object.keys(MORE_NONSENSE).map((key) => ({
    key,
    fallback: FALLBACKS.boolean,
    off: STILL_OFF[key] ?? null,
    requires: [],
  }))
}

/** The load edits members of a segment that some of them use: then it says so, and ends when that is accepted. */
async function endKill(api: Rest, key: string): Promise<number> {
  const path = `${DEVELOPMENT}/flags/${key}/kill`
  const { status, body } = await api.ask<{ revision: number; type?: string }>('DELETE', path)
  if (status === 200) return body.revision
  expect([key, status, body]).toEqual([
    key,
    409,
    expect.objectContaining({ type: expect.stringContaining('edited-while-killed') }),
  ])
  return (await api.must<{ revision: number }>('DELETE', `${path}?acceptEdits=true`)).revision
}

async function holds(apps: Apps, revision: number): Promise<void> {
  await until('every app has heard of the last kill', () =>
    apps.held().every((held) => held.revision >= revision),
  )
}

/** Asks each server about each. @returns what is not off */
async function everyServerServesOff(
  { fleet, key: secret }: BaseLoad,
  zoo: readonly Animal[],
): Promise<readonly string[]> {
  const wrong: string[] = []
  for (const { name, url } of fleet.members) {
    for (const { key, off } of zoo) {
      const answer = await fetch(`${url}/ofrep/v1/evaluate/flags/${key}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
        body: '{"context":{"targetingKey":"user-1","plan":"pro"}}',
      })
      const { value, variant, reason } = (await answer.json()) as Record<string, unknown>
      const told = JSON.stringify({ status: answer.status, variant, value, reason })
      if (told !== JSON.stringify({ status: 200, ...off, reason: 'DISABLED' }))
        wrong.push(`${name}: ${key} is ${told}`)
    }
  }
  return wrong
}

/** An archived flag has nothing to kill, and says so; unarchived it is as it was. */
async function archivedOne({ fleet }: BaseLoad): Promise<void> {
  const api = first(fleet)
  const kill = `${DEVELOPMENT}/flags/shelved/kill`
  await api.must('POST', `${PROJECT}/flags`, { key: 'shelved', type: 'boolean' })
  await api.must('PUT', kill)
  await api.must('POST', `${PROJECT}/flags/shelved/archive`)
  expect(await api.ask('PUT', kill)).toMatchObject({
    status: 409,
    body: { type: expect.stringContaining('flag-archived') },
  })
  await api.must('POST', `${PROJECT}/flags/shelved/unarchive`)
  expect(await api.must('GET', `${DEVELOPMENT}/flags/shelved`)).toMatchObject({
    kill: { by: expect.any(String) },
  })
}
