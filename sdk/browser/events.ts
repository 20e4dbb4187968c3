/** The client's events. What a listener throws, or rejects with, reaches the page's own `unhandledrejection`. */
import type { FlagKey } from '../core/index.ts'

export type ClientEvents = {
  /** The flags whose answer is another now. */
  change: { readonly keys: readonly FlagKey[]; readonly revision: number }
  /** The server has confirmed what is held; again after each time that it could not. */
  ready: { readonly revision: number }
  /** The server could not be asked: what is held serves on. */
  stale: { readonly revision: number }
  /** Something failed and is being tried again. */
  error: Error
}

export type Listener<N extends keyof ClientEvents> = (event: ClientEvents[N]) => unknown

export type Emitter = {
  /** @returns a function that ends the subscription; further calls of it do nothing */
  on<N extends keyof ClientEvents>(name: N, listener: Listener<N>): () => void
  emit<N extends keyof ClientEvents>(name: N, event: ClientEvents[N]): void
}

export function createEmitter(): Emitter {
  const subscriptions = new Set<readonly [name: string, listener: (event: never) => unknown]>()
  return {
    on(name, listener) {
      const subscription = [name, listener] as const
      subscriptions.add(subscription)
      return () => subscriptions.delete(subscription)
    },
    emit(name, event) {
      for (const [heard, listener] of [...subscriptions]) {
        // An executor runs at once, and what it throws becomes a rejection that nobody handles: it is reported.
        if (heard === name) void new Promise((done) => done(listener(event as never)))
      }
    },
  }
}
