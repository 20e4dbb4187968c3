/** A way by which accepted kills come to other instances. */
export type Spread = {
  /** 'kept': where it outlives this instance. Rejects where it went nowhere. */
  send(id: string, sealed: string): Promise<'kept' | 'sent'>
  /** Calls back for what others send. Resolves after the first attempt, with the function that stops it. */
  listen(onKills: (sealed: string) => void): Promise<() => Promise<void>>
  /** What is kept there and was not forgotten. */
  all(): Promise<readonly string[]>
  /** It is in the log. */
  forget(id: string): Promise<void>
}
