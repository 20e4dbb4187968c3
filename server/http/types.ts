/** What the HTTP edge is given, and what it hangs on Fastify's requests and routes. */
import type { Endpoint } from '../contract/endpoint.ts'
import type { Caller } from '../live/key-uses.ts'
import type { KillLinkInForce } from '../live/kill-link.ts'
import type { Live, Principal } from '../live/live.ts'
import type { MakeQuota } from '../live/quota.ts'
import type { LimitsDeps } from './limits.ts'
import type { Turns } from './turns.ts'

/** A structured logger; pino's shape. It never gets keys, contexts, or tokens. */
export type Log = {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export type HttpDeps = {
  readonly live: Live
  readonly config: LimitsDeps['config'] & {
    /** As Fastify takes it: whom to believe about X-Forwarded-For. */
    readonly trustProxy: boolean | number | string
  }
  /** Epoch milliseconds. */
  readonly clock: { now(): number }
  /** Who counts the requests of callers; this process alone by default. */
  readonly quota?: MakeQuota | undefined
  readonly log: Log
  /** Who else looks at how long requests wait has it made before. */
  readonly turns?: Turns | undefined
  /** The service's, as shown. */
  readonly version: string
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set where the endpoint asks for a key. */
    principal: Principal | undefined
    /** Set where a link was opened. */
    killLink: KillLinkInForce | undefined
    /** Set where it is counted who asks. */
    caller: Caller | undefined
  }
  interface FastifyContextConfig {
    /** What the contract says of the route; a route without it, or `open`, is not registered. */
    endpoint?: Endpoint
    /** A route that is no endpoint, and needs no key: why. */
    open?: string
  }
}
