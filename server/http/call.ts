/** A management request as its handler sees it: parsed, authorised, and nothing of the framework. */
import type { z } from 'zod'
import type { Endpoint } from '../contract/endpoint.ts'
import type { EndpointId, Endpoints } from '../contract/index.ts'
import type { Actor } from '../domain/change.ts'
import type { Live, Manager, Principal } from '../live/live.ts'
import type { Idempotency } from '../store/store.ts'

export type { Manager }

/** The endpoints that manage something. */
export type ManagementId = {
  [Id in EndpointId]: Endpoints[Id]['access'] extends { by: 'management' | 'self' } ? Id : never
}[EndpointId]

type BodyOf<E extends Endpoint> = E['body'] extends { json: infer S extends z.ZodType; optional: true }
  ? z.output<S> | undefined
  : E['body'] extends { json: infer S extends z.ZodType }
    ? z.output<S>
    : undefined

/** A body of lines, not read yet. */
export type Lines = { readonly mediaType: string; readonly bytes: AsyncIterable<Buffer> }

export type Call<E extends Endpoint = Endpoint> = {
  readonly params: z.output<E['params']>
  readonly query: z.output<E['query']>
  readonly body: BodyOf<E>
  /** Instead of `body`, where the endpoint takes lines and lines were sent. */
  readonly lines: Lines | undefined
  readonly manager: E['access'] extends { by: 'self' } ? Principal : Manager
  readonly ifMatch: string | undefined
  readonly comment: string | undefined
  readonly dryRun: boolean
  /** By which the caller reached the service, as far as it is known: scheme, host and port. */
  readonly origin: string | undefined
  /** Where the endpoint can answer in several forms. */
  readonly accept: string | undefined
  /** Of a kill: how long its connection may have waited to be taken, milliseconds. */
  readonly queuedMs: number
  /** Of a write that may come again; asked for once the body is read. */
  readonly idempotency: (() => Idempotency) | undefined
}

/** What a handler answers. `body` is serialised as it is; of large ones come `Pieces`. */
export type Answer<E extends Endpoint = Endpoint> = {
  readonly status: keyof E['answers']
  readonly body: object
  readonly etag?: string | undefined
  /** Without it: application/json. */
  readonly mediaType?: 'text/event-stream'
}

export type World = {
  readonly live: Live
  /** Epoch milliseconds. */
  readonly clock: { now(): number }
  readonly randomBytes: (size: number) => Uint8Array
}

export type Handler<E extends Endpoint> = (
  call: Call<E>,
  world: World,
) => Answer<NoInfer<E>> | Promise<Answer<NoInfer<E>>>

export type Handlers<Ids extends ManagementId = ManagementId> = {
  readonly [Id in Ids]: Handler<Endpoints[Id]>
}

export function actorOf({ kind, keyId, name }: Principal): Actor {
  return { kind: kind === 'management' ? 'api-key' : 'sdk-key', id: keyId, name }
}
