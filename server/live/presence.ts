/**
 * Which instances of the service run now. Each tells of itself every few seconds where all can read it, and that it
 * ends; one that went without a word is missed for some minutes, then forgotten. What is read there is for people to
 * look at, and not to be trusted with secrets.
 */
import type { LogId } from '../domain/change.ts'
import { Problem } from '../domain/problem.ts'
import { patience } from '../waiting.ts'
import type { Noticeboard } from './noticeboard.ts'
import type { Peer } from './peers.ts'

/** What an instance is, from its start to its end. */
export type Self = {
  /** Unlike all others'. */
  readonly id: string
  readonly version: string
  /** Where others reach it, if that is known. */
  readonly address?: string | undefined
}

export type Instance = Self & {
  /** When it began, epoch milliseconds. */
  readonly since: number
  /** The environments that it holds, each with the state that it serves. */
  readonly environments: Readonly<Record<LogId, { readonly epoch: number; readonly revision: number }>>
}

/** Times are when it came to be known here, epoch milliseconds. */
export type Seen = { readonly instance: Instance; readonly firstAt: number; readonly at: number }

export type Presence = {
  start(): void
  /** Rejects with `Problem` `unavailable` where the others cannot be asked for: that is no absence. */
  instances(): Promise<readonly Instance[]>
  /**
   * The ids of all that should be there: those that tell of themselves, and those that did in the last minutes and
   * never said that they end. Where the others cannot be asked for in time, as they were known last. Never rejects.
   */
  known(withinMs: number): Promise<readonly string[]>
  own(): Instance
  /** What another told of itself last; undefined where that is long ago. */
  seen(id: string): Seen | undefined
  /** The others of them that said where they are reached, as they were known last. */
  peers(): readonly Peer[]
  /** One of them says directly that it is there. */
  met(instance: Instance): void
  stop(): Promise<void>
}

export type PresenceDeps = {
  /** Undefined: this instance is alone, or knows of no other. */
  readonly board: Noticeboard | undefined
  readonly self: Self
  readonly environments: () => Instance['environments']
  /** Called when the others are known for the first time, who do not know of this one yet. */
  readonly onArrival?: () => void
  /** Epoch milliseconds. */
  readonly clock: { now(): number }
}

const EVERY_MS = 5_000
/** So that two tellings may fail. */
const FOR_MS = 3 * EVERY_MS
/** How long the board is waited for, and after it was late, milliseconds. */
const WAIT = { most: 500, late: 50 }
/** That an instance has ended stands there for so long; one that went without a word is missed for as long. */
const MISSED_MS = 300_000

export function createPresence({ board, self, environments, onArrival, clock }: PresenceDeps): Presence {
  const since = clock.now()
  const soon = patience(WAIT.most, WAIT.late)
  let telling: NodeJS.Timeout | undefined
  /** What is being put up. */
  let saying: Promise<void> = Promise.resolve()
  const own = (): Instance => ({ ...self, since, environments: environments() })
  /** When each was seen last. */
  const seen = new Map<string, Seen>()
  /** Since when the board could be read each time: who was not seen while nobody could be is no less there. */
  let readSince: number | undefined

  function see(instance: Instance, now: number): void {
    seen.set(instance.id, { instance, firstAt: seen.get(instance.id)?.firstAt ?? now, at: now })
  }

  function note(texts: readonly string[]): void {
    const now = clock.now()
    const { running, ended } = readNotes(texts)
    for (const instance of running) see(instance, now)
    for (const id of ended) seen.delete(id)
    readSince ??= now
    for (const [id, { at }] of seen) if (now - Math.max(at, readSince) > MISSED_MS) seen.delete(id)
  }

  async function read(): Promise<readonly string[]> {
    try {
      const texts = (await board?.all()) ?? []
      note(texts)
      return texts
    } catch (cause) {
      readSince = undefined
      throw cause
    }
  }

  /** A failure shows as Redis's condition, and the next telling makes it good. */
  async function tell(): Promise<void> {
    const said = board?.put(self.id, JSON.stringify(own()), FOR_MS).catch(() => undefined)
    saying = saying.then(() => said)
    await said
    await read().catch(() => undefined)
  }

  return {
    start() {
      if (board === undefined || telling !== undefined) return
      telling = setInterval(tell, EVERY_MS)
      tell().then(onArrival)
    },
    async instances() {
      if (board === undefined) return [own()]
      const texts = await read().catch((cause: unknown) => {
        throw new Problem('unavailable', 'The other instances cannot be asked for. Try again.', {
          retryAfter: 1,
          cause,
        })
      })
      const others = readNotes(texts).running.filter(({ id }) => id !== self.id)
      return [own(), ...others.sort((a, b) => a.since - b.since)]
    },
    async known(withinMs) {
      await soon(read(), withinMs)
      return [self.id, ...[...seen.keys()].filter((id) => id !== self.id)]
    },
    own,
    seen: (id) => seen.get(id),
    peers: () =>
      [...seen.values()].flatMap(({ instance: { id, address } }) =>
        id === self.id || address === undefined ? [] : [{ id, address }],
      ),
    met: (instance) => see(instance, clock.now()),
    async stop() {
      clearInterval(telling)
      // Last, or an instance that has ended would be missed.
      await saying
      const farewell = JSON.stringify({ ended: self.id })
      await board?.put(self.id, farewell, MISSED_MS, 'last').catch(() => undefined)
    },
  }
}

/** Each instance once, as it told last, where there are two boards; who has ended on either runs no more. */
function readNotes(texts: readonly string[]) {
  const running = new Map(
    texts.flatMap((text) => readInstance(text) ?? []).map((instance) => [instance.id, instance]),
  )
  const ended = texts.flatMap((text) => readFarewell(text) ?? [])
  for (const id of ended) running.delete(id)
  return { running: [...running.values()], ended }
}

/** What an instance told of itself; undefined for what none did. */
function readInstance(text: string): Instance | undefined {
  let told: unknown
  try {
    told = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof told !== 'object' || told === null) return undefined
  const { id, version, address, since, environments } = told as Readonly<Record<string, unknown>>
  if (typeof id !== 'string' || typeof version !== 'string' || typeof since !== 'number') return undefined
  if (address !== undefined && typeof address !== 'string') return undefined
  if (typeof environments !== 'object' || environments === null) return undefined
  const states = Object.entries(environments as Readonly<Record<string, unknown>>)
  if (!states.every(([, state]) => isState(state))) return undefined
  return {
    id,
    version,
    ...(address !== undefined && { address }),
    since,
    environments: environments as Instance['environments'],
  }
}

/** Of an instance that has ended, its id. */
function readFarewell(text: string): string | undefined {
  try {
    const { ended } = JSON.parse(text) as Readonly<Record<string, unknown>>
    return typeof ended === 'string' ? ended : undefined
  } catch {
    return undefined
  }
}

function isState(state: unknown): boolean {
  if (typeof state !== 'object' || state === null) return false
  const { epoch, revision } = state as Readonly<Record<string, unknown>>
  return typeof epoch === 'number' && typeof revision === 'number'
}
