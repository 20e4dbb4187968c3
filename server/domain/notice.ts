/**
 * Notices of changes: where to look, never what changed. One text for every way that they go between instances.
 */
import type { LogId } from './change.ts'

/** The log is, or was a moment ago, at this revision. */
export type Notice = { readonly log: LogId; readonly epoch: number; readonly revision: number }

/** @param from the instance that changed the log */
export function noticeText({ log, epoch, revision }: Notice, from: string): string {
  return JSON.stringify({ log, epoch, revision, from })
}

/**
 * Reads a notice.
 * @param text whatever came over the channel
 * @param self the instance that reads: it knows of its own changes
 * @returns undefined for one's own, and for what is no notice
 */
export function readNotice(text: string, self: string): Notice | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined
  const { log, epoch, revision, from } = parsed as Readonly<Record<string, unknown>>
  if (typeof log !== 'string' || typeof epoch !== 'number' || typeof revision !== 'number') return undefined
  return typeof from === 'string' && from !== self ? { log, epoch, revision } : undefined
}
