/**
 * `kill -9` of the server in the middle of writes: whatever it acknowledged is there when it runs again, on the
 * embedded database and on Postgres; a big segment's members too.
 */
import { describe, expect, it } from 'vitest'
import { processes, type Server } from '../support/process.ts'
import { DEVELOPMENT, PROJECT, type Rest, rest } from '../support/rest.ts'
import { until } from '../support/until.ts'

const all = processes()
const WRITERS = 4
const SEGMENT = `${DEVELOPMENT}/segments/beta`
const MEMBERS = 100_000

/** What a stream of writes was told is done. */
type Acknowledged = { readonly id: string; readonly revision: number }[]

/** Writes until the server no longer answers. @returns only what was answered 2xx */
async function writeUntilItDies(
  write: (id: string) => Promise<{ revision: number }>,
  prefix: string,
  done: Acknowledged,
): Promise<void> {
  for (let count = 0; ; count += 1) {
    const id = `${prefix}-${count}`
    try {
      const { revision } = await write(id)
      done.push({ id, revision })
    } catch (error) {
      // fetch rejects with a TypeError where the connection ends; a refusal would be a fault of the test.
      if (error instanceof TypeError) return
      throw error
    }
  }
}

/** Kills the server once it has acknowledged some writes of each kind, with others under way. */
async function killDuring(server: Server, streams: readonly Promise<void>[], enough: () => boolean) {
  await Promise.race([until('enough writes are acknowledged', enough), ...streams])
  const { signal } = await server.kill()
  expect(signal).toBe('SIGKILL')
  await Promise.all(streams)
}

const newest = (acknowledged: readonly Acknowledged[]) =>
  Math.max(...acknowledged.flat().map(({ revision }) => revision))

describe.each(['embedded', 'Postgres'] as const)('a killed server on %s', (kind) => {
  const database = async () => (kind === 'embedded' ? 'embedded' : await all.freshDatabase())

  it('has every edit that it acknowledged', async () => {
    const server = await all.startServer({ database: await database() })
    const api = rest(server.url, server.adminKey)
    const flags = Array.from({ length: WRITERS }, (_, index) => `flag-${index}`)
    for (const key of flags) await api.must('POST', `${PROJECT}/flags`, { key, type: 'boolean' })

    const acknowledged = flags.map((): Acknowledged => [])
    const addRules = flags.map((flag, index) =>
      writeUntilItDies(
        (id) => api.must('POST', `${DEVELOPMENT}/flags/${flag}/rules`, { id, serve: { variant: 'on' } }),
        'rule',
        acknowledged[index]!,
      ),
    )
    await killDuring(server, addRules, () => acknowledged.every((done) => done.length >= 10))

    const again = await server.again()
    for (const [index, flag] of flags.entries()) {
      const { rules } = await rest(again.url, again.adminKey).must<{ rules: { id: string }[] }>(
        'GET',
        `${DEVELOPMENT}/flags/${flag}`,
      )
      const kept = rules.map(({ id }) => id)
      expect(kept).toEqual(expect.arrayContaining(acknowledged[index]!.map(({ id }) => id)))
      // At most the one write that it was killed in is there without an answer.
      expect(kept.length - acknowledged[index]!.length).toBeOneOf([0, 1])
    }
    expect(await revisionOf(again)).toBeGreaterThanOrEqual(newest(acknowledged))
    await again.kill()
  })

  it('has every member that it acknowledged of a segment of 100,000', async () => {
    const server = await all.startServer({ database: await database() })
    const api = rest(server.url, server.adminKey)
    await fill(api)

    const acknowledged: [Acknowledged, Acknowledged] = [[], []]
    const edits = acknowledged.map((done, index) =>
      writeUntilItDies(
        (id) => api.must('PATCH', `${SEGMENT}/members`, { included: { add: [id] } }),
        `${index}`,
        done,
      ),
    )
    await killDuring(server, edits, () => acknowledged.every((done) => done.length >= 10))

    const again = await server.again()
    const units = acknowledged.flat().map(({ id }) => id)
    const { items } = await rest(again.url, again.adminKey).must<{ items: unknown[] }>(
      'POST',
      `${SEGMENT}/members/check`,
      { units },
    )
    expect(items).toEqual(units.map((unit) => ({ unit, list: 'included' })))
    const { members } = await rest(again.url, again.adminKey).must<{ members: { included: number } }>(
      'GET',
      SEGMENT,
    )
    expect(members.included - MEMBERS - units.length).toBeOneOf([0, 1, 2])
    expect(await revisionOf(again)).toBeGreaterThanOrEqual(newest(acknowledged))
    await again.kill()
  })
})

async function fill(api: Rest): Promise<void> {
  await api.must('PUT', SEGMENT, { when: null })
  const lines = Array.from({ length: MEMBERS }, (_, index) => `user-${index}\n`).join('')
  const { members } = await api.must<{ members: { included: number } }>(
    'PATCH',
    `${SEGMENT}/members?mode=replace`,
    lines,
    { 'content-type': 'text/csv' },
  )
  expect(members.included).toBe(MEMBERS)
}

/** The environment's, as the server says that it is ready with. */
async function revisionOf(server: Server): Promise<number> {
  const { environments } = (await (await fetch(`${server.url}/health/ready`)).json()) as {
    environments: { environment: string; revision: number }[]
  }
  return environments.find(({ environment }) => environment === 'default/development')!.revision
}
