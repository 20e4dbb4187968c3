/** The kill switch: kills, says how far that has come, and ends kills. */
import { setTimeout as sleep } from 'node:timers/promises'
import { kill, unkill } from '../../domain/kills.ts'
import { Problem } from '../../domain/problem.ts'
import { isComplete } from '../../live/delivery/account.ts'
import type { AskedKill } from '../../live/delivery/delivery.ts'
import type { Live } from '../../live/live.ts'
import { tellArchived } from '../archived.ts'
import type { Handlers, World } from '../call.ts'
import { findEnvironment } from '../find.ts'
import { type KillCaller, killAndTell } from '../killing.ts'
import type { Pieces } from '../pieces.ts'
import { commit, outcomeOf } from '../write.ts'

/** From one look at a status that is followed to the next, and how long that goes on, milliseconds. */
const STATUS_MS = 200
const STREAMED_MS = 600_000

type At = { readonly project: string; readonly env: string; readonly flag: string }

/** Kills one flag, and answers as the endpoints do. */
export async function killFlag(call: KillCaller & { readonly params: At }, world: World) {
  const { live } = world
  const { flag } = call.params
  const environment = findEnvironment(live, call.manager, call.params)
  const { status, result, told } = await killAndTell(world, call, {
    environment,
    edit: (ids) => kill(environment.id, flag, { comment: call.comment, ids }),
    stands: ({ kill: { id } }) => ({ flag, id }),
  }).catch(tellArchived(live, environment, flag))
  const { already, ...killed } = result
  return { status, body: { ...killed, ...(already ? { already } : {}), ...told } }
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
