/** Bulk answers that instances share. What it gives back, one of them computed; everything that fails is a miss. */
export type AnswerCache = {
  /** Whether asking can lead to anything now; where it can't, nobody waits. */
  usable(): boolean
  /**
   * @param key all that the answer depends on, as text
   * @returns the very bytes that were kept under the key; never rejects
   */
  get(key: string): Promise<Buffer | undefined>
  /** Of one answer: larger ones are not kept, so that it is no use to ask for them. */
  readonly mostBytes: number
  /** Keeps the bytes; not waited for. @param ttlMs for how long, at most */
  set(key: string, body: Buffer, ttlMs: number): void
}
