/**
 * A queue in front of each log. Commits that wait while one is written share the next transaction, so that many
 * editors of one environment cost one lock and one flush together, and one connection. Answers come in order.
 */
import { Problem } from '../domain/problem.ts'
import type { CommitRequest, Committed } from './store.ts'

/** A commit as it waits. Its types are the caller's; here they are opaque. */
export type Waiting = {
  readonly request: CommitRequest<unknown>
  /** By `performance.now()`: when its caller gives up. */
  readonly dueAt: number
  resolve(committed: Committed<unknown>): void
  reject(reason: unknown): void
}

/** Runs the first of the given commits, as many as go together; returns those that must wait for the next turn. */
export type Turn = (batch: readonly Waiting[]) => Promise<readonly Waiting[]>

/** Commits in one transaction, and waiting at one log before more are turned away. */
const MOST_TOGETHER = 64
const MOST_WAITING = 1000

export type Queue = {
  /** @param withinMs how long the commit may take, its wait included; then it is `unavailable` */
  add<R>(request: CommitRequest<R>, withinMs: number): Promise<Committed<R>>
}

/** @param turn runs one batch; it settles each commit that it takes, and never rejects */
export function createQueue(turn: Turn): Queue {
  const lines = new Map<string, Waiting[]>()

  const serve = async (log: string, line: Waiting[]) => {
    for (let first = line[0]; first !== undefined; first = line[0]) {
      const scope = scopeOf(first)
      const strangers = line.findIndex((waiting) => scopeOf(waiting) !== scope)
      const together = strangers === -1 ? line.length : strangers
      const batch = line.splice(0, Math.min(together, MOST_TOGETHER))
      line.unshift(...(await turn(batch)))
    }
    lines.delete(log)
  }
  return {
    add: <R>(request: CommitRequest<R>, withinMs: number) =>
      new Promise<Committed<R>>((resolve, reject) => {
        const log = request.scope.path.at(-1) ?? ''
        const line = lines.get(log)
        if (line !== undefined && line.length >= MOST_WAITING) return reject(crowded())
        const waiting: Waiting = {
          request,
          dueAt: performance.now() + withinMs,
          resolve: (committed) => {
            clearTimeout(timer)
            resolve(committed as Committed<R>)
          },
          reject: (reason) => {
            clearTimeout(timer)
            reject(reason)
          },
        }
        // For as long as it waits. Once it is taken, the transaction has a deadline of its own.
        const timer = setTimeout(() => {
          const place = lines.get(log)?.indexOf(waiting) ?? -1
          if (place === -1) return
          lines.get(log)?.splice(place, 1)
          reject(crowded())
        }, withinMs)
        if (line !== undefined) {
          line.push(waiting)
          return
        }
        const opened = [waiting]
        lines.set(log, opened)
        // Those whose answers came together ask again together: let them all in before the first turn.
        setImmediate(() => void serve(log, opened))
      }),
  }
}

const scopeOf = ({ request: { scope } }: Waiting): string =>
  `${scope.descendants === true} ${scope.path.join()}`

const crowded = () =>
  new Problem(
    'unavailable',
    'Other edits kept the lock that this one needs. Nothing was written; try again.',
    {
      retryAfter: 1,
    },
  )
