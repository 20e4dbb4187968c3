'use client'
/**
 * `@halyard/sdk/react`: flags as hooks, over the browser client; on a server, over the page's own data. A component
 * renders again when a flag that it uses changes, and for nothing else.
 */
import {
  createContext,
  createElement,
  type ReactElement,
  type ReactNode,
  useContext,
  useEffect,
  useMemo,
  useState,
  useSyncExternalStore,
} from 'react'
import type { Dehydrated, FlagAnswer } from '../answers.ts'
import { type Details, detailsOf } from '../browser/details.ts'
import type { Client } from '../browser/index.ts'
import type { FallbackOf, FlagKeyOf, ValueOf } from '../flags.ts'

export type FlagsProviderProps = {
  /**
   * A connected client, or the promise that `connect` gives. A function is called once the provider is mounted, and what
   * it gives is closed when the provider goes. On a server there is none. Where none can be had, components show what
   * they would without one, and the page's `unhandledrejection` says why.
   */
  readonly client?: Client | PromiseLike<Client> | (() => PromiseLike<Client>) | undefined
  /** What `dehydrate` gave: rendered on the server and while the page is hydrated, and until there is a client. */
  readonly bootstrap?: Dehydrated | undefined
  readonly children?: ReactNode
}

type Flags = {
  readonly client: Arrived | undefined
  /** What a client that is to come is waited for by, where nothing else is at hand. */
  readonly coming?: PromiseLike<unknown> | false | undefined
  readonly answers: ReadonlyMap<string, FlagAnswer> | undefined
  subscribe(changed: () => void): () => void
}

/** null: none can be had. */
type Arrived = Client | null

const NOTHING: Flags = { client: undefined, answers: undefined, subscribe: () => () => {} }
const FlagsContext = createContext(NOTHING)

/** Clients by their promises: what suspends loses its state, and has to find them again. */
const arrived = new WeakMap<PromiseLike<Client>, Arrived | undefined>()

function arrivedOf(promise: PromiseLike<Client>): Arrived | undefined {
  if (!arrived.has(promise)) {
    const arrive = (client?: Arrived): unknown => arrived.set(promise, client)
    arrive()
    promise.then(arrive, () => arrive(null))
  }
  return arrived.get(promise)
}

/** Gives flags to the components in it. */
export function FlagsProvider({ client: given, bootstrap, children }: FlagsProviderProps): ReactElement {
  const [opened, setOpened] = useState<Arrived>()
  const [turn] = useState(() => {
    let done = (): void => {}
    return { promise: new Promise<void>((resolve) => (done = resolve)), done }
  })
  const made = typeof given === 'function'
  // biome-ignore lint/correctness/useExhaustiveDependencies: a function is another with each render, and means the same.
  useEffect(() => {
    let over = false
    // A function that throws at once rejects here too; nobody handles it, so that the page hears of it.
    const coming = (async () => {
      let client: Arrived | undefined = null
      try {
        client = await (made ? given() : given)
        return client
      } finally {
        if (!over) {
          setOpened(client)
          turn.done()
        }
      }
    })()
    return () => {
      over = true
      coming.then(
        (client) => void (made && client?.close()),
        () => {},
      )
    }
  }, [made || given])
  const ready = made || !given ? opened : 'then' in given ? (opened ?? arrivedOf(given)) : given
  // biome-ignore lint/correctness/useExhaustiveDependencies: `coming` matters only until one of these is there.
  const flags = useMemo<Flags>(
    () => ({
      client: ready,
      coming:
        ready === undefined &&
        !bootstrap &&
        (made ? turn.promise : (given as PromiseLike<Client> | undefined)),
      answers: bootstrap?.flags && new Map(bootstrap.flags.map((answer) => [answer.key, answer])),
      subscribe: (changed) => ready?.on('change', changed) ?? (() => {}),
    }),
    [ready, bootstrap],
  )
  return createElement(FlagsContext.Provider, { value: flags }, children)
}

/** What is shown before there is a client, on a server, and in the frame that hydrates what the server sent. */
function firstOf<T>({ answers }: Flags, key: string, fallback: T): Details<T> {
  return detailsOf(answers?.get(key), fallback, { revision: 0, source: answers ? 'bootstrap' : 'default' })
}

function useRead<T, R>(key: FlagKeyOf, fallback: T, read: (details: Details<T>) => R): R {
  const flags = useContext(FlagsContext)
  const { client } = flags
  const first = (): R => read(firstOf(flags, key, fallback))
  const now = (): R => (client ? read(client.peek(key, fallback as never) as Details<T>) : first())
  const shown = useSyncExternalStore(flags.subscribe, now, first)
  // Counted once for what is shown, however often React looks.
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is shown is why it is counted.
  useEffect(() => {
    client?.details(key, fallback as never)
  }, [client, key, shown])
  return shown
}

/** The flag's value, or the default. */
export function useFlag<T extends FallbackOf<K>, K extends FlagKeyOf = FlagKeyOf>(
  key: K,
  fallback: T,
): ValueOf<K, T> {
  return useRead(key, fallback, ({ value }) => value) as ValueOf<K, T>
}

/** The flag's value, and why. Its age, source and revision are those of the moment when the rest changed. */
export function useFlagDetails<T extends FallbackOf<K>, K extends FlagKeyOf = FlagKeyOf>(
  key: K,
  fallback: T,
): Details<ValueOf<K, T>> {
  const [kept] = useState<{ text?: string; details?: Details<T> }>({})
  return useRead(key, fallback, (details) => {
    const { value, variant, reason, errorCode, metadata } = details
    const text = JSON.stringify([value, variant, reason, errorCode, metadata.version])
    if (kept.text !== text) Object.assign(kept, { text, details })
    return kept.details
  }) as Details<ValueOf<K, T>>
}

/**
 * `useFlag` that suspends until there is a client, where there is no bootstrap. On a server it gives the default. Where
 * the provider is given a function, the Suspense boundary has to stand inside of the provider.
 */
export function useSuspenseFlag<T extends FallbackOf<K>, K extends FlagKeyOf = FlagKeyOf>(
  key: K,
  fallback: T,
): ValueOf<K, T> {
  const { coming } = useContext(FlagsContext)
  if (coming && 'document' in globalThis) throw coming
  return useFlag(key, fallback)
}
