/**
 * Four ways to ask what was true at a revision must give one answer, whatever was edited, killed and reverted: the
 * state by revision, the state by time, an explanation, and what a connected SDK held.
 */
import { type Context, compile, evaluate, type State } from '@halyard/sdk/core'
import { connect } from '@halyard/sdk/node'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { allMembers } from '../../../server/domain/index.ts'
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts'
import { startService, type TestService } from '../../support/start-service.ts'
import { randomFrom } from './random.ts'
import { FLAGS, nextEdit, prepare, SEGMENTS, USERS } from './random-edits.ts'

/** `.ci/run` makes 10,000: more than a minute of work. */
const EDITS = Number(process.env.EDITS ?? 2_500)
const EDITORS = 8
const CHECKS = Math.ceil(EDITS / 40)
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000)

let database: FreshDatabase
let service: TestService
let sql: pg.Client

beforeAll(async () => {
  database = await freshDatabase()
  service = await startService({ database: database.url, managementRequestsPerSecond: 1_000_000 })
  sql = new pg.Client({ connectionString: database.url })
  await sql.connect()
})
afterAll(async () => {
  await sql.end()
  await service.close()
  await database.drop()
})

const ENVIRONMENT = '/api/v1/projects/default/environments/development'
const instant = (ms: number) => new Date(ms).toISOString()

/** An answer of the evaluator, without what differs by who asks. */
const essence = ({ value, variant, reason }: { value?: unknown; variant?: unknown; reason: unknown }) => ({
  value: variant === undefined ? undefined : value,
  variant,
  reason,
})

/** The documents of a state, as the API shows them. */
function shown(state: State) {
  const ofKind = (kind: string) =>
    Object.fromEntries([...(state.entries.get(kind) ?? [])].map(([key, { definition }]) => [key, definition]))
  const segments = Object.entries(ofKind('segment')).map(([key, segment]) => {
    const list = (name: 'included' | 'excluded') => [...allMembers(state, key, name)]
    return [
      key,
      { ...(segment as object), members: { included: list('included'), excluded: list('excluded') } },
    ]
  })
  return { flags: ofKind('flag'), segments: Object.fromEntries(segments), kills: ofKind('kill') }
}

it(`agree at random moments of ${EDITS} edits, kills and reverts (SEED=${SEED})`, async () => {
  const random = randomFrom(SEED)
  await prepare(service)
  const environment = service.live.environment('default', 'development')?.id ?? ''
  const held = () => service.live.held(environment)?.state as State

  // What this instance held, and what an app answered, at each revision that either came by.
  const states = new Map<number, State>()
  const answers = new Map<number, ReadonlyMap<string, object>>()
  const app = await connect({
    url: await service.listen(),
    key: await service.sdkKey('server'),
    app: { name: 'agreement', version: '1.0.0' },
  })
  const record = () => {
    const { revision } = app.status()
    const given = new Map<string, object>()
    for (const flag of FLAGS) {
      for (const [name, context] of Object.entries(USERS)) {
        given.set(`${flag} ${name}`, essence(app.details(flag, 'none', context)))
      }
    }
    if (app.status().revision === revision) answers.set(revision, given)
  }
  app.on('change', record)

  let asked = 0
  let accepted = 0
  const edit = async () => {
    while (asked < EDITS) {
      asked++
      const { method, url, body } = nextEdit(random, [...states.keys()])
      const { status } = await service.ask(method, url, { body, headers: { 'if-match': '*' } })
      if (status < 300) accepted++
      const now = held()
      states.set(now.revision, now)
    }
  }

  let sdkSeen = 0
  const check = async () => {
    const revisions = [...states.keys()]
    const revision = revisions[random.below(revisions.length)] as number
    const state = states.get(revision) as State
    const { rows } = await sql.query(
      `SELECT (extract(epoch FROM at) * 1000)::float8 AS at,
         (SELECT max(revision)::int FROM halyard.changes n WHERE n.log_id = c.log_id AND n.at = c.at) AS newest
       FROM halyard.changes c WHERE log_id = $1 AND revision = $2`,
      [environment, revision],
    )
    const { at, newest } = rows[0] as { at: number; newest: number }

    const byRevision = await service.ask('GET', `${ENVIRONMENT}/revisions/${revision}?members=true`)
    expect(byRevision.body, `revision ${revision}`).toMatchObject({ revision, changedAt: instant(at) })
    const { flags, segments, kills } = byRevision.body
    expect({ flags, segments, kills }, `revision ${revision}`).toEqual(shown(state))

    const byTime = await service.ask('GET', `${ENVIRONMENT}/revisions/${instant(at)}?members=true`)
    expect(byTime.body.revision).toBe(newest)
    const thatTime = states.get(newest)
    if (thatTime !== undefined) {
      const { flags, segments, kills } = byTime.body
      expect({ flags, segments, kills }, `time ${instant(at)}`).toEqual(shown(thatTime))
    }

    const compiled = compile(state)
    for (const [name, context] of Object.entries(USERS)) {
      const flag = FLAGS[random.below(FLAGS.length)] as string
      const expected = essence(evaluate(compiled, flag, context as Context, at))
      const explained = await service.ask('POST', `${ENVIRONMENT}/explain`, {
        body: { flag, context, at: newest === revision && random.chance(0.5) ? instant(at) : revision },
      })
      if (explained.status === 404) {
        expect(expected.reason, `${flag} at ${revision}`).toBe('ERROR')
        continue
      }
      expect(essence(explained.body.decision), `${flag} for ${name} at ${revision}`).toEqual(expected)
    }

    const given = answers.get(revision)
    if (given === undefined) return
    sdkSeen++
    for (const flag of FLAGS) {
      for (const [name, context] of Object.entries(USERS)) {
        const expected = essence(evaluate(compiled, flag, context as Context, at))
        expect(given.get(`${flag} ${name}`), `the SDK, ${flag} for ${name} at ${revision}`).toEqual(expected)
      }
    }
  }
  states.set(held().revision, held())
  let checks = 0
  const checking = async () => {
    for (; checks < CHECKS; checks++) {
      while (asked < EDITS && asked < ((checks + 1) * EDITS) / CHECKS)
        await new Promise((resolve) => setTimeout(resolve, 5))
      await check()
    }
  }
  await Promise.all([...Array.from({ length: EDITORS }, edit), checking()])
  await app.close()

  expect(checks).toBe(CHECKS)
  expect(accepted).toBeGreaterThan(EDITS * 0.7)
  expect(sdkSeen).toBeGreaterThan(CHECKS / 25)
  expect(SEGMENTS.length).toBeGreaterThan(0)
}, 240_000)
