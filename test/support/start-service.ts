/**
 * The whole service in this process, composed as in production, on an embedded database in a temporary folder.
 * Requests are injected; `listen()` opens a port on loopback for those tests that need a socket.
 */
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import { pino } from 'pino'
import { compose } from '../../server/compose.ts'
import type { Config } from '../../server/config.ts'
import { createApiKey } from '../../server/domain/api-keys.ts'
import { SYSTEM } from '../../server/domain/change.ts'
import type { GrantInput } from '../../server/domain/inputs.ts'
import { createSdkKey } from '../../server/domain/sdk-keys.ts'
import type { Live } from '../../server/live/live.ts'
import { CALM, type Signs } from '../../server/live/pressure.ts'
import { contradictions } from './conforms.ts'
import { preparedEmbedded, temporaryFolder } from './postgres-embedded.ts'

export const ADMIN_KEY = 'an-admin-key-for-the-tests-of-halyard'
/** Of all services that say no other. */
export const TEST_SECRET = 'a-secret-for-the-tests-that-is-long-enough'

const TESTS = { kind: 'system', id: 'tests', name: 'Tests' } as const

export type TestService = {
  readonly http: FastifyInstance
  readonly live: Live
  /** What was logged, a JSON line each. */
  readonly logged: readonly string[]
  /** The configured admin key, or the one that the first start made where none is. */
  readonly adminKey: string
  /**
   * An injected request with the admin key; `key: null` sends none. Every answer is held against the
   * contract: one that it does not describe fails the test that asked.
   */
  ask(method: string, url: string, options?: AskOptions): Promise<Asked>
  /** A management key of these grants. @returns its text */
  managementKey(grants: readonly GrantInput[]): Promise<string>
  /** An SDK key. @returns its text */
  sdkKey(kind: 'server' | 'client', environment?: string, project?: string): Promise<string>
  /** @returns the base URL */
  listen(): Promise<string>
  close(): Promise<void>
}
export type AskOptions = {
  readonly body?: unknown
  readonly key?: string | null
  readonly headers?: Readonly<Record<string, string>>
}
export type Asked = {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: an answer's body is whatever came; tests say what they expect of it.
  readonly body: any
  readonly headers: LightMyRequestResponse['headers']
  readonly text: string
  readonly etag: string
}

export async function startService(changes: Partial<Config> = {}, signs: Signs = CALM): Promise<TestService> {
  const folder = temporaryFolder()
  cpSync(await preparedEmbedded(), join(folder.dir, 'postgres'), { recursive: true })
  const logged: string[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) })
  const service = await compose(
    {
      database: 'embedded',
      redis: undefined,
      advertisedUrl: undefined,
      secret: TEST_SECRET,
      dataDir: folder.dir,
      host: '127.0.0.1',
      port: 0,
      adminKey: ADMIN_KEY,
      logLevel: 'debug',
      trustProxy: false,
      managementRequestsPerSecond: 1_000_000,
      evaluationsPerSecond: undefined,
      unknownKeysPerSecond: 1_000_000,
      maxStreams: 1_000,
      maxStreamsPerKey: 1_000,
      streamsPerSecond: 1_000_000,
      drainDelayMs: 0,
      usageRetentionDays: 90,
      ...changes,
    },
    log,
    signs,
  )
  const { http, live } = service
  await http.ready()
  const { adminKey = ADMIN_KEY } = await service.start()

  const ask: TestService['ask'] = async (method, url, { body, key = adminKey, headers = {} } = {}) => {
    const isText = typeof body === 'string' || Buffer.isBuffer(body)
    const response = await http.inject({
      method: method as NonNullable<InjectOptions['method']>,
      url,
      headers: {
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { payload: isText ? body : JSON.stringify(body) }),
    })
    const type = String(response.headers['content-type'])
    const answer = {
      status: response.statusCode,
      headers: response.headers,
      text: response.payload,
      body: type.includes('json') && response.payload !== '' ? JSON.parse(response.payload) : undefined,
      etag: String(response.headers.etag ?? ''),
    }
    const wrong = [...contradictions(method, url, answer.status, type, answer.body)]
    if (answer.status === 500)
      wrong.push(`a fault of ours: ${logged.findLast((line) => line.includes('"level":50'))}`)
    if (wrong.length > 0) throw new Error(`${method} ${url}: ${wrong.join('; ')}\n${answer.text}`)
    return answer
  }
  return {
    http,
    live,
    logged,
    adminKey,
    ask,
    async managementKey(grants) {
      const { result } = await live.commit({
        scope: { path: [SYSTEM] },
        actor: TESTS,
        edit: createApiKey(
          { name: 'a key of the tests', grants },
          crypto.getRandomValues(new Uint8Array(32)),
        ),
      })
      return result.secret
    },
    async sdkKey(kind, environment = 'development', project = 'default') {
      const found = live.environment(project, environment)
      if (found === undefined) throw new Error(`There is no ${project}/${environment}.`)
      const input = { kind, name: `${kind} of the tests` }
      const { result } = await live.commit({
        scope: { path: [found.project.id] },
        actor: TESTS,
        edit: createSdkKey(found.project.id, found.id, input, crypto.getRandomValues(new Uint8Array(32))),
      })
      return result.secret
    },
    async listen() {
      await http.listen({ host: '127.0.0.1', port: 0 })
      const address = http.server.address()
      if (address === null || typeof address === 'string') throw new Error('No port was opened.')
      return `http://127.0.0.1:${address.port}`
    },
    async close() {
      await service.close()
      folder.remove()
    },
  }
}
