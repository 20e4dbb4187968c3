/**
 * What an instance says of itself: whether it serves, what its dependencies do, and which state of each environment it
 * holds. Reads what the room's parts know, and keeps nothing.
 */
import type { FlagKey, State } from '@halyard/sdk/core'
import type { LogId } from '../domain/change.ts'
import { type EpochDocument, openingOf } from '../domain/epochs.ts'
import type { Store } from '../store/store.ts'
import { subjectOf } from './catch-up.ts'
import type { Conditions } from './conditions.ts'
import type { Directory } from './directory.ts'
import { type HeldEnvironment, isEnvironment } from './held-log.ts'
import type { Hub } from './hub.ts'
import type { Environment, Source } from './live.ts'
import { type Poll, STORE } from './poll.ts'
import type { Instance } from './presence.ts'
import type { RedisLink } from './redis/connect.ts'
import { viewOf } from './view.ts'

export type LiveStatus = {
  readonly ready: boolean
  readonly draining: boolean
  readonly store: {
    readonly ok: boolean
    readonly error?: string
    readonly lastOkAt?: number
    /** It takes no writes; absent where it does. */
    readonly readOnly?: true
  }
  /** Absent without Redis. */
  readonly redis?: { readonly ok: boolean; readonly error?: string }
  readonly environments: readonly {
    readonly environment: string
    readonly epoch: number
    readonly revision: number
    readonly ok: boolean
    readonly error?: string
    /** Absent where no state is held. */
    readonly source?: Source
    /** The database went back within the last day: what came after `found` is lost. */
    readonly wentBack?: EpochDocument
    readonly flagsInError: readonly FlagKey[]
  }[]
}

export type StatusDeps = {
  readonly store: Pick<Store, 'readOnly'>
  readonly hub: Pick<Hub, 'logs'>
  readonly directory: () => Directory
  readonly poll: Pick<Poll, 'loaded' | 'lastOkAt' | 'unloaded'>
  readonly conditions: Pick<Conditions, 'of'>
  readonly redis: Pick<RedisLink, 'status'> | undefined
  /** Epoch milliseconds. */
  readonly clock: { now(): number }
  readonly serves: () => boolean
  readonly draining: () => boolean
}

export type Status = {
  readonly status: () => LiveStatus
  /** What is held of each environment, for other instances to know. */
  readonly environments: () => Instance['environments']
}

/** For how long it shows that the database went back. */
const SHOWN_SECONDS = 24 * 60 * 60

export function createStatus(deps: StatusDeps): Status {
  const { store, hub, directory, poll, conditions, redis, clock, serves, draining } = deps

  const held = (): readonly HeldEnvironment[] => [...hub.logs().values()].filter(isEnvironment)

  /** An epoch is the Unix second at which it was opened. */
  function wentBack(state: State): { readonly wentBack?: EpochDocument } {
    const opening = clock.now() / 1_000 - state.epoch < SHOWN_SECONDS ? openingOf(state) : undefined
    return opening === undefined ? {} : { wentBack: opening }
  }

  function healthOf(id: LogId): { readonly ok: boolean; readonly error?: string } {
    const error = conditions.of(subjectOf(id))
    return error === undefined ? { ok: true } : { ok: false, error }
  }

  return {
    status() {
      const error = conditions.of(STORE)
      const missing = [...poll.unloaded().values()].filter(({ kind }) => kind === 'environment')
      return {
        ready: serves() && !draining(),
        draining: draining(),
        store: {
          ok: poll.loaded && error === undefined,
          ...(error !== undefined && { error }),
          ...(poll.lastOkAt !== undefined && { lastOkAt: poll.lastOkAt }),
          ...(store.readOnly() && { readOnly: true }),
        },
        ...(redis && { redis: redis.status() }),
        environments: [
          ...held().map(({ id, state, compiled, source }) => ({
            environment: viewOf(compiled).flagSetId,
            epoch: state.epoch,
            revision: state.revision,
            ...healthOf(id),
            source,
            ...wentBack(state),
            flagsInError: viewOf(compiled).flagsInError,
          })),
          ...missing.map(({ log: id, epoch, revision }) => ({
            environment: nameOf(directory().environmentById(id)) ?? id,
            epoch,
            revision,
            ...healthOf(id),
            flagsInError: [],
          })),
        ],
      }
    },
    environments: () =>
      Object.fromEntries(
        held().map(({ id, state: { epoch, revision } }) => [id, { epoch, revision }] as const),
      ),
  }
}

function nameOf(environment: Environment | undefined): string | undefined {
  return environment && `${environment.project.key}/${environment.key}`
}
