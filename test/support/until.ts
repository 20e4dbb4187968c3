/**
 * Waiting for a condition, where a test cannot be told: asked often, with a deadline that only a failure reaches.
 */
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * How many whole seconds have passed as the event loop counts them, which are longer while it is held up: for promises
 * of a service in this very process, which is held up as well.
 * @param sinceMs from when, epoch milliseconds
 */
export function secondsSince(sinceMs: number): () => number {
  let seconds = 0
  setTimeout(() => setInterval(() => seconds++, 1_000).unref(), Math.max(0, sinceMs - Date.now())).unref()
  return () => seconds
}

/**
 * @param what the condition in words, for the failure
 * @param condition answers something truthy when it holds; what it throws fails the wait at once
 * @param withinMs generous: it is no measurement
 * @returns the condition's answer
 */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  withinMs = 15_000,
): Promise<NonNullable<T>> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const answer = await condition()
    if (answer) return answer
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`)
    await sleep(15)
  }
}
