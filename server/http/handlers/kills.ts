/** The kill switch: kills, says how far that has come, and ends kills. */
import { setTimeout as sleep } from 'node:timers/promises'
import { entryOf } from '@halyard/sdk/core'
import { kill, unkill } from '../../domain/kills.ts'
import { Problem } from '../../domain/problem.ts'
import { isComplete } from '../../live/delivery/account.ts'
import type { AskedKill } from '../../live/delivery/delivery.ts'
import type { Environment, Live } from '../../live/live.ts'
import { tellArchived } from '../archived.ts'
import type { Call, Handlers, World } from '../call.ts'
import { findEnvironment } from '../find.ts'
import type { Pieces } from '../pieces.ts'
import { commit, outcomeOf } from '../write.ts'

/** From the request's arrival, milliseconds: so that the answer comes within a second. */
const ANSWERED_MS = 500
/** However long the commit took, and also for who does not want to wait. */
const LEAST_WAIT_MS = 100
/** From one look at a status that is followed to the next, and how long that goes on, milliseconds. */
const STATUS_MS = 200
const STREAMED_MS = 600_000

type At = { readonly project: string; readonly env: string; readonly flag: string }
type KillCall = Pick<Call, 'manager' | 'comment' | 'dryRun' | 'idempotency'> & {
  readonly params: At
  readonly query: {
    readonly wait?: 'servers' | 'sdks' | 'none' | undefined
    readonly timeout?: number | undefined
  }
}

async function killFlag(call: KillCall, { live }: World) {
  const arrived = performance.now()
  const environment = findEnvironment(live, call.manager, call.params)
  const { flag } = call.params
  const committed = await commit(live, call, {
    scope: { path: [environment.id] },
    edit: kill(environment.id, flag, { comment: call.comment }),
    environment,
    urgent: true,
  }).catch(tellArchived(live, environment, flag))
  const { already, ...killed } = committed.result
  const body = {
    ...killed,
    ...(already ? { already } : {}),
    ...outcomeOf(live, call, committed, environment.id),
  }
  if (call.dryRun) return { status: 200 as const, body }
  const asked = askedOf(live, environment, flag, killed.kill.id)
  const { wait = 'servers', timeout } = call.query
  const withinMs = timeout ?? Math.max(LEAST_WAIT_MS, arrived + ANSWERED_MS - performance.now())
  const report = await live.delivery.settled(
    asked,
    wait === 'sdks' ? 'sdks' : 'servers',
    wait === 'none' ? LEAST_WAIT_MS : withinMs,
  )
  live.delivery.follow(asked)
  return {
    status: wait !== 'none' && isComplete(report, wait) ? (200 as const) : (202 as const),
    body: { ...body, durability: 'postgres', ...report, status: statusAddress(environment, killed.kill.id) },
  }
}

/** The kill with the state that has it. */
function askedOf(live: Live, environment: Environment, flag: string, id: string): AskedKill {
  const state = live.live(environment.id)?.state
  const entry = state && entryOf(state, 'kill', flag)
  const at = state && entry && { epoch: state.epoch, revision: entry.revision }
  return { environment: environment.id, kill: id, at }
}

function statusAddress({ project, key }: Environment, kill: string): string {
  return `/api/v1/projects/${project.key}/environments/${key}/kills/${kill}`
}

type Told = NonNullable<Awaited<ReturnType<Live['delivery']['told']>>>

function shownStatus(kill: string, { report, at }: Told) {
  return { kill, complete: isComplete(report, 'sdks'), at: new Date(at).toISOString(), ...report }
}

/** An event at each change, until all have applied the kill, or what is told is as it was kept and changes no more. */
async function* statuses(live: Live, asked: Pick<AskedKill, 'environment' | 'kill'>): Pieces {
  let last = ''
  let at = 0
  const until = performance.now() + STREAMED_MS
  while (performance.now() < until) {
    const told = await live.delivery.told(asked)
    if (told === undefined) return
    const text = JSON.stringify(told.report)
    const status = shownStatus(asked.kill, told)
    if (text !== last) yield `event: status\ndata: ${JSON.stringify(status)}\n\n`
    if (status.complete || told.at === at) return
    last = text
    at = told.at
    await sleep(STATUS_MS)
  }
}

export const killHandlers: Handlers<
  'kills.put' | 'kills.post' | 'kills.short' | 'kills.status' | 'kills.delete'
> = {
  'kills.put': killFlag,
  'kills.post': killFlag,
  'kills.short': killFlag,
  'kills.status': async ({ params, manager, accept }, { live }) => {
    const environment = findEnvironment(live, manager, params)
    const asked = { environment: environment.id, kill: params.kill }
    let told = await live.delivery.told(asked)
    if (told === undefined) {
      // Another instance may have taken it a moment ago.
      await live.catchUp(environment.id)
      told = await live.delivery.told(asked)
    }
    if (told === undefined) {
      throw new Problem('kill-not-found', 'Nothing is known here of a kill of this id.')
    }
    if (accept?.includes('text/event-stream')) {
      return { status: 200, body: statuses(live, asked), mediaType: 'text/event-stream' }
    }
    return { status: 200, body: shownStatus(params.kill, told) }
  },
  'kills.delete': async (call, { live }) => {
    const environment = findEnvironment(live, call.manager, call.params)
    const { flag } = call.params
    const committed = await commit(live, call, {
      scope: { path: [environment.id] },
      edit: unkill(environment.id, flag),
      environment,
    }).catch(tellArchived(live, environment, flag))
    const { ended } = committed.result
    return { status: 200, body: { key: flag, ended, ...outcomeOf(live, call, committed, environment.id) } }
  },
}
