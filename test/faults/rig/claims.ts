/**
 * What answers to kills claim of their delivery (G5), held against what the rig knows: when each client came to serve
 * what, whose stream was open, which server was up, and by which state it answered. Pure. Only what cannot be true is
 * found: whoever has applied a kill and is still waited for has merely not been heard yet.
 */
import { compareStates } from '@halyard/sdk/core'
import type { Hearing, KillSeen, Position, Streaming } from './apps.ts'
import type { Served } from './evaluations.ts'
import type { Life } from './fleet.ts'
import { isJournaled, type KillAnswer } from './writer.ts'

export type Claim = {
  readonly flag: string
  /** When it was first asked for, and when it was answered, on the clock of all processes. */
  readonly sentAt: number
  readonly answeredAt: number
  readonly status: number | string
  readonly answer: KillAnswer
  /** Nothing was injected yet. */
  readonly inHealth: boolean
}

export type Known = {
  /** Names of all clients there ever were, those of a row's own among them. */
  readonly clients: readonly string[]
  /** Of them, those of a release of the past: they give servers another name, and acknowledge nothing. */
  readonly past: readonly string[]
  readonly heard: readonly Hearing[]
  readonly kills: readonly KillSeen[]
  readonly streams: readonly Streaming[]
  readonly servers: readonly { readonly name: string; readonly lives: readonly Life[] }[]
  readonly served: readonly Served[]
}

type Report = Required<Pick<KillAnswer, 'servers' | 'sdks' | 'pollers'>>

/** So long must a stream have been open for its server to know of it, milliseconds. */
const SETTLED_MS = 1_000
/** So long may servers need to know of each other, and clients to find another one, milliseconds. */
const KNOWN_MS = 10_000
/** Kills that the database took sooner were not accepted without it before, milliseconds. */
const LOG_ALONE_MS = 250
/** A report names no more than these. */
const MOST_NAMED = 1_000
/** Latencies are told to two digits. */
const ROUNDED = 1.06

/** Each claim that is false, in words; of one answer perhaps several. */
export function falseClaims(claims: readonly Claim[], known: Known): readonly string[] {
  const look = eyesOf(known)
  return claims.flatMap((claim) => {
    const { servers, sdks, pollers, already } = claim.answer
    if (servers === undefined || sdks === undefined || pollers === undefined) return []
    const report = { servers, sdks, pollers }
    const faults = [...ofItself(claim, report), ...ofServers(claim, report, known)]
    // What a second kill says is told of the first, whose revision is not said.
    if (already !== true) faults.push(...ofClients(claim, report, look, known))
    return faults.map((fault) => `the kill of ${claim.flag} as ${claim.answer.revision}: ${fault}`)
  })
}

/** Whether it says anything of its delivery. */
export function claimsDelivery({ answer }: Pick<Claim, 'answer'>): boolean {
  return answer.servers !== undefined
}

function ofItself({ sentAt, answeredAt, status, answer }: Claim, { servers, sdks }: Report): string[] {
  const { live, applied, refused, missing } = servers
  const { waiting, p50Ms = 0, p99Ms = 0 } = sdks
  const unnamed = sdks.known - sdks.applied - waiting.length
  return [
    ...when(applied + refused.length + missing.length !== live, `servers do not add up: ${told(servers)}`),
    ...when(status === 200 && applied !== live, 'it is answered 200, and servers are waited for'),
    ...when(
      unnamed < 0 || (unnamed > 0 && waiting.length < MOST_NAMED),
      `of ${sdks.known} SDKs ${sdks.applied} have applied it, and ${waiting.length} are waited for`,
    ),
    ...when(
      new Set(waiting.map(({ instance }) => instance)).size < waiting.length,
      'somebody is waited for twice',
    ),
    // A second kill is told of the first, which began before.
    ...when(
      p50Ms > p99Ms || (answer.already !== true && p99Ms > ROUNDED * (answeredAt - sentAt) + 1),
      `it took ${p50Ms} to ${p99Ms} ms, ${answeredAt - sentAt} ms after it was sent`,
    ),
  ]
}

function ofServers(claim: Claim, { servers }: Report, { servers: all, served }: Known): string[] {
  const { sentAt, answeredAt, answer, inHealth } = claim
  const members = all
    .map(({ name, lives }) => ({ name, lives: lives.filter(({ past }) => !past) }))
    .filter(({ lives }) => lives.length > 0)
  const lives = members.flatMap((member) => member.lives.map((life) => ({ ...life, name: member.name })))
  const wereUp = lives.filter(({ from, to }) => from < answeredAt && to > sentAt)
  // Of one that began while nobody could be told of it, nobody need know.
  const longUp = members.flatMap(({ name, lives: [life] }) =>
    life !== undefined && life.from < sentAt - KNOWN_MS && life.leaving > answeredAt
      ? [{ ...life, name }]
      : [],
  )
  const logAlone = answeredAt - sentAt < LOG_ALONE_MS
  const late =
    servers.applied === servers.live && !isJournaled(answer)
      ? served.filter(
          ({ target, epoch, revision, at, flag, killed }) =>
            epoch === answer.epoch &&
            revision < answer.revision &&
            at > answeredAt &&
            // A server may have it as one without a revision, by an older state.
            (logAlone || (flag === claim.flag && !killed)) &&
            longUp.some(({ name, leaving }) => name === target && at < leaving),
        )
      : []
  return [
    ...when(
      servers.applied > wereUp.length,
      `${servers.applied} servers have applied it, and ${wereUp.length} were up`,
    ),
    ...when(servers.live < longUp.length, `${servers.live} servers are live, and ${longUp.length} are`),
    ...when(inHealth && servers.live !== members.length, `in health, ${servers.live} servers are live`),
    ...late
      .slice(0, 1)
      .map(({ target, revision }) => `all servers have it, and then ${target} answers by ${revision}`),
  ]
}

function ofClients(claim: Claim, { servers, sdks, pollers }: Report, look: Eyes, known: Known): string[] {
  const { sentAt, answeredAt, answer, flag } = claim
  const { clients, past, servers: members } = known
  const have = new Set(
    clients.filter(
      (client) =>
        look.sawKill(client, flag, sentAt, answeredAt) ||
        (!isJournaled(answer) && look.held(client, answer, answeredAt)),
    ),
  )
  const named = new Map(sdks.waiting.map((one) => [nameOf(one.instance), one]))
  const followed = clients.filter(
    (client) => !past.includes(client) && look.streamed(client, sentAt - SETTLED_MS, answeredAt),
  )
  const touched = members.some(({ lives }) =>
    lives.some((life) =>
      [life.from, life.leaving, life.to].some((at) => sentAt - KNOWN_MS < at && at < answeredAt),
    ),
  )
  // Nobody knows of those who are connected to an instance that has said nothing, or is of a release that says nothing.
  const silentOnes =
    servers.missing.length + servers.refused.length > 0 ||
    members.some(({ lives }) => lives.some((life) => life.past && life.from < answeredAt && life.to > sentAt))
  const isKnown = ({ instance }: Report['sdks']['waiting'][number]) => clients.includes(nameOf(instance))
  const unknown = sdks.waiting.filter((one) => !isKnown(one))
  const forgotten =
    silentOnes || touched ? [] : followed.filter((client) => !have.has(client) && !named.has(client))
  return [
    ...when(
      sdks.applied > have.size,
      `${sdks.applied} SDKs have applied it, and ${have.size} had come to hold it`,
    ),
    ...when(pollers.applied > have.size, `${pollers.applied} pollers have applied it, and ${have.size} had`),
    ...when(sdks.known > clients.length, `${sdks.known} SDKs are known, and there are ${clients.length}`),
    ...when(
      !silentOnes && !touched && sdks.known < followed.length,
      `${sdks.known} SDKs are known, and ${followed.length} streams were open all along`,
    ),
    ...forgotten.slice(0, 1).map((client) => `${client} does not hold it, and is not named`),
    // Each of another name may be one of the past.
    ...unknown.slice(past.length).map(({ instance }) => `it waits for ${instance}, whom nobody knows`),
    ...sdks.waiting.flatMap((one) => {
      const { instance, epoch = 0, revision } = one
      const at = { epoch, revision }
      const was = look.newest(nameOf(instance), answeredAt)
      return [
        ...when(
          !isJournaled(answer) && compareStates(at, answer) >= 0,
          `it waits for ${instance}, who is said to be at ${tag(at)}`,
        ),
        ...when(
          isKnown(one) && compareStates(at, was) > 0,
          `${instance} is said to be at ${tag(at)}, and was at ${tag(was)}`,
        ),
      ]
    }),
  ]
}

/** A client's name, without what was added to it. */
const nameOf = (instance: string): string => instance.replace(/-[^-]*$/, '')

const when = (wrong: boolean, fault: string): string[] => (wrong ? [fault] : [])
const tag = ({ epoch, revision }: Position): string => `${epoch}-${revision}`
const told = (servers: Report['servers']): string => JSON.stringify(servers)

const NOTHING: Position = { epoch: 0, revision: 0 }

type Eyes = ReturnType<typeof eyesOf>

/** What each client did when. */
function eyesOf({ heard, kills, streams }: Known) {
  const heardBy = grouped(heard)
  const killsSeenBy = grouped(kills)
  const streamsOf = grouped(streams)
  /** What it held at most until then. */
  const newest = (client: string, by: number): Position =>
    (heardBy.get(client) ?? [])
      .filter(({ at }) => at <= by)
      .reduce<Position>((best, one) => (compareStates(one, best) > 0 ? one : best), NOTHING)
  return {
    newest,
    held: (client: string, position: Position, by: number): boolean =>
      compareStates(newest(client, by), position) >= 0,
    sawKill: (client: string, flag: string, from: number, by: number): boolean =>
      (killsSeenBy.get(client) ?? []).some(
        (one) => one.flag === flag && one.killed && from <= one.at && one.at <= by,
      ),
    /** Its stream was open from then until then, without an end between. */
    streamed(client: string, from: number, by: number): boolean {
      const all = streamsOf.get(client) ?? []
      return (
        all.findLast(({ at }) => at < from)?.open === true && !all.some(({ at }) => from <= at && at <= by)
      )
    },
  }
}

function grouped<T extends { readonly client: string }>(
  all: readonly T[],
): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>()
  for (const one of all) {
    const group = groups.get(one.client)
    if (group) group.push(one)
    else groups.set(one.client, [one])
  }
  return groups
}
