/**
 * How instances tell each other that there is something newer. Signals only make it sooner: what is lost, doubled or
 * late, the poll of revisions makes good within a second. One adapter a deployment; the others stand beside it.
 */
import type { Notice } from '../domain/notice.ts'
import type { Store } from '../store/store.ts'

export type Signal = {
  /** Tells the other instances. Never waits, and never fails. */
  publish(notice: Notice): void
  /** Calls back for what others publish, never for one's own. Resolves after the first attempt to listen. */
  listen(onNotice: (notice: Notice) => void): Promise<() => Promise<void>>
}

/** Postgres's LISTEN and NOTIFY: a commit notifies in its own transaction, so that nothing is left to publish. */
export function storeSignal(store: Pick<Store, 'listen'>): Signal {
  return { publish: () => {}, listen: store.listen }
}

/**
 * Within one process. Each call gives one more instance on the same line; a service on the embedded database is
 * alone on it.
 */
export function inProcessSignals(): () => Signal {
  const all = new Map<Signal, Set<(notice: Notice) => void>>()
  return () => {
    const own = new Set<(notice: Notice) => void>()
    const signal: Signal = {
      publish(notice) {
        for (const [other, listeners] of all) {
          if (other === signal) continue
          for (const listener of listeners) queueMicrotask(() => listener(notice))
        }
      },
      async listen(onNotice) {
        // Its own, so that the same function may listen twice.
        const listener = (notice: Notice): void => {
          if (own.has(listener)) onNotice(notice)
        }
        own.add(listener)
        return async () => void own.delete(listener)
      },
    }
    all.set(signal, own)
    return signal
  }
}
