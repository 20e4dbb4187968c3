/** OpenFeature's interface over the browser client: an evaluation reads what is held, a context change asks anew. */
import {
  ErrorCode,
  type EvaluationContext,
  type JsonValue,
  OpenFeatureEventEmitter,
  type Provider,
  type ProviderEmittableEvents,
  ProviderEvents,
  ProviderFatalError,
  ProviderNotReadyError,
  type ResolutionDetails,
  type TrackingEventDetails,
} from '@openfeature/web-sdk'
import { type Client, type ConnectOptions, connect } from '../../browser/index.ts'
import type { FlagKeyOf } from '../../flags.ts'
import { resolutionOf } from '../resolution.ts'
import { type Following, follow, READY } from '../standing.ts'

/** Those of `connect`; the context is OpenFeature's. */
export type ProviderOptions = Omit<ConnectOptions, 'context'>
export type ProviderClient = Pick<Client, 'details' | 'on' | 'status' | 'setContext' | 'track' | 'close'>

/**
 * `await OpenFeature.setProviderAndWait(new HalyardProvider({ url, key }), { targetingKey })`.
 *
 * Initialising resolves at once with a bootstrap or answers that the browser has kept, and takes `startTimeoutMs` at
 * most. It fails where there is nothing to evaluate by then: as `PROVIDER_FATAL` where the key is refused or no client
 * key, else as `PROVIDER_NOT_READY`. The client goes on trying, and READY is said as soon as there is something.
 */
export class HalyardProvider implements Provider {
  readonly metadata = { name: 'halyard' } as const
  readonly runsOn = 'client'
  readonly events = new OpenFeatureEventEmitter()
  readonly #given: ProviderOptions | ProviderClient
  #opening: Promise<ProviderClient> | undefined
  #client: ProviderClient | undefined
  #following: Following | undefined
  /** The context change under way, if there is one. */
  #change: object | undefined
  /** What is held was answered for the context before: it is no news how old it is. */
  #behind = false

  /** @param given the options of `connect`; or a client, which stays open when the provider is closed */
  constructor(given: ProviderOptions | ProviderClient) {
    this.#given = given
  }

  async initialize(context: EvaluationContext = {}): Promise<void> {
    const opening = this.#open(context)
    this.#opening = opening
    const client = await opening.catch((cause: unknown) => {
      throw new ProviderFatalError(cause instanceof Error ? cause.message : String(cause), { cause })
    })
    if (this.#opening !== opening) return // closed in the meantime
    this.#client = client
    this.#following = follow(
      client,
      (event, details) => {
        this.#behind &&= event !== ProviderEvents.Ready
        this.events.emit(event as ProviderEmittableEvents, details)
      },
      (flagsChanged) => {
        // What another context changes, OpenFeature says itself.
        if (this.#change === undefined)
          this.events.emit(ProviderEvents.ConfigurationChanged, { flagsChanged })
      },
      ({ event }) => this.#change !== undefined || (this.#behind && event !== ProviderEvents.Ready),
    )
    const { failure } = this.#following
    if (failure === undefined) return
    const Failure = failure.errorCode === 'PROVIDER_FATAL' ? ProviderFatalError : ProviderNotReadyError
    throw new Failure(failure.message)
  }

  async onContextChange(_: EvaluationContext, context: EvaluationContext): Promise<void> {
    // OpenFeature does not wait for the start, and does not say it again.
    const client = this.#client ?? (await this.#opening?.catch(() => undefined))
    if (client === undefined) return
    const change = {}
    this.#change = change
    const fault: unknown = await client.setContext(context).catch((cause: unknown) => cause)
    // Another one has begun since, and says how it ended.
    if (this.#change !== change) return
    this.#change = undefined
    if (fault !== undefined) throw fault
    const { state, source, error } = client.status()
    // What the browser has kept for this context serves.
    this.#behind = state !== 'ready' && source !== 'cache'
    if (this.#behind) {
      this.#following?.said({ event: 'PROVIDER_ERROR', message: state })
      throw error ?? new ProviderNotReadyError(state)
    }
    this.#following?.said(READY)
    setTimeout(() => this.#following?.say(), 0)
  }

  async onClose(): Promise<void> {
    const opening = this.#opening
    this.#following?.end()
    this.#following = undefined
    this.#opening = undefined
    this.#client = undefined
    this.#change = undefined
    this.#behind = false
    if (isClient(this.#given)) return
    const client = await opening?.catch(() => undefined)
    await client?.close()
  }

  resolveBooleanEvaluation(key: string, fallback: boolean) {
    return this.#resolve(key, fallback)
  }

  resolveStringEvaluation(key: string, fallback: string) {
    return this.#resolve(key, fallback)
  }

  resolveNumberEvaluation(key: string, fallback: number) {
    return this.#resolve(key, fallback)
  }

  resolveObjectEvaluation<T extends JsonValue>(key: string, fallback: T) {
    return this.#resolve(key, fallback)
  }

  track(name: string, _: EvaluationContext, { value }: TrackingEventDetails): void {
    this.#client?.track(name, value === undefined ? {} : { value })
  }

  async #open(context: EvaluationContext): Promise<ProviderClient> {
    // Where OpenFeature has no context, that of a bootstrap, or of the client, stands. Dates become texts on their way.
    const none = Object.keys(context).length === 0
    if (!isClient(this.#given)) return connect(none ? this.#given : { ...this.#given, context })
    if (!none) await this.#given.setContext(context)
    return this.#given
  }

  #resolve<T extends JsonValue>(key: string, fallback: T): ResolutionDetails<T> {
    const client = this.#client
    if (client === undefined) {
      return { value: fallback, reason: 'ERROR', errorCode: ErrorCode.PROVIDER_NOT_READY }
    }
    return resolutionOf(client.details(key as FlagKeyOf, fallback as never)) as ResolutionDetails<T>
  }
}

function isClient(given: ProviderOptions | ProviderClient): given is ProviderClient {
  return 'details' in given
}
