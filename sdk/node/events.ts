/**
 * The client's events. A listener that throws, or returns a promise that rejects, harms nobody: it is reported.
 */
import type { FlagKey } from '../core/index.ts'

export type ClientEvents = {
  /** The flags whose answer may be another now, for some context: changed ones, killed ones, and who requires them. */
  change: { readonly keys: readonly FlagKey[]; readonly epoch: number; readonly revision: number }
  /** A state is served that is known to be current; again after each time that it was not. */
  ready: { readonly epoch: number; readonly revision: number }
  /** The state that is served may be out of date: see `maxStalenessMs`. */
  stale: { readonly epoch: number; readonly revision: number }
  /** Something failed and is being tried again. */
  error: Error
}

export type Listener<N extends keyof ClientEvents> = (event: ClientEvents[N]) => unknown

export type Emitter = {
  /** @returns a function that ends the subscription; further calls of it do nothing */
  on<N extends keyof ClientEvents>(name: N, listener: Listener<N>): () => void
  emit<N extends keyof ClientEvents>(name: N, event: ClientEvents[N]): void
  /** Whether anybody listens: what an event costs to make may be spared. */
  heard(name: keyof ClientEvents): boolean
  clear(): void
}

/** @param report told of what listeners throw; may not throw itself */
export function createEmitter(report: (message: string, cause: unknown) => void): Emitter {
  type Subscription<N extends keyof ClientEvents> = { readonly listener: Listener<N> }
  const subscriptions: { [N in keyof ClientEvents]: Set<Subscription<N>> } = {
    change: new Set(),
    ready: new Set(),
    stale: new Set(),
    error: new Set(),
  }

  return {
    on(name, listener) {
      if (!Object.hasOwn(subscriptions, name)) {
        throw new TypeError(
          `There is no event "${String(name)}": ${Object.keys(subscriptions).join(', ')} are.`,
        )
      }
      if (typeof listener !== 'function') throw new TypeError(`A listener of "${name}" must be a function.`)
      const subscription = { listener }
      subscriptions[name].add(subscription)
      return () => {
        subscriptions[name].delete(subscription)
      }
    },
    emit(name, event) {
      for (const { listener } of [...subscriptions[name]]) {
        const failed = (cause: unknown): void => report(`A listener of "${name}" failed`, cause)
        try {
          const returned = listener(event)
          if (returned instanceof Promise) returned.catch(failed)
        } catch (cause) {
          failed(cause)
        }
      }
    },
    heard: (name) => subscriptions[name].size > 0,
    clear() {
      for (const listeners of Object.values(subscriptions)) listeners.clear()
    },
  }
}
