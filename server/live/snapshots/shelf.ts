/**
 * Where snapshots stand outside of Postgres. A shelf keeps bytes under names and knows nothing of what they say but
 * their mark, so that an older snapshot never takes the place of a newer one. What it gives back is not to be trusted.
 */
import type { LogId } from '../../domain/change.ts'

/** Every method rejects where the shelf fails; within what time is for the shelf to see to. */
export type Shelf = {
  readonly name: 'disk' | 'redis'
  /** All names that something stands under; whoever writes there may have put anything there. */
  names(): Promise<readonly string[]>
  get(name: string): Promise<Buffer | undefined>
  /**
   * Keeps the bytes under the name, in place of what is there, in one step that others see whole or not at all.
   * `newer-there`: nothing was done, since what is there has a higher mark. Marks are compared as texts; what has
   * none is below all that have one.
   */
  put(name: string, bytes: Buffer): Promise<'kept' | 'newer-there'>
  /** Does nothing where nothing is there. */
  remove(name: string): Promise<void>
  /**
   * The mark of what stands under each of these names now: '' where that has none, undefined where it is gone. Absent
   * where nothing is lost or exchanged but under the eyes of who looks at the names.
   */
  marks?(names: readonly string[]): Promise<readonly (string | undefined)[]>
}

/** The form's version stands in the names: releases side by side do not take each other's snapshots for garbage. */
const VERSION = 1
const MARK = new RegExp(`^halyard-snapshot-${VERSION} \\d{16}-\\d{16}\\n$`)

/** Of ASCII characters, which a snapshot begins with. */
export const MARK_BYTES = markOf({ epoch: 0, revision: 0 }).length

/** Orders snapshots of one log as their states, by comparing texts. */
export function markOf(at: { readonly epoch: number; readonly revision: number }): string {
  const digits = (count: number): string => String(count).padStart(16, '0')
  return `halyard-snapshot-${VERSION} ${digits(at.epoch)}-${digits(at.revision)}\n`
}

/** The mark that bytes begin with; '' for what is no snapshot of this version. */
export function markIn(bytes: Buffer): string {
  const start = bytes.toString('latin1', 0, MARK_BYTES)
  return MARK.test(start) ? start : ''
}

/** The name that a log's snapshot stands under, fit for a file. */
export function nameOf(log: LogId): string {
  return `${log}.v${VERSION}`
}

/** The log that a name is for; undefined where it is none of this version's. */
export function logOf(name: string): LogId | undefined {
  return name.endsWith(`.v${VERSION}`) ? name.slice(0, name.lastIndexOf('.')) : undefined
}
