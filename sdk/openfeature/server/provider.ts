/**
 * OpenFeature's interface over the Node client: an evaluation is the client's own, and how the client stands becomes
 * the provider's events. Hides when a start has failed, and when for good.
 */
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
import type { Context } from '../../core/index.ts'
import type { FlagKeyOf } from '../../flags.ts'
import { type Client, type ConnectOptions, connect } from '../../node/index.ts'
import { contextOf } from '../context.ts'
import { resolutionOf } from './resolution.ts'

/** What the provider needs of a client: the Node client has it, and `testFlags` of `@halyard/sdk/testing`. */
export type ProviderClient = Pick<Client, 'details' | 'on' | 'status' | 'close'> & {
  track?(event: string, context: Context, details?: { readonly value?: number }): void
}

/** How the client stands, in OpenFeature's words. */
type Standing = {
  readonly event: ProviderEvents.Ready | ProviderEvents.Stale | ProviderEvents.Error
  readonly message?: string | undefined
  readonly errorCode?: ErrorCode
}

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
  #unsubscribe: (() => void)[] = []
  #said: Standing | undefined

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
    this.#unsubscribe = [
      client.on('change', ({ keys }) => {
        this.events.emit(ProviderEvents.ConfigurationChanged, { flagsChanged: [...keys] })
      }),
      client.on('ready', () => this.#say()),
      client.on('stale', () => this.#say()),
      client.on('error', () => this.#say()),
    ]
    const standing = standingOf(client)
    if (client.status().source === 'default') {
      this.#said = standing
      const failure =
        standing?.errorCode === ErrorCode.PROVIDER_FATAL ? ProviderFatalError : ProviderNotReadyError
      throw new failure(standing?.message, { cause: client.status().error })
    }
    // What serves though nobody has confirmed it is ready first; OpenFeature says so as soon as this resolves.
    this.#said = { event: ProviderEvents.Ready }
    setImmediate(() => this.#say())
  }

  async onClose(): Promise<void> {
    const opening = this.#opening
    for (const end of this.#unsubscribe) end()
    this.#unsubscribe = []
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
    this.#client?.track?.(name, contextOf(context), value === undefined ? {} : { value })
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

  /** Says how the client stands, where that is news. */
  #say(): void {
    const standing = this.#client && standingOf(this.#client)
    if (standing === undefined) return
    const { event, message, errorCode } = standing
    if (event === this.#said?.event && errorCode === this.#said.errorCode) return
    this.#said = standing
    this.events.emit(event, {
      ...(message !== undefined && { message }),
      ...(errorCode !== undefined && { errorCode }),
    })
  }
}

function isClient(given: ConnectOptions | ProviderClient): given is ProviderClient {
  return 'details' in given
}

function standingOf(client: ProviderClient): Standing | undefined {
  const { state, source, error } = client.status()
  const message = error?.message
  const serves = source !== 'default'
  switch (state) {
    case 'ready':
      return { event: ProviderEvents.Ready }
    case 'stale':
      if (serves) return { event: ProviderEvents.Stale, message }
      break
    case 'refused':
      // With a state that serves on, only what is newer is out of reach.
      return {
        event: ProviderEvents.Error,
        message,
        errorCode: serves ? ErrorCode.GENERAL : ErrorCode.PROVIDER_FATAL,
      }
    case 'closed':
      return undefined
  }
  if (serves) return undefined
  return {
    event: ProviderEvents.Error,
    message: message ?? 'There is no ruleset to evaluate.',
    errorCode: ErrorCode.PROVIDER_NOT_READY,
  }
}
