import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allEndpoints, type Endpoint } from '../../../server/contract/index.ts'
import { startService, type TestService } from '../../support/start-service.ts'

const PROJECT = '/api/v1/projects/default'
const ENVIRONMENT = `${PROJECT}/environments/development`

let service: TestService
beforeAll(async () => {
  service = await startService()
  await service.ask('POST', `${PROJECT}/flags`, { body: { key: 'plain', type: 'boolean' } })
  await service.ask('PUT', `${ENVIRONMENT}/segments/beta`, { body: {} })
  await service.ask('POST', `${ENVIRONMENT}/flags/plain/rules`, {
    body: { id: 'first', serve: { variant: 'on' } },
  })
})
afterAll(() => service.close())

const PARAMS: Record<string, string> = {
  ...{ project: 'default', env: 'development', flag: 'plain', segment: 'beta', rule: 'first', variant: 'on' },
}
/** Every log's revision: none may move. */
const revisions = () =>
  JSON.stringify([
    service.live.held('system')?.head,
    ...service.live
      .projects()
      .flatMap((project) => [
        service.live.held(project.id)?.head,
        ...service.live.environments(project).map(({ id }) => service.live.held(id)?.head),
      ]),
  ])

const writes = allEndpoints.filter(
  ({ method, access, body }) => access.by === 'management' && method !== 'GET' && body,
)

/** JSON values that no body of this service is. */
const nonsense = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }).filter((value) => typeof value !== 'object' || Array.isArray(value)),
  fc.array(fc.jsonValue({ maxDepth: 2 })),
)
/** A good body with one place spoilt: a wrong type, an unknown field, a poison. */
const spoilt = (example: unknown) =>
  fc
    .tuple(
      fc.nat(),
      fc.constantFrom('null', 'type', 'unknown', 'poison', 'text', 'range', 'empty'),
      fc.string(),
    )
    .map(([place, how, text]) => spoil(example, place, how, text))

function spoil(example: unknown, place: number, how: string, text: string): string {
  const places: { holder: Record<string, unknown>; name: string }[] = []
  const copy = structuredClone({ root: example }) as Record<string, unknown>
  const walk = (holder: Record<string, unknown>) => {
    for (const name of Object.keys(holder)) {
      places.push({ holder, name })
      const value = holder[name]
      if (typeof value === 'object' && value !== null) walk(value as Record<string, unknown>)
    }
  }
  walk(copy)
  const chosen = places[place % places.length] as { holder: Record<string, unknown>; name: string }
  const { holder, name } = chosen
  const value = holder[name]
  if (how === 'unknown' && typeof value === 'object' && value !== null && !Array.isArray(value)) {
    ;(value as Record<string, unknown>)[`no-such-${text}`] = 1
  } else if (how === 'poison') holder[name] = JSON.parse('{"__proto__": {"admin": true}}')
  else if (how === 'text') holder[name] = `${text}\0`
  else if (how === 'range') holder[name] = 'RANGE'
  else if (how === 'null') holder[name] = { nested: null }
  else if (how === 'empty') holder[name] = [[]]
  else holder[name] = typeof value === 'string' ? { text } : text + String(value)
  return JSON.stringify(copy.root)?.replace('"RANGE"', '-1e400') ?? 'undefined'
}

async function send(endpoint: Endpoint, body: string) {
  const path = endpoint.path.replace(/:(\w+)/g, (_, name: string) => PARAMS[name] ?? 'x')
  const headers = 'if-match' in endpoint.headers.shape ? { 'if-match': '*' } : {}
  return service.ask(endpoint.method, path, { body, headers })
}

/** Whether the contract and the model take a body, spoilt as it is: then it is not one of the bad. */
async function isTaken(endpoint: Endpoint, body: string): Promise<boolean> {
  const path = endpoint.path.replace(/:(\w+)/g, (_, name: string) => PARAMS[name] ?? 'x')
  const headers = 'if-match' in endpoint.headers.shape ? { 'if-match': '*' } : {}
  const dry = 'dryRun' in endpoint.query.shape ? '?dryRun=true' : ''
  return (await service.ask(endpoint.method, `${path}${dry}`, { body, headers })).status < 300
}

describe('a bad body is a 4xx problem with pointers, and changes nothing', () => {
  it.each(writes.map((endpoint) => [endpoint.id, endpoint] as const))('%s', async (_, endpoint) => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          nonsense.map((value) => JSON.stringify(value)),
          spoilt(endpoint.body?.example ?? { comment: 'why' }),
        ),
        async (body) => {
          if (await isTaken(endpoint, body)) return
          const before = revisions()
          const answer = await send(endpoint, body)
          expect(answer.status, answer.text).toBeGreaterThanOrEqual(400)
          expect(answer.status, answer.text).toBeLessThan(500)
          expect(answer.headers['content-type']).toContain('application/problem+json')
          if (answer.status === 400 || answer.status === 422) {
            expect(answer.body.errors?.length, `${body} ${answer.text}`).toBeGreaterThan(0)
            for (const { pointer, message } of answer.body.errors) {
              expect(pointer).toMatch(/^(\/([^~]|~[01])*)?$/s)
              expect(message.length).toBeGreaterThan(0)
            }
          }
          expect(revisions()).toBe(before)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('bytes that are no JSON at all', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (bytes) => {
        const before = revisions()
        const answer = await service.ask('POST', `${PROJECT}/flags`, { body: Buffer.from(bytes) })
        expect([400, 422]).toContain(answer.status)
        expect(revisions()).toBe(before)
      }),
      { numRuns: 100 },
    )
  })
})

describe('any context is answered', () => {
  it('evaluation never fails, whatever JSON it is for', async () => {
    const key = await service.sdkKey('client')
    await fc.assert(
      fc.asyncProperty(fc.json({ maxDepth: 12 }), async (context) => {
        for (const path of ['/ofrep/v1/evaluate/flags/plain', '/ofrep/v1/evaluate/flags']) {
          const answer = await service.ask('POST', path, { key, body: `{"context": ${context}}` })
          expect([200, 400, 404, 413]).toContain(answer.status)
        }
      }),
      { numRuns: 200 },
    )
  })
})
