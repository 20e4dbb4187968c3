/** OpenFeature's interface over the Node client: an evaluation is the client's own, and asks no server. */
import {
  ErrorCode,
  type EvaluationContext,
  type JsonValue,
  OpenFeatureEventEmitter,
  type Provider,
  ProviderEvents,
  ProviderFatalError,
  ProviderNotReadyError,
  type ResolutionDetails,
  type TrackingEventDetails,
} from '@openfeature/server-sdk'
import type { FlagKeyOf } from '../../flags.ts'
import { type Client, type ConnectOptions, connect } from '../../node/index.ts'
import { contextOf } from '../context.ts'
import { resolutionOf } from '../resolution.ts'
import { type Following, follow } from '../standing.ts'

/** What the provider needs of a client: the Node client has it, and `testFlags` of `@halyard/sdk/testing`. */
export type ProviderClient = Pick<Client, 'details' | 'on' | 'status' | 'track' | 'close'>

/**
 * `await OpenFeature.setProviderAndWait(new HalyardProvider({ url, key }))`.
 *
 * Initialising takes `startTimeoutMs` at most. It fails where there is nothing to evaluate by then: as `PROVIDER_FATAL`
 * where the key is refused or an option can never work, else as `PROVIDER_NOT_READY`. The client goes on trying, and
 * READY is said as soon as there is something.
 */
export class HalyardProvider implements Provider {
  readonly metadata = { name: 'halyard' } as const
  readonly runsOn = 'server'
  readonly events = new OpenFeatureEventEmitter()
  readonly #given: ConnectOptions | ProviderClient
  #opening: Promise<ProviderClient> | undefined
  #client: ProviderClient | undefined
  #following: Following | undefined

  /** @param given the options of `connect`; or a client, which stays open when the provider is closed */
  constructor(given: ConnectOptions | ProviderClient = {}) {
    this.#given = given
  }

  async initialize(): Promise<void> {
    const opening = isClient(this.#given) ? Promise.resolve(this.#given) : connect(this.#given)
    this.#opening = opening
    const client = await opening.catch((cause: unknown) => {
      throw new ProviderFatalError(cause instanceof Error ? cause.message : String(cause), { cause })
    })
    if (this.#opening !== opening) return // closed in the meantime
    this.#client = client
    this.#following = follow(
      client,
      (event, details) => this.events.emit(event as ProviderEvents, details),
      (flagsChanged) => this.events.emit(ProviderEvents.ConfigurationChanged, { flagsChanged }),
    )
    const { failure } = this.#following
    if (failure === undefined) return
    const Failure = failure.errorCode === 'PROVIDER_FATAL' ? ProviderFatalError : ProviderNotReadyError
    throw new Failure(failure.message, { cause: client.status().error })
  }

  async onClose(): Promise<void> {
    const opening = this.#opening
    this.#following?.end()
    this.#following = undefined
    this.#opening = undefined
    this.#client = undefined
    if (isClient(this.#given)) return
    const client = await opening?.catch(() => undefined)
    await client?.close()
  }

  async resolveBooleanEvaluation(key: string, fallback: boolean, context: EvaluationContext) {
    return this.#resolve(key, fallback, context)
  }

  async resolveStringEvaluation(key: string, fallback: string, context: EvaluationContext) {
    return this.#resolve(key, fallback, context)
  }

  async resolveNumberEvaluation(key: string, fallback: number, context: EvaluationContext) {
    return this.#resolve(key, fallback, context)
  }

  async resolveObjectEvaluation<T extends JsonValue>(key: string, fallback: T, context: EvaluationContext) {
    return this.#resolve(key, fallback, context)
  }

  track(name: string, context: EvaluationContext, { value }: TrackingEventDetails): void {
    this.#client?.track(name, contextOf(context), value === undefined ? {} : { value })
  }

  #resolve<T extends JsonValue>(key: string, fallback: T, context: EvaluationContext): ResolutionDetails<T> {
    const client = this.#client
    if (client === undefined) {
      return { value: fallback, reason: 'ERROR', errorCode: ErrorCode.PROVIDER_NOT_READY }
    }
    return resolutionOf(
      client.details(key as FlagKeyOf, fallback as never, contextOf(context)),
    ) as ResolutionDetails<T>
  }
}

function isClient(given: ConnectOptions | ProviderClient): given is ProviderClient {
  return 'details' in given
}
