/**
 * The main job, from outside: a person edits a flag over REST, and an app in another process changes for one cohort,
 * without a restart, on every kind of deployment.
 */
import { bucketOf } from '@halyard/sdk/core'
import { beforeAll, describe, expect, it } from 'vitest'
import { processes, type Server } from '../support/process.ts'
import { ANY, DEVELOPMENT, PROJECT, type Rest, rest, sdkKey } from '../support/rest.ts'
import { type Line, type SdkProcess, startSdk } from '../support/sdk-process.ts'

const all = processes()

/** Where edits go, and where the app is connected. */
type Deployment = { readonly edited: Server; readonly followed: Server }

const DEPLOYMENTS: Readonly<Record<string, () => Promise<Deployment>>> = {
  'one server on the embedded database': async () => {
    const server = await all.startServer()
    return { edited: server, followed: server }
  },
  'one server on Postgres': async () => {
    const server = await all.startServer({ database: await all.freshDatabase() })
    return { edited: server, followed: server }
  },
  'two servers on one Postgres, the app on the one that is not edited': async () => {
    const database = await all.freshDatabase()
    const edited = await all.startServer({ database })
    return { edited, followed: await all.startServer({ database }) }
  },
}

const FLAG = `${DEVELOPMENT}/flags/checkout`
const CROWD = 1_000
const PRO_FROM_2_3 = {
  id: 'pro-from-2.3',
  description: 'plan is pro, and version >= 2.3.0',
  when: {
    all: [
      { attribute: 'plan', op: 'in', values: ['pro'] },
      { attribute: 'version', op: 'semverGte', values: ['2.3.0'] },
    ],
  },
  serve: { variant: 'on' },
}
const split = (percent: number) => ({
  split: {
    shares: [
      { variant: 'on', percent },
      { variant: 'off', percent: 100 - percent },
    ],
  },
})

type Person = 'ada' | 'bob' | 'crowd'
const PROBES = {
  ada: {
    flag: 'checkout',
    otherwise: false,
    context: { targetingKey: 'ada', plan: 'pro', version: '2.4.0' },
  },
  bob: {
    flag: 'checkout',
    otherwise: false,
    context: { targetingKey: 'bob', plan: 'pro', version: '2.1.9' },
  },
  crowd: { flag: 'checkout', crowd: CROWD },
} as const

describe.each(Object.entries(DEPLOYMENTS))('%s', (_, deploy) => {
  let api: Rest
  let app: SdkProcess<Person>
  let before: Line<Person>

  /** The app's answers once it holds the revision that an edit made. */
  async function afterwards(edit: Promise<{ readonly revision: number }>): Promise<Line<Person>> {
    const { revision } = await edit
    await app.see(`revision ${revision}`, (line) => line.revision >= revision)
    return await app.ask()
  }

  beforeAll(async () => {
    const { edited, followed } = await deploy()
    api = rest(edited.url, edited.adminKey)
    await api.must('POST', `${PROJECT}/flags`, { key: 'checkout', type: 'boolean' })
    const key = await sdkKey(api, 'server')
    app = await startSdk(all, { url: followed.url, key }, PROBES)
    await app.see('the server', ({ state }) => state === 'ready')
  })

  it('gives a new flag’s off variant to everyone', async () => {
    const { results } = await app.ask()
    expect(results.ada).toEqual({ value: false, variant: 'off', reason: 'DISABLED' })
    expect(results.crowd.value).toEqual([])
  })

  it('turns it on for the cohort that a rule names, and for nobody else', async () => {
    await api.must('POST', `${FLAG}/rules`, PRO_FROM_2_3)
    const { results } = await afterwards(api.must('POST', `${FLAG}/enable`))
    expect(results.ada).toEqual({ value: true, variant: 'on', reason: 'TARGETING_MATCH' })
    expect(results.bob).toEqual({ value: false, variant: 'off', reason: 'DEFAULT' })
    expect(results.crowd.value).toEqual([])
  })

  it('gives 25 % of everyone else the new variant: exactly those whose bucket says so', async () => {
    before = await afterwards(api.must('PUT', `${FLAG}/fallthrough`, split(25), ANY))
    const users = Array.from({ length: CROWD }, (_, index) => `user-${index}`)
    expect(before.results.crowd.value).toEqual(users.filter((user) => bucketOf('checkout', user) < 25_000))
    expect(before.results.bob.reason).toBe('SPLIT')
    expect(before.results.ada.reason).toBe('TARGETING_MATCH')
  })

  it('ramps to 50 % without taking it from anyone who has it', async () => {
    const had = before.results.crowd.value as string[]
    before = await afterwards(api.must('PUT', `${FLAG}/fallthrough`, split(50), ANY))
    const has = before.results.crowd.value as string[]
    expect(has).toEqual(expect.arrayContaining(had))
    expect(has.length).toBeGreaterThan(had.length)
  })

  it('kills it for everyone, whatever its rules say, and tells what apps now get', async () => {
    const answer = await api.must<{ revision: number }>('PUT', `${FLAG}/kill`, { comment: 'INC-481' })
    expect(answer).toMatchObject({
      serves: { variant: 'off', value: false },
      alsoOff: [],
      kill: { comment: 'INC-481' },
    })
    const { results } = await afterwards(Promise.resolve(answer))
    expect(results.ada).toEqual({ value: false, variant: 'off', reason: 'DISABLED' })
    expect(results.crowd.value).toEqual([])
  })

  it('stays killed through edits of the flag', async () => {
    const edit = api.must<{ revision: number }>(
      'PATCH',
      FLAG,
      { rules: [{ id: 'all', serve: { variant: 'on' } }] },
      { 'if-match': '*' },
    )
    expect((await afterwards(edit)).results.ada.value).toBe(false)
    await afterwards(api.must('PATCH', FLAG, { rules: [PRO_FROM_2_3] }, { 'if-match': '*' }))
  })

  it('comes back as it was when it is un-killed', async () => {
    const { results } = await afterwards(api.must('DELETE', `${FLAG}/kill?acceptEdits=true`))
    expect(results).toEqual(before.results)
  })

  it('never took the app backwards, and never asked it to restart', async () => {
    const revisions = app.lines().map(({ revision }) => revision)
    expect(revisions).toEqual(revisions.toSorted((a, b) => a - b))
    expect(app.child.exitCode).toBeNull()
    expect(await app.ask()).toMatchObject({ state: 'ready', source: 'stream', connected: true })
    expect((await app.close()).code).toBe(0)
  })
})
