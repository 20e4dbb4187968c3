/**
 * What goes wrong with snapshots, said once and counted: a shelf that fails, and a snapshot that is not believed.
 * None of it is anybody's failure who only wants to read or to write.
 */
import type { LogId } from '../../domain/change.ts'
import type { Conditions } from '../conditions.ts'
import type { LiveMetrics } from '../metrics.ts'
import { type Refusal, SnapshotRefused } from './form.ts'
import type { Shelf } from './shelf.ts'

/** `older`: behind another shelf that should be behind it. The rest is said where snapshots are read. */
export type SnapshotRefusal = Refusal | 'older'

export type Reports = {
  fails(shelf: Shelf, cause: unknown): void
  works(shelf: Shelf): void
  /** Something stands under the name that is not believed. */
  refused(shelf: Shelf, name: string, cause: unknown): void
  /** What stands under the name is behind another shelf: it was put back there, or the shelf has lost the newer one. */
  older(shelf: Shelf, name: string): void
  /** A log's snapshot could not even be made. */
  notMade(log: LogId, cause: unknown): void
  /** What stands under the name is ours. */
  kept(shelf: Shelf, name: string): void
}

export function createReports(conditions: Conditions, metrics: LiveMetrics): Reports {
  const shelfSubject = ({ name }: Shelf): string => `snapshots on ${name}`
  const subject = (shelf: Shelf, name: string): string => `snapshot ${name} on ${shelf.name}`
  const count = (reason: SnapshotRefusal): void => {
    metrics.snapshotsRefused[reason]++
  }
  return {
    fails(shelf, cause) {
      metrics.snapshotFailures++
      conditions.fail(shelfSubject(shelf), 'snapshots can be neither read nor kept there', cause)
    },
    works: (shelf) => conditions.clear(shelfSubject(shelf)),
    refused(shelf, name, cause) {
      count(cause instanceof SnapshotRefused ? cause.reason : 'unreadable')
      conditions.fail(subject(shelf, name), 'a snapshot is not believed, and ignored', cause)
    },
    older(shelf, name) {
      count('older')
      conditions.fail(
        subject(shelf, name),
        'a snapshot is older than what is known, and ignored',
        new Error('a newer one is known'),
      )
    },
    notMade(log, cause) {
      metrics.snapshotFailures++
      conditions.fail(`snapshot of ${log}`, 'a snapshot could not be made', cause)
    },
    kept: (shelf, name) => conditions.clear(subject(shelf, name)),
  }
}
