/**
 * Links that kill, on instances that share a database: known to each without a look at it, also to one that has not heard
 * of the key yet, and while the database is away.
 */
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { subkey } from '../../../server/data-folder.ts'
import { parseKey } from '../../../server/domain/keys.ts'
import { mintKillLink } from '../../../server/live/kill-link.ts'
import { type DatabaseProxy, databaseProxy } from '../../support/database-proxy.ts'
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts'
import { processes } from '../../support/process.ts'
import { startService, type TestService } from '../../support/start-service.ts'
import { until } from '../../support/until.ts'

const PROJECT = '/api/v1/projects/default'
const ENVIRONMENT = `${PROJECT}/environments/development`
const HTML = { accept: 'text/html' }
const TAP = { ...HTML, 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' }

const all = processes()

describe('a kill link', () => {
  const services: TestService[] = []
  let database: FreshDatabase
  let postgres: DatabaseProxy
  let urls: string[]
  let flag: string
  let flags = 0

  const first = () => services[0] as TestService
  const other = () => services[1] as TestService

  beforeAll(async () => {
    database = await freshDatabase()
    postgres = await databaseProxy(database.url)
    for (let at = 0; at < 2; at++) {
      const dataDir = join(all.freshFolder(), 'data')
      services.push(await startService({ database: postgres.url, dataDir }))
    }
    urls = await Promise.all(services.map((service) => service.listen()))
    await until('each knows where the other is', async () => {
      const known = await Promise.all(services.map(({ live }) => live.instances()))
      return known.every((each) => each.filter(({ address }) => address !== undefined).length === 2)
    })
  })
  afterAll(async () => {
    await postgres?.giveBack()
    for (const service of services) await service.close()
    await postgres?.close()
    await database?.drop()
  })
  beforeEach(async () => {
    await postgres.giveBack()
    flag = `flag-${flags++}`
    await first().ask('POST', `${PROJECT}/flags`, { body: { key: flag, type: 'boolean' } })
  })

  const make = async (key = first().adminKey) => {
    const { body } = await first().ask('POST', `${ENVIRONMENT}/kill-links`, {
      body: { flag, comment: 'INC-481' },
      key,
    })
    return { id: String(body.id), path: new URL(body.url).pathname }
  }
  const at = (index: number, path: string, init: RequestInit = {}) =>
    fetch(urls[index] + path, { redirect: 'manual', ...init })
  const shown = async (index: number, path: string) => (await at(index, path, { headers: HTML })).text()
  const kills = async () => {
    const { body } = await other().ask('GET', `${ENVIRONMENT}/changes?flag=${flag}&action=flag.kill`)
    return body.items as { readonly actor: { readonly name: string }; readonly comment: string | null }[]
  }

  it('opens at another instance at once, which has heard of neither the key nor the flag', async () => {
    const { path } = await make(await first().managementKey([{ role: 'killer' }]))
    expect(await shown(1, path)).toContain(flag)
    const answer = await at(1, path, { method: 'POST' })
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ servers: { live: 2, applied: 2 } })
  })

  it('shows and kills while the database is away, and is in the history once when that is back', async () => {
    const { id, path } = await make()
    await until('the other has the flag', async () => (await at(1, path)).status === 200)
    await postgres.takeAway()
    expect(await shown(1, path)).toContain('Killed, apps get')
    const tap = () => at(1, path, { method: 'POST', headers: TAP, body: 'step=kill' })
    expect((await Promise.all([tap(), tap()])).map(({ status }) => status)).toEqual([303, 303])
    const page = await until('both have it', async () => {
      const text = await shown(0, path)
      return text.includes('is killed in') && text.includes('2 of 2') && text
    })
    expect(page).toContain('on a server’s disk')
    expect(page).toContain(`(link ${id})`)

    await postgres.giveBack()
    await until('it is in the log', async () => (await kills().catch(() => [])).length > 0)
    await until('the page says so', async () => (await shown(1, path)).includes('in the database<'))
    expect(await kills()).toMatchObject([
      { comment: 'INC-481', actor: { id: 'admin', name: `configured admin key (link ${id})` } },
    ])
  })

  it('of a group does so, too', async () => {
    const group = [flag, `${flag}-too`]
    await first().ask('POST', `${PROJECT}/flags`, { body: { key: group[1], type: 'boolean' } })
    for (const one of group) {
      const headers = { 'if-match': '*' }
      await first().ask('PATCH', `${PROJECT}/flags/${one}`, { body: { tags: [flag] }, headers })
    }
    const made = await first().ask('POST', `${ENVIRONMENT}/kill-links`, { body: { tag: flag, expect: 2 } })
    const { pathname } = new URL(made.body.url)
    await until('the other has both', async () => (await shown(1, pathname)).includes('all 2 flags'))
    await postgres.takeAway()
    const answer = await at(1, pathname, { method: 'POST' })
    expect(await answer.json()).toMatchObject({
      durability: 'journal',
      kills: group.map((key) => ({ key, serves: { variant: 'off' } })),
    })
    expect(await shown(1, pathname)).toContain('are killed in')
    await postgres.giveBack()
    await until('the page says so', async () => (await shown(1, pathname)).includes('in the database<'))
  })

  it('of a key that is not known here is not refused while the database is away', async () => {
    const key = await first().managementKey([{ role: 'killer' }])
    const { path } = await make(key)
    await first().ask('DELETE', `/api/v1/api-keys/${parseKey(key)?.id}`)
    await until('both know', async () => (await at(1, path)).status === 410)
    await postgres.takeAway()
    const answer = await until('the instance knows that it is away', async () => {
      const one = await at(1, path, { headers: HTML })
      return one.status === 503 ? one : undefined
    })
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    expect(await answer.text()).toContain('Try again')
  })
})

it('a server that has loaded nothing yet does not know whether a link is good, and says that it may', async () => {
  const away = await databaseProxy(await all.freshDatabase(), { away: true })
  onTestFinished(() => away.close())
  const secret = 'a-secret-for-links-of-the-tests-of-halyard'
  const server = await all.startServer({
    database: away.url,
    until: 'live',
    settings: { HALYARD_SECRET: secret },
  })
  const link = {
    id: 'a',
    environment: 'env_a',
    target: { flag: 'checkout' },
    comment: undefined,
    keyId: 'admin',
    keyMark: '',
  }
  const token = mintKillLink(subkey(secret, 'kill-links'), { ...link, expiresAt: Date.now() + 60_000 })
  for (const method of ['GET', 'POST']) {
    const answer = await fetch(`${server.url}/k/${token}`, { method })
    expect([answer.status, answer.headers.has('retry-after')]).toEqual([503, true])
  }
  expect((await fetch(`${server.url}/k/${token}x`)).status).toBe(404)
})
