/**
 * The management API as a person with curl meets it: plain fetch, JSON in, JSON out. Refusals are answers here, not
 * exceptions; `must` is for the steps that a test only needs to have happened.
 */

export type Answer<T = Record<string, unknown>> = {
  readonly status: number
  readonly body: T
  readonly headers: Headers
}

export type Rest = {
  /** Any request; `path` from `/`. */
  readonly ask: <T = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ) => Promise<Answer<T>>
  /** A request that must be answered 2xx. @returns its body */
  readonly must: <T = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ) => Promise<T>
}

export const PROJECT = '/api/v1/projects/default'
/** For a write that replaces whatever is there. */
export const ANY = { 'if-match': '*' } as const
/** The environment that the tests use. */
export const DEVELOPMENT = `${PROJECT}/environments/development`

/**
 * @param key a management key, sent as a bearer token
 * @param timeoutMs rejects where the answer takes longer; without it, never
 */
export function rest(url: string, key: string, timeoutMs?: number): Rest {
  const ask: Rest['ask'] = async (method, path, body, headers = {}) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      ...(timeoutMs === undefined ? {} : { signal: AbortSignal.timeout(timeoutMs) }),
    })
    const text = await response.text()
    return {
      status: response.status,
      headers: response.headers,
      body: text === '' ? {} : JSON.parse(text),
    }
  }
  return {
    ask,
    must: async <T>(...request: Parameters<Rest['ask']>) => {
      const answer = await ask<T>(...request)
      if (answer.status < 200 || answer.status > 299) {
        throw new Error(
          `${request[0]} ${request[1]} was answered ${answer.status}: ${JSON.stringify(answer.body)}`,
        )
      }
      return answer.body
    },
  }
}

/** A key of the development environment. @returns its secret */
export async function sdkKey(api: Rest, kind: 'server' | 'client'): Promise<string> {
  const { secret } = await api.must<{ secret: string }>('POST', `${DEVELOPMENT}/keys`, {
    kind,
    name: `${kind} of the tests`,
  })
  return secret
}

/** A management key that may read everything. @returns its secret */
export async function managementKey(api: Rest): Promise<string> {
  const { secret } = await api.must<{ secret: string }>('POST', '/api/v1/api-keys', {
    name: 'viewer of the tests',
    grants: [{ role: 'viewer' }],
  })
  return secret
}
