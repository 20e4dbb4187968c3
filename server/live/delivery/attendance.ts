/**
 * Who is connected to an environment, put together from what each instance said of those that speak to it: pure. Each
 * process counts once, and an instance that did not answer is named.
 */
import { compareStates } from '@halyard/sdk/core'
import type { CallerNames } from '../caller.ts'
import type { Instance } from '../presence.ts'
import type { How, Position } from './roster.ts'

/** A process, as one instance knows it. Short, since there may be ten thousand. */
export type Present = readonly [
  /** Its place in `names`. */
  who: number,
  instance: string,
  epoch: number,
  revision: number,
  how: How,
  /** Since it was heard last, milliseconds. */
  silentMs: number,
  /** The longest time from one poll to the next, milliseconds. */
  everyMs: number,
]

/** What one instance answers when it is asked who is there. */
export type RollCallAnswer = Position & {
  readonly server: Pick<Instance, 'id' | 'version' | 'address' | 'since'>
  readonly refused?: string
  readonly names: readonly (readonly [app: string, version: string, sdk: string])[]
  readonly present: readonly Present[]
  /** Processes beyond those. */
  readonly unnamed: number
  /** Processes that closed there of late: another instance may still believe them away. */
  readonly left: readonly string[]
}

export type ServerPresent = Position & {
  readonly server: string
  readonly version: string
  readonly address?: string
  /** Epoch milliseconds. */
  readonly since: number
  /** Revisions; null where its epoch is another one. */
  readonly behind: number | null
  readonly refused?: string
}

/** One that did not answer. What it told of itself before, where it did. */
export type ServerMissing = {
  readonly server: string
  readonly version?: string
  readonly address?: string
  readonly silentMs?: number
}

export type ProcessPresent = CallerNames &
  Position & {
    readonly instance: string
    /** The instance that knows it best. */
    readonly server: string
    readonly behind: number | null
    readonly how: Exclude<How, 'elsewhere'>
    /** Of those that poll: the longest time from one poll to the next, milliseconds. */
    readonly everyMs?: number
    readonly silentMs: number
  }

export type Counts = {
  readonly processes: number
  /** Of them, those that hold the newest state. */
  readonly current: number
  readonly polling: number
  readonly away: number
}

export type AppPresent = CallerNames &
  Counts & {
    /** The oldest state that one of its processes holds. */
    readonly oldest: Position & { readonly behind: number | null }
  }

export type Attendance = {
  /** The newest state that an instance serves. */
  readonly newest: Position
  readonly servers: readonly ServerPresent[]
  readonly missing: readonly ServerMissing[]
  readonly total: Counts
  /** Those first that have somebody behind. */
  readonly apps: readonly AppPresent[]
  /** The furthest behind first, then the longest silent. */
  readonly processes: readonly ProcessPresent[]
  /** Processes that were counted by nobody's name: an instance has more than it can tell. */
  readonly unnamed: number
}

export function attendanceOf(
  answers: readonly RollCallAnswer[],
  missing: readonly ServerMissing[],
): Attendance {
  const newest = answers.reduce<Position>((best, { epoch, revision }) => later(best, { epoch, revision }), {
    epoch: 0,
    revision: 0,
  })
  const left = new Set(answers.flatMap((answer) => answer.left))
  const byInstance = new Map<string, Known>()
  for (const answer of answers) {
    for (const present of answer.present) {
      const one = processOf(answer, present, newest)
      const known = byInstance.get(one.instance)
      byInstance.set(one.instance, known === undefined ? one : merged(known, one, newest))
    }
  }
  const processes = [...byInstance.values()].filter((one): one is ProcessPresent => {
    // The instance that has its stream did not answer: it is missing, with all who are connected there.
    return one.how !== 'elsewhere' && !(one.how === 'away' && left.has(one.instance))
  })
  return {
    newest,
    servers: answers.map(({ server, epoch, revision, refused }) => ({
      server: server.id,
      version: server.version,
      ...(server.address !== undefined && { address: server.address }),
      since: server.since,
      epoch,
      revision,
      behind: behind({ epoch, revision }, newest),
      ...(refused !== undefined && { refused }),
    })),
    missing,
    total: countsOf(processes),
    apps: appsOf(processes, newest),
    processes: processes.sort(
      (a, b) => compareStates(a, b) || b.silentMs - a.silentMs || (a.instance < b.instance ? -1 : 1),
    ),
    unnamed: answers.reduce((sum, answer) => sum + answer.unnamed, 0),
  }
}

function processOf(
  { server, names }: RollCallAnswer,
  [who, instance, epoch, revision, how, silentMs, everyMs]: Present,
  newest: Position,
): Known {
  const [app = '', version = '', sdk = ''] = names[who] ?? []
  return {
    app,
    version,
    sdk,
    instance,
    server: server.id,
    epoch,
    revision,
    behind: behind({ epoch, revision }, newest),
    how,
    ...(how === 'poll' && { everyMs }),
    silentMs,
  }
}

type Known = Omit<ProcessPresent, 'how'> & { readonly how: How }

const RANK: Readonly<Record<How, number>> = { stream: 3, poll: 2, away: 1, elsewhere: 0 }

/** A process that is known to two instances: where its stream is, else where it was heard last. */
function merged(a: Known, b: Known, newest: Position): Known {
  const order = RANK[a.how] - RANK[b.how] || b.silentMs - a.silentMs
  const best = order >= 0 ? a : b
  const { epoch, revision } = later(a, b)
  return {
    ...best,
    epoch,
    revision,
    behind: behind({ epoch, revision }, newest),
    silentMs: Math.min(a.silentMs, b.silentMs),
  }
}

function appsOf(processes: readonly ProcessPresent[], newest: Position): readonly AppPresent[] {
  const groups = new Map<string, ProcessPresent[]>()
  for (const one of processes) {
    const name = JSON.stringify([one.app, one.version, one.sdk])
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [one])
    else group.push(one)
  }
  const apps = [...groups].map(([name, group]): AppPresent => {
    const [app, version, sdk] = JSON.parse(name) as [string, string, string]
    const { epoch, revision } = group.reduce<Position>((old, one) => earlier(old, one), newest)
    const oldest = { epoch, revision, behind: behind({ epoch, revision }, newest) }
    return { app, version, sdk, ...countsOf(group), oldest }
  })
  const isBehind = ({ processes: all, current }: AppPresent): number => (all > current ? 0 : 1)
  return apps.sort(
    (a, b) => isBehind(a) - isBehind(b) || b.processes - a.processes || (nameOf(a) < nameOf(b) ? -1 : 1),
  )
}

const nameOf = ({ app, version, sdk }: CallerNames): string => `${app} ${version} ${sdk}`

function countsOf(processes: readonly ProcessPresent[]): Counts {
  const count = (of: (one: ProcessPresent) => boolean): number => processes.filter(of).length
  return {
    processes: processes.length,
    current: count((one) => one.behind === 0),
    polling: count(({ how }) => how === 'poll'),
    away: count(({ how }) => how === 'away'),
  }
}

/** One that is ahead of all instances that answered is not behind. */
function behind(at: Position, newest: Position): number | null {
  if (compareStates(at, newest) >= 0) return 0
  return at.epoch === newest.epoch ? newest.revision - at.revision : null
}

const later = (a: Position, b: Position): Position => (compareStates(a, b) >= 0 ? a : b)
const earlier = (a: Position, b: Position): Position => (compareStates(a, b) <= 0 ? a : b)
