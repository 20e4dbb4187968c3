/**
 * A client whose flags a test sets. It answers as a connected one does, and one suite holds both to that; what it
 * hides is that there is nothing behind it.
 */
import type { Client as PageClient } from '../browser/index.ts'
import type { Context, Decision, FlagKey, Json } from '../core/index.ts'
import type { FallbackOf, FlagKeyOf, ValueOf } from '../flags.ts'
import type { Client, ClientEvents, ClientState, Details, Getters, Listener } from '../node/index.ts'
import { pageContext, pageData } from '../node/page-data.ts'

/** Gives a flag's value for a context; undefined: none, so that the caller's default applies. */
export type Rule<T> = (context: Context) => T | undefined

/** By flag key: its value, or a rule. undefined: there is no such flag. */
export type Values = { readonly [K in FlagKeyOf]?: FallbackOf<K> | Rule<FallbackOf<K>> | undefined }

export type Tracked = { readonly event: string; readonly context: Context; readonly value?: number }

/** The clients of both worlds: a page's is one with a context of its own, `setContext`. */
export type TestFlags = Client &
  Omit<PageClient, 'track'> & {
    /** Gives flags values, or rules, and says `change`; undefined takes a flag away. */
    set<K extends FlagKeyOf>(key: K, value: FallbackOf<K> | Rule<FallbackOf<K>> | undefined): void
    set(values: Values): void
    /** Back to the flags that it was made with; nothing tracked, ready, open. Listeners stay. */
    reset(): void
    /** From now on it stands so, and says so, as where a server is away or refuses the key. Values stay. */
    become(state: 'ready' | 'stale' | 'refused'): void
    /** As a server's client has it, or a page's: then the context is that of `setContext`. */
    track(event: string, context: Context, details?: { readonly value?: number }): void
    track(event: string, details?: { readonly value?: number }): void
    /** What was tracked, in order. */
    readonly tracked: readonly Tracked[]
  }

type Given = Json | object | Rule<unknown>
type Answer = Pick<Details<unknown>, 'variant' | 'reason' | 'errorCode' | 'errorDetails'> & {
  readonly value?: unknown
}

/** `const flags = testFlags({ checkout: true, theme: ({ plan }) => (plan === 'pro' ? 'dark' : 'light') })` */
export function testFlags(initial: Values = {}): TestFlags {
  let flags = mapOf(initial)
  let revision = 1
  let state: ClientState = 'ready'
  let tracked: Tracked[] = []
  /** What rules gave last. */
  const given = new Map<FlagKey, unknown>()
  /** A page's. */
  let own: Context = {}
  const listeners: { [N in keyof ClientEvents]: Set<{ readonly call: Listener<N> }> } = {
    change: new Set(),
    ready: new Set(),
    stale: new Set(),
    error: new Set(),
  }

  function emit<N extends keyof ClientEvents>(name: N, event: ClientEvents[N]): void {
    // What a listener throws is the test's to see.
    for (const { call } of [...listeners[name]]) call(event)
  }

  function change(keys: readonly FlagKey[]): void {
    if (keys.length === 0) return
    revision += 1
    emit('change', { keys, epoch: 1, revision })
  }

  function answer(key: FlagKey, context: Context): Answer {
    const flag = flags.get(key)
    if (flag === undefined) {
      return { reason: 'ERROR', errorCode: 'FLAG_NOT_FOUND', errorDetails: `no flag "${key}" was set` }
    }
    if (typeof flag !== 'function') return { value: flag, variant: variantOf(flag), reason: 'STATIC' }
    try {
      const value = flag(context)
      if (value === undefined) return { reason: 'DEFAULT' }
      return { value: settled(key, value), variant: variantOf(value), reason: 'TARGETING_MATCH' }
    } catch (cause) {
      return { reason: 'ERROR', errorCode: 'GENERAL', errorDetails: `the rule of "${key}" failed: ${cause}` }
    }
  }

  function detailed<T>(fallback: unknown, answered: Answer): Details<T> {
    const { value, variant, ...why } = answered
    const facts = {
      metadata: {},
      epoch: 1,
      revision,
      flagSetId: 'testing/memory',
      ageMs: 0,
      source: 'bootstrap',
    } as const
    if (value === undefined) return { value: fallback as T, ...why, ...facts }
    const [wanted, found] = [typeName(fallback), typeName(value)]
    if (wanted === found) {
      return { value: value as T, ...(variant !== undefined && { variant }), ...why, ...facts }
    }
    return {
      value: fallback as T,
      reason: 'ERROR',
      errorCode: 'TYPE_MISMATCH',
      errorDetails: `The flag's value is of type ${found}, and the default's type is ${wanted}.`,
      ...facts,
    }
  }

  /** The same object for the same content: a view that looks again sees that nothing changed. */
  function settled(key: FlagKey, value: unknown): unknown {
    const before = given.get(key)
    if (JSON.stringify(before) === JSON.stringify(value)) return before
    const now = frozen(value)
    given.set(key, now)
    return now
  }

  function gettersFor(base: () => Context): Getters {
    const details = <T>(key: FlagKey, fallback: unknown, context?: Context): Details<T> =>
      detailed(fallback, answer(key, { ...base(), ...context }))
    const typed =
      <T>(is: (value: unknown) => boolean) =>
      (key: FlagKey, fallback: T, context?: Context): T => {
        const { value } = answer(key, { ...base(), ...context })
        return is(value) ? (value as T) : fallback
      }
    return {
      boolean: typed<boolean>((value) => typeof value === 'boolean'),
      string: typed<string>((value) => typeof value === 'string'),
      number: typed<number>((value) => typeof value === 'number'),
      object<T, K extends FlagKeyOf>(key: K, fallback: T, context?: Context) {
        return typed<ValueOf<K, T>>((value) => typeName(value) === 'object' && value !== null)(
          key,
          fallback as ValueOf<K, T>,
          context,
        )
      },
      details: <T, K extends FlagKeyOf>(key: K, fallback: T, context?: Context) =>
        details<ValueOf<K, T>>(key, fallback, context),
      explain(key, context) {
        return { decision: decisionOf(answer(key, { ...base(), ...context })), steps: [] }
      },
      for: (context) => gettersFor(() => ({ ...base(), ...context })),
    }
  }

  function set(first: FlagKey | Values, value?: unknown): void {
    const changes = Object.entries(typeof first === 'string' ? { [first]: value } : first)
    for (const [key, given] of changes) {
      if (given === undefined) flags.delete(key)
      else flags.set(key, frozen(given as Given))
    }
    change(changes.map(([key]) => key))
  }

  function close(): Promise<void> {
    state = 'closed'
    return Promise.resolve()
  }

  const getters = gettersFor(() => own)
  const client: Client & Omit<TestFlags, keyof Client> = {
    ...getters,
    peek: getters.details,
    async setContext(context) {
      own = { ...context }
      change([...flags].filter(([, flag]) => typeof flag === 'function').map(([key]) => key))
    },
    dehydrate(context = own) {
      const answers = [...flags.keys()].sort().map((key) => ({ key, ...(answer(key, context) as object) }))
      return pageData({ context: pageContext(context, () => {}), etag: `"1-${revision}"`, flags: answers })
    },
    status: () => ({
      state,
      epoch: 1,
      revision,
      source: 'bootstrap',
      ageMs: 0,
      connected: state === 'ready',
      ...(state === 'refused' && { error: REFUSED }),
    }),
    on(name, call) {
      if (!Object.hasOwn(listeners, name)) {
        throw new TypeError(`There is no event "${name}": ${Object.keys(listeners).join(', ')} are.`)
      }
      const subscription = { call }
      listeners[name].add(subscription)
      return () => {
        listeners[name].delete(subscription)
      }
    },
    override: set,
    set,
    reset() {
      const keys = new Set([...flags.keys(), ...Object.keys(initial)])
      flags = mapOf(initial)
      tracked = []
      own = {}
      state = 'ready'
      change([...keys])
    },
    become(next) {
      state = next
      if (next === 'refused') emit('error', REFUSED)
      else emit(next, { epoch: 1, revision })
    },
    track(event: string, first: Context = {}, details?: { readonly value?: number }) {
      const pages = details === undefined && Object.keys(first).every((name) => name === 'value')
      tracked.push(pages ? { event, context: own, ...first } : { event, context: first, ...details })
    },
    get tracked() {
      return tracked
    },
    close,
    [Symbol.asyncDispose]: close,
  }
  return client as TestFlags
}

const REFUSED = new Error('The key is refused (so says the test).')

function mapOf(values: Values): Map<FlagKey, Given> {
  const given = Object.entries(values).filter(([, value]) => value !== undefined)
  return new Map(given.map(([key, value]) => [key, frozen(value as Given)]))
}

/** A copy that nobody can change, as values that come from a server are. */
function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  const inner = Object.entries(value).map(([name, one]) => [name, frozen(one)] as const)
  return Object.freeze(Array.isArray(value) ? inner.map(([, one]) => one) : Object.fromEntries(inner)) as T
}

/** Variants have no names here; those of boolean flags are known by custom. */
function variantOf(value: unknown): string {
  return typeof value === 'boolean' ? (value ? 'on' : 'off') : 'set'
}

function typeName(value: unknown): string {
  return Array.isArray(value) ? 'array' : typeof value
}

function decisionOf({ value, variant, reason, errorCode, errorDetails }: Answer): Decision {
  const metadata = {}
  if (errorCode !== undefined) {
    const code = errorCode === 'FLAG_NOT_FOUND' ? errorCode : 'GENERAL'
    return { reason: 'ERROR', errorCode: code, errorDetails: errorDetails ?? '', metadata }
  }
  return { reason, metadata, ...(value !== undefined && { value, variant }) } as Decision
}
