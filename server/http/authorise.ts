/**
 * Who calls, and whether they may: decided on the matched route, before a body is parsed. Keys come in headers alone.
 */
import type { FastifyRequest } from 'fastify'
import type { Access } from '../contract/endpoint.ts'
import { Problem } from '../domain/problem.ts'
import { fieldOf } from '../domain/reading.ts'
import type { Live, Principal } from '../live/live.ts'
import { allows, allowsPart } from './grants.ts'
import type { Limits } from './limits.ts'

/** Longer than any key. */
const MOST_CHARACTERS = 512

type Headers = FastifyRequest['headers']

/** The key that a request carries: `Authorization: Bearer …`, or `X-API-Key`. */
export function credentialOf(headers: Headers): string | undefined {
  const { authorization } = headers
  if (authorization !== undefined) {
    const isBearer = authorization.startsWith('Bearer ') || /^bearer /i.test(authorization)
    return isBearer ? authorization.slice(7).trim() : undefined
  }
  const key = headers['x-api-key']
  return typeof key === 'string' ? key.trim() : undefined
}

/** Whether a browser made the request: other clients send neither header. */
export function fromBrowser(headers: Headers): boolean {
  return headers.origin !== undefined || headers['sec-fetch-site'] !== undefined
}

/** What keys are held against. */
export type Gate = {
  readonly live: Live
  readonly limits: Limits
  /** Told of a secret key that a browser sent: its id, never its text. */
  readonly onSecretInBrowser: (principal: Principal) => void
}

/**
 * The principal of a request's key.
 * @param limited whether an address that sends unknown keys may be told to come again, without a look for this one
 * @throws Problem `unauthenticated`, `unavailable` where no truth is held, `secret-key-in-browser`, or
 * `too-many-requests`
 */
export async function identify(gate: Gate, request: FastifyRequest, limited: boolean): Promise<Principal> {
  const { live, limits, onSecretInBrowser } = gate
  const key = keyIn(request.headers)
  const principal = await live.authenticate(key, limited ? () => limits.unknownKey(request.ip) : undefined)
  return accept(principal, request.headers, onSecretInBrowser)
}

/** The key that a request carries. @throws Problem `unauthenticated` where it carries none */
export function keyIn(headers: Headers): string {
  const key = credentialOf(headers)
  if (key !== undefined && key !== '' && key.length <= MOST_CHARACTERS) return key
  throw new Problem('unauthenticated', 'Send a key: Authorization: Bearer …, or X-API-Key.')
}

/** The second half of `identify`, for those who have asked whose key it is. @throws Problem, as that */
export function accept(
  principal: Principal | 'unknown' | 'unloaded',
  headers: Headers,
  onSecretInBrowser: (principal: Principal) => void,
): Principal {
  if (principal === 'unknown') {
    throw new Problem('unauthenticated', 'This key is not known here, was revoked, or has expired.')
  }
  if (principal === 'unloaded') {
    throw new Problem('unavailable', 'Nothing is loaded yet, so no key can be checked. Try again.')
  }
  if (principal.kind !== 'client' && fromBrowser(headers)) {
    onSecretInBrowser(principal)
    throw new Problem(
      'secret-key-in-browser',
      'A page that holds this key gives it to everyone: revoke it, and use a client key (hly_pub_…).',
    )
  }
  return principal
}

/** @throws Problem `forbidden` where the principal may not call an endpoint of this access with these parameters */
export function authorise(principal: Principal, access: Access, params: unknown): void {
  if (!mayCall(principal, access, params as { project?: string; env?: string })) {
    throw new Problem('forbidden', refusalOf(principal, access))
  }
}

/** @throws Problem `forbidden` where the principal may not do that to an environment that the body names */
export function authoriseNamed(principal: Principal, access: Access, params: unknown, body: unknown): void {
  if (access.by !== 'management' || principal.kind !== 'management') return
  const { project } = params as { project?: string }
  for (const [field, power] of Object.entries(access.named ?? {})) {
    const path = field.split('.')
    const environment = path.reduce<unknown>(fieldOf, body) as string
    if (allows(principal.grants, power, { project, environment })) continue
    const message = `The key’s grants do not give the right to ${power} there.`
    throw new Problem('forbidden', message, { errors: [{ pointer: `/${path.join('/')}`, message }] })
  }
}

function mayCall(principal: Principal, access: Access, params: { project?: string; env?: string }): boolean {
  if (access.by === 'sdk') return principal.kind !== 'management' && access.keys.includes(principal.kind)
  if (access.by === 'self') return principal.kind !== 'client' && access.keys.includes(principal.kind)
  if (access.by !== 'management' || principal.kind !== 'management') return false
  const { on, to } = access
  const place =
    on === 'service'
      ? {}
      : on === 'project'
        ? { project: params.project }
        : { project: params.project, environment: params.env }
  // Reading a list shows the part that the grants cover.
  return to === 'read' && on !== 'environment'
    ? allowsPart(principal.grants, to, place)
    : allows(principal.grants, to, place)
}

function refusalOf(principal: Principal, access: Access): string {
  if (access.by === 'management' && principal.kind === 'management') {
    return `The key’s grants do not give the right to ${access.to} here.`
  }
  if (access.by === 'self') {
    return 'A client key may be public: if it could end itself, any visitor of the page could. Ask an administrator.'
  }
  const needed = access.by === 'sdk' ? `a ${access.keys.join(' or ')} key` : 'a management key'
  return `This is a ${principal.kind} key, and ${needed} is needed.`
}
