/** The management API as the benchmarks use it: plain fetch, and an error that shows the problem. */
import type { FlagShape } from '../workload.ts'
import { flagConfig } from '../workload.ts'
import { ADMIN_KEY, type Running } from './server.ts'

export type Api = <Answer>(
  method: string,
  path: string,
  body?: unknown,
  headers?: Readonly<Record<string, string>>,
) => Promise<Answer>

export const ENVIRONMENT = '/projects/default/environments/production'

export function api(server: Pick<Running, 'url'>): Api {
  return async <Answer>(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ) => {
    const answer = await fetch(`${server.url}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${ADMIN_KEY}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 1_000)}`)
    return (text === '' ? undefined : JSON.parse(text)) as Answer
  }
}

/** Makes the flags, and gives each its configuration in production. */
export async function makeFlags(call: Api, shapes: readonly FlagShape[]): Promise<void> {
  for (const shape of shapes) {
    await call('POST', '/projects/default/flags', { key: shape.key, type: 'boolean', visibility: 'client' })
    await call('PUT', `${ENVIRONMENT}/flags/${shape.key}`, flagConfig(shape), { 'if-match': '*' })
  }
}

/** A key of production. @returns its secret */
export async function makeKey(call: Api, kind: 'server' | 'client'): Promise<string> {
  const { secret } = await call<{ secret: string }>('POST', `${ENVIRONMENT}/keys`, {
    kind,
    name: `bench ${kind}`,
  })
  return secret
}
