/**
 * Which instances of the service run now. Each tells of itself every few seconds where all can read it; one that ended
 * or hangs is forgotten by itself. What is read there is for people to look at, and not to be trusted with secrets.
 */
import type { LogId } from '../domain/change.ts'
import { Problem } from '../domain/problem.ts'

/** What an instance is, from its start to its end. */
export type Self = {
  /** Unlike all others'. */
  readonly id: string
  readonly version: string
  /** Where others reach it, if that is configured. */
  readonly address?: string | undefined
}

export type Instance = Self & {
  /** When it began, epoch milliseconds. */
  readonly since: number
  /** The environments that it holds, each with the state that it serves. */
  readonly environments: Readonly<Record<LogId, { readonly epoch: number; readonly revision: number }>>
}

/** Where instances tell of themselves. Every method may reject, and soon. */
export type Noticeboard = {
  /** Puts a text up under the name, in place of what was there, for this many milliseconds. */
  put(name: string, text: string, forMs: number): Promise<void>
  /** What is up now. */
  all(): Promise<readonly string[]>
  remove(name: string): Promise<void>
}

export type Presence = {
  start(): void
  /** Rejects with `Problem` `unavailable` where the others cannot be asked for: that is no absence. */
  instances(): Promise<readonly Instance[]>
  stop(): Promise<void>
}

export type PresenceDeps = {
  /** Undefined: this instance is alone, or knows of no other. */
  readonly board: Noticeboard | undefined
  readonly self: Self
  readonly environments: () => Instance['environments']
  /** Epoch milliseconds. */
  readonly clock: { now(): number }
}

const EVERY_MS = 5_000
/** So that two tellings may fail. */
const FOR_MS = 3 * EVERY_MS

export function createPresence({ board, self, environments, clock }: PresenceDeps): Presence {
  const since = clock.now()
  let telling: NodeJS.Timeout | undefined
  const own = (): Instance => ({ ...self, since, environments: environments() })

  // A failure shows as Redis's condition, and the next telling makes it good.
  const tell = () => board?.put(self.id, JSON.stringify(own()), FOR_MS).catch(() => undefined)

  return {
    start() {
      if (board === undefined || telling !== undefined) return
      telling = setInterval(tell, EVERY_MS)
      tell()
    },
    async instances() {
      if (board === undefined) return [own()]
      const texts = await board.all().catch((cause: unknown) => {
        throw new Problem('unavailable', 'The other instances cannot be asked for. Try again.', {
          retryAfter: 1,
          cause,
        })
      })
      const others = texts.flatMap((text) => readInstance(text) ?? []).filter(({ id }) => id !== self.id)
      return [own(), ...others.sort((a, b) => a.since - b.since)]
    },
    async stop() {
      clearInterval(telling)
      await board?.remove(self.id).catch(() => undefined)
    },
  }
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

function isState(state: unknown): boolean {
  if (typeof state !== 'object' || state === null) return false
  const { epoch, revision } = state as Readonly<Record<string, unknown>>
  return typeof epoch === 'number' && typeof revision === 'number'
}
