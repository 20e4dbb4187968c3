/** The kill switch: kills, says how far that has come, and ends kills. */
import { setTimeout as sleep } from 'node:timers/promises'
import { entryOf, type Kill } from '@halyard/sdk/core'
import type { Endpoints } from '../../contract/index.ts'
import { documentsOf, type Identity } from '../../domain/documents.ts'
import { kill, killFlags, newestOf, notWrittenYet, unkill } from '../../domain/kills.ts'
import { Problem } from '../../domain/problem.ts'
import { isComplete } from '../../live/delivery/account.ts'
import type { AskedKill } from '../../live/delivery/reports.ts'
import type { Environment, Live } from '../../live/live.ts'
import type { Provenance } from '../../store/store.ts'
import { tellArchived } from '../archived.ts'
import type { Call, Handlers, Manager, World } from '../call.ts'
import { findEnvironment, findForKill, heldLog } from '../find.ts'
import { allows } from '../grants.ts'
import { type KillCaller, killAndTell } from '../killing.ts'
import type { Pieces } from '../pieces.ts'
import { unknownKey } from '../problems.ts'
import { commit, outcomeOf } from '../write.ts'

/** From one look at a status that is followed to the next, and how long that goes on, milliseconds. */
const STATUS_MS = 200
const STREAMED_MS = 600_000
/** For how long a key that may only kill can end what it killed, milliseconds. */
const OWN_KILL_MS = 3_600_000

type At = { readonly project: string; readonly env: string; readonly flag: string }

/** Kills one flag, and answers as the endpoints do. */
export async function killFlag(call: KillCaller & { readonly params: At }, world: World) {
  const { live } = world
  const { flag } = call.params
  const environment = await findForKill(live, call.params.project, () =>
    findEnvironment(live, call.manager, call.params),
  )
  const { status, result, told } = await killAndTell(world, call, {
    environment,
    edit: (ids) => kill(environment.id, flag, { comment: call.comment, ids }),
    stands: ({ kill: { id } }) => ({ flag, id }),
  }).catch(tellArchived(live, environment, flag))
  const { already, ...killed } = result
  return { status, body: { ...killed, ...(already ? { already } : {}), ...told } }
}

type Group = ({ readonly tag: string } | { readonly all: true }) & { readonly expect?: number | undefined }

/** The same of a group. */
export async function killGroup(
  call: KillCaller & { readonly params: Omit<At, 'flag'>; readonly body: Group },
  world: World,
) {
  const { body, comment } = call
  const { live } = world
  const { environment, flags } = await findForKill(live, call.params.project, () => {
    const environment = findEnvironment(live, call.manager, call.params)
    return { environment, flags: 'tag' in body ? taggedFlags(live, environment, body.tag) : ('all' as const) }
  })
  if (body.expect === undefined && !call.dryRun) {
    const message = 'Say how many flags that is, so that no other is killed: a dry run tells.'
    throw new Problem('invalid-request', message, { errors: [{ pointer: '/expect', message }] })
  }
  const { status, result, told } = await killAndTell(world, call, {
    environment,
    edit: (ids) => killFlags(environment.id, flags, { comment, ids, expect: body.expect }),
    stands: ({ kills }) => {
      const all = [...kills]
      const [flag, one] = all.find(([, { already }]) => !already) ?? all[0] ?? []
      return flag === undefined || one === undefined ? undefined : { flag, id: one.kill.id }
    },
  })
  const kills = [...result.kills].map(([key, { already, ...killed }]) => ({
    key,
    ...killed,
    ...(already ? { already } : {}),
  }))
  return { status, body: { kills, alsoOff: result.alsoOff, ...told } }
}

/** As the project's log is held: a kill waits for no lock of it, and `expect` shows where it is behind. */
export function taggedFlags(live: Live, { project }: Environment, tag: string): readonly string[] {
  const flags: string[] = []
  const tags = new Set<string>()
  for (const identity of documentsOf<Identity>(heldLog(live, project.id).state, 'identity')) {
    if (identity.deleted || identity.archived !== null) continue
    for (const one of identity.tags) tags.add(one)
    if (identity.tags.includes(tag)) flags.push(identity.key)
  }
  if (flags.length === 0) throw unknownKey('flag-not-found', 'flag with the tag', tag, [...tags])
  return flags
}

type ServedKill = { readonly kill: Kill; readonly written: Provenance | undefined }

/** The flag's kill as this instance serves it, once it has looked whether there is the one that is meant. */
async function servedKill(
  live: Live,
  { id }: Environment,
  flag: string,
  meant: string | undefined,
): Promise<ServedKill | undefined> {
  const look = (): ServedKill | undefined => {
    const { state, provenance } = heldLog(live, id)
    const entry = entryOf(state, 'kill', flag)
    return entry && { kill: entry.definition as Kill, written: provenance.get(entry.revision) }
  }
  const served = look()
  if (served !== undefined && (meant === undefined || newestOf(served.kill).id === meant)) return served
  await live.catchUp(id)
  return look()
}

/** @throws Problem `forbidden` where somebody else killed it, or too long ago */
function refuseOthers(flag: string, { kill, written }: ServedKill, { keyId }: Manager, now: number): void {
  const isOwn = written?.by.id === keyId && kill.also === undefined
  if (isOwn && now - Date.parse(kill.at) <= OWN_KILL_MS) return
  throw new Problem(
    'forbidden',
    `This key may un-kill only what it killed itself within the last hour. The flag ${JSON.stringify(flag)} was killed by ${JSON.stringify(kill.by)} at ${kill.at}.`,
  )
}

async function unkillFlag(call: Call<Endpoints['kills.delete']>, { live, clock }: World) {
  const environment = findEnvironment(live, call.manager, call.params)
  const { flag } = call.params
  const { acceptEdits, kill: meant } = call.query
  await live.settleKills(environment.id)
  const [late] = heldLog(live, environment.id).state.pending.get(flag) ?? []
  if (late !== undefined) throw notWrittenYet(flag, late)
  const served = await servedKill(live, environment, flag, meant)
  const place = { project: environment.project.key, environment: environment.key }
  const seen = served === undefined ? null : newestOf(served.kill).id
  const ownAlone = !allows(call.manager.grants, 'edit', place)
  if (ownAlone && served !== undefined) refuseOthers(flag, served, call.manager, clock.now())
  const committed = await commit(live, call, {
    scope: { path: [environment.id] },
    edit: unkill(environment.id, flag, {
      // What was decided above is decided of the kill that was seen: another one is refused under the lock.
      kill: meant === undefined ? seen : ownAlone && meant !== seen ? null : meant,
      acceptEdits,
      writtenBy: (revision) => {
        const written = heldLog(live, environment.id).provenance.get(revision)
        return written && { at: written.at, by: written.by.name }
      },
    }),
    environment,
  }).catch(tellArchived(live, environment, flag))
  const { ended, editedWhileKilled } = committed.result
  return {
    status: 200 as const,
    body: {
      ...{ key: flag, ended },
      ...(editedWhileKilled.length > 0 && { editedWhileKilled }),
      ...outcomeOf(live, call, committed, environment.id),
    },
  }
}

type Told = NonNullable<Awaited<ReturnType<Live['delivery']['told']>>>

function shownStatus(kill: string, { report, at }: Told) {
  return { kill, complete: isComplete(report, 'sdks'), at: new Date(at).toISOString(), ...report }
}

/**
 * An event at each change, until all have applied the kill, or what is told is as it was kept and changes no more; or
 * until this instance ends: another one tells the rest.
 */
async function* statuses(live: Live, asked: Pick<AskedKill, 'environment' | 'kill'>): Pieces {
  let last = ''
  let at = 0
  const until = performance.now() + STREAMED_MS
  while (performance.now() < until && !live.delivery.leaving) {
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
  'kills.put' | 'kills.post' | 'kills.short' | 'kills.group' | 'kills.status' | 'kills.delete'
> = {
  'kills.put': killFlag,
  'kills.post': killFlag,
  'kills.short': killFlag,
  'kills.group': killGroup,
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
  'kills.delete': unkillFlag,
}
