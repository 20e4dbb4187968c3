/**
 * What all ways to kill have in common: the kill is committed, waited for, and told of with what is known of its
 * delivery. It takes a second at most, unless somebody asks for longer.
 */
import { randomUUID } from 'node:crypto'
import { compareStates, entryOf, type FlagKey } from '@halyard/sdk/core'
import type { Edit } from '../domain/change.ts'
import type { KillIds } from '../domain/kills.ts'
import { minterFrom } from '../domain/mint.ts'
import { isComplete } from '../live/delivery/account.ts'
import type { AskedKill } from '../live/delivery/reports.ts'
import type { Environment, Live } from '../live/live.ts'
import type { Call, Manager, World } from './call.ts'
import { commit, outcomeOf } from './write.ts'

/** From the arrival of the request's connection, milliseconds: so that the answer comes within a second. */
const ANSWERED_MS = { postgres: 500, journal: 800 }
/** However long the commit took, and also for who does not want to wait. */
const LEAST_WAIT_MS = 100

export type KillCaller = Pick<Call, 'comment' | 'dryRun' | 'idempotency'> & {
  readonly manager: Manager
  /** How long its connection may have waited to be taken, milliseconds. */
  readonly queuedMs?: number
  readonly query: {
    readonly wait?: 'servers' | 'sdks' | 'none' | undefined
    /** Milliseconds. */
    readonly timeout?: number | undefined
  }
}

export type KillOrder<R> = {
  readonly environment: Environment
  /** Writes kills, and nothing else: under these ids. */
  readonly edit: (ids: KillIds) => Edit<R>
  /** One of the kills, which stands for all: they arrive together. Undefined where there is none. */
  readonly stands: (result: R) => { readonly flag: FlagKey; readonly id: string } | undefined
}

/** What the edit came to; `told` is the part of the answer that all kills share. */
export type KillAnswer<R> = {
  readonly status: 200 | 202
  readonly result: R
  readonly told: object
}

/** @throws Problem, those of the edit among them */
export async function killAndTell<R>(
  { live }: World,
  call: KillCaller,
  { environment, edit, stands }: KillOrder<R>,
): Promise<KillAnswer<R>> {
  const arrived = performance.now() - (call.queuedMs ?? 0)
  const committed = await commit(live, call, {
    scope: { path: [environment.id] },
    edit: edit(idsOf(environment, call)),
    environment,
    urgent: true,
  })
  const { result } = committed
  const outcome = outcomeOf(live, call, committed, environment.id)
  const standing = stands(result)
  if (call.dryRun || standing === undefined) return { status: 200, result, told: outcome }
  const asked = askedOf(live, environment, standing)
  const { wait = 'servers', timeout } = call.query
  const { id, flag } = standing
  const durable = live.durabilityOf(environment.id, flag, id) === 'postgres'
  const answeredMs = durable ? ANSWERED_MS.postgres : ANSWERED_MS.journal
  const withinMs = timeout ?? Math.max(LEAST_WAIT_MS, arrived + answeredMs - performance.now())
  const whom = wait === 'sdks' ? 'sdks' : 'servers'
  const report = await live.delivery.settled(asked, whom, wait === 'none' ? LEAST_WAIT_MS : withinMs)
  // By now the log may have what it had not.
  const now = askedOf(live, environment, standing)
  live.delivery.follow(now)
  const durability = live.durabilityOf(environment.id, flag, id)
  live.metrics.killsAnswered[durability][isComplete(report, whom) ? 'complete' : 'partial']++
  return {
    status: wait !== 'none' && isComplete(report, wait) ? 200 : 202,
    result,
    told: {
      ...outcome,
      ...(now.at !== undefined && compareStates(now.at, outcome) > 0 && now.at),
      durability,
      ...report,
      status: statusAddress(environment, id),
    },
  }
}

/** A request that comes again names the same kills again. */
function idsOf(environment: Environment, { manager, idempotency }: KillCaller): KillIds {
  const key = idempotency?.().key
  const seed = key === undefined ? randomUUID() : JSON.stringify([environment.id, manager.keyId, key])
  return (flag) => minterFrom(`${seed} ${flag}`)()
}

/** The kill with the state that has it, if the log has it. */
function askedOf(
  live: Live,
  environment: Environment,
  { flag, id }: { readonly flag: FlagKey; readonly id: string },
): AskedKill {
  const asked = { environment: environment.id, kill: id }
  const state = live.live(environment.id)?.state
  const entry = state && entryOf(state, 'kill', flag)
  const logged = live.durabilityOf(environment.id, flag, id) === 'postgres'
  if (!logged || state === undefined || entry === undefined) return { ...asked, at: undefined }
  return { ...asked, at: { epoch: state.epoch, revision: entry.revision } }
}

function statusAddress({ project, key }: Environment, kill: string): string {
  return `/api/v1/projects/${project.key}/environments/${key}/kills/${kill}`
}
