/**
 * How a client stands, in OpenFeature's words, and said when it is news. The one table of what is READY, STALE, ERROR
 * and fatal, for servers and pages alike.
 */

export type Standing = {
  readonly event: 'PROVIDER_READY' | 'PROVIDER_STALE' | 'PROVIDER_ERROR'
  readonly errorCode?: 'GENERAL' | 'PROVIDER_NOT_READY' | 'PROVIDER_FATAL'
  /** What failed last, or how the client stands. */
  readonly message: string
}

/** What the status of all clients has. */
export type Status = { readonly state: string; readonly source: string; readonly error?: Error | undefined }

/** The parts of a client that tell how it stands. */
export type Followed = {
  status(): Status
  on(event: 'change', listener: (change: { readonly keys: readonly string[] }) => void): () => void
  on(event: 'ready' | 'stale' | 'error', listener: () => void): () => void
}

export type Following = {
  /** What a start that is over has failed with; undefined where there is something to evaluate. */
  readonly failure: Standing | undefined
  /** Says how the client stands, where that was not said last. */
  say(): void
  /** OpenFeature itself has said so. */
  said(standing: Standing): void
  end(): void
}

export const READY: Standing = { event: 'PROVIDER_READY', message: 'ready' }

/** undefined: as before. */
export function standingOf({ state, source, error }: Status): Standing | undefined {
  const serves = source !== 'default'
  const message = error?.message ?? state
  if (state === 'ready') return READY
  if (state === 'closed') return undefined
  if (state === 'refused') {
    // What is held serves on, and OpenFeature does not ask a fatal provider for anything.
    return { event: 'PROVIDER_ERROR', errorCode: serves ? 'GENERAL' : 'PROVIDER_FATAL', message }
  }
  if (!serves) return { event: 'PROVIDER_ERROR', errorCode: 'PROVIDER_NOT_READY', message }
  return state === 'stale' ? { event: 'PROVIDER_STALE', message } : undefined
}

/**
 * Follows a client that was just connected.
 *
 * @param emit emits a provider's event
 * @param changed told of the flags that changed
 * @param muted what is not to be said for now
 */
export function follow(
  client: Followed,
  emit: (event: Standing['event'], details: Omit<Standing, 'event'>) => void,
  changed: (keys: string[]) => void,
  muted: (standing: Standing) => boolean = () => false,
): Following {
  const first = standingOf(client.status())
  const failure = client.status().source === 'default' ? first : undefined
  let last = failure ?? READY

  function say(): void {
    const standing = standingOf(client.status())
    if (standing === undefined || muted(standing)) return
    const { event, ...details } = standing
    if (event === last.event && details.errorCode === last.errorCode) return
    last = standing
    emit(event, details)
  }

  const subscriptions = [
    client.on('change', ({ keys }) => changed([...keys])),
    ...(['ready', 'stale', 'error'] as const).map((event) => client.on(event, say)),
  ]
  // What serves though nobody has confirmed it is ready first, which OpenFeature says once the start has resolved.
  if (failure === undefined) setTimeout(say, 0)
  return {
    failure,
    say,
    said(standing) {
      last = standing
    },
    end() {
      for (const unsubscribe of subscriptions) unsubscribe()
    },
  }
}
