/**
 * Kills, with the database and without. One that the database does not take in time goes into the journal and to the
 * other instances, is in effect there at once, and is brought into the log when the database is back: exactly once, by
 * whichever instance is first. Nothing but the log ends it.
 */
import { compareStates, type Entry, entryOf, type FlagKey, type Kill, type State } from '@halyard/sdk/core'
import { type Edit, type LogId, type LogView, SYSTEM } from '../../domain/change.ts'
import { MissingLog } from '../../domain/epochs.ts'
import { Problem } from '../../domain/problem.ts'
import { settleKills } from '../../domain/settle-kills.ts'
import type { CommitRequest, Committed, Idempotency } from '../../store/store.ts'
import { inTime, patience } from '../../waiting.ts'
import type { Log } from '../conditions.ts'
import type { HeldEnvironment } from '../held-log.ts'
import type { Hub } from '../hub.ts'
import { singleFlight } from '../single-flight.ts'
import { type AcceptedKills, seal, unseal } from './accepted.ts'
import type { Journal } from './journal.ts'
import type { Spread } from './spread.ts'

/** Where a kill is kept: in the database; on this instance's disk, and in Redis; on this instance's disk. */
export type Durability = 'postgres' | 'journal+redis' | 'journal'

type Request<R> = Omit<CommitRequest<R>, 'known'>

export type Kills = {
  /** Reads what an earlier process accepted, and hears of what others accept. */
  start(): Promise<void>
  /** Kills: rejects as a commit does, but for a database that does not answer. */
  kill<R>(request: Request<R>): Promise<Committed<R>>
  durabilityOf(environment: LogId, flag: FlagKey, kill: string): Durability
  /** What another instance accepted. False where it is not to be believed. */
  receive(sealed: string): Promise<boolean>
  /** The environment is held now. */
  opened(environment: LogId): void
  /** Brings accepted kills of the environment into the log, where the database takes them soon. Never rejects. */
  settle(environment: LogId): Promise<void>
  /** Whether kills wait for the database. */
  readonly waiting: boolean
  stop(): Promise<void>
}

export type KillsDeps = {
  readonly hub: Pick<Hub, 'commit' | 'pend' | 'environment' | 'logs'>
  readonly journal: Journal
  readonly spreads: readonly Spread[]
  /** 32 bytes, for accepted kills alone. */
  readonly key: Buffer
  /** A new random identifier of the alphabet `[a-z0-9]`. */
  readonly mint: () => string
  readonly storeAnswers: () => boolean
  readonly log: Log
  /** Epoch milliseconds. */
  readonly clock: { now(): number }
}

/** How long the database is waited for, while it is known to work and while it is not, milliseconds. */
const PATIENCE_MS = { well: 300, failing: 100 }
/** How long the answer waits for the kill to be shared, and after that was late once, milliseconds. */
const SHARED_MS = { most: 100, late: 30 }
const TICK_MS = 500
/** What is shared may be lost there. */
const SHARE_AGAIN_TICKS = 10
/** How long an edit waits for accepted kills to come into the log first, milliseconds. */
const SETTLED_MS = 300

/** `not-yet`: it is in the log, and not held here; or the log does not take it. `away`: the database does not answer. */
type Settling = 'settled' | 'not-yet' | 'away'

type Kept = { readonly accepted: AcceptedKills; readonly sealed: string; shared: boolean }

export function createKills(deps: KillsDeps): Kills {
  const { hub, journal, spreads, key, mint, storeAnswers, log, clock } = deps
  const waiting = new Map<string, Kept>()
  const shared = patience(SHARED_MS.most, SHARED_MS.late)
  const listening: Promise<() => Promise<void>>[] = []
  let ticking: NodeJS.Timeout | undefined
  let ticks = 0

  function hold({ environment, kills }: AcceptedKills): void {
    hub.pend(environment, listed(kills), [])
  }

  async function share(kept: Kept): Promise<void> {
    const { id } = kept.accepted
    const sent = spreads.map(async (spread) => {
      if ((await spread.send(id, kept.sealed)) === 'kept') kept.shared = true
    })
    await Promise.allSettled(sent)
  }

  /** What was accepted here or elsewhere is on this disk before it counts, and in effect. */
  async function keep(accepted: AcceptedKills, sealed: string): Promise<Kept> {
    const kept = waiting.get(accepted.id) ?? { accepted, sealed, shared: false }
    waiting.set(accepted.id, kept)
    hold(accepted)
    await journal.put(accepted.id, sealed)
    return kept
  }

  async function accept<R>(request: Request<R>, idempotency: Idempotency): Promise<Committed<R>> {
    const environment = request.scope.path.at(-1) ?? ''
    const held = hub.environment(environment)
    if (held === undefined) throw unavailable('This environment is not loaded yet, and the database is away.')
    const { actor, comment } = request
    const now = clock.now()
    const change = run(request.edit, held, { now, actor, comment, mint }, storeAnswers())
    const kills = killsIn(change.edits.get(environment) ?? [])
    // The same request may have been accepted before.
    if (Object.entries(kills).some(([flag, one]) => !isPending(held.state, flag, one))) {
      const { key: name, digest } = idempotency
      const accepted: AcceptedKills = {
        id: mint(),
        environment,
        actor,
        ...(comment !== undefined && { comment }),
        idempotency: { key: name, digest },
        kills,
      }
      const sealed = seal(accepted, key)
      const kept = await keep(accepted, sealed).catch((cause: unknown) => {
        waiting.delete(accepted.id)
        hub.pend(environment, {}, idsOf(accepted))
        throw unavailable('Neither the database nor the journal on the disk takes the kill.', cause)
      })
      log.warn({ environment, kills: idsOf(accepted) }, 'kills were accepted without the database')
      await shared(share(kept))
    }
    return {
      ...{ result: change.result, action: change.action, warnings: change.warnings },
      ...{ provenance: { at: now, by: actor }, deltas: new Map(), opened: [], closed: [] },
      heads: new Map([[environment, held.head]]),
    }
  }

  async function kill<R>(request: Request<R>): Promise<Committed<R>> {
    const idempotency = request.idempotency ?? { key: `kill ${mint()}`, digest: '', fresh: true }
    const attempt = hub.commit({ ...request, idempotency }).then(
      (committed) => ({ committed }),
      (refused: unknown) => ({ refused }),
    )
    const outcome = await inTime(attempt, storeAnswers() ? PATIENCE_MS.well : PATIENCE_MS.failing)
    if (outcome !== undefined && 'committed' in outcome) return outcome.committed
    if (outcome !== undefined && isDecided(outcome.refused)) throw outcome.refused
    // Should the attempt come through after all, it is this very request: the log takes it once.
    return accept(request, idempotency).catch(async (cause: unknown) => {
      // A database that is slow, and not away, may take what is taken nowhere else.
      const late = await attempt
      if ('committed' in late) return late.committed
      throw isDecided(late.refused) ? late.refused : cause
    })
  }

  /** Whether that is the edit's own refusal. A database that is broken, or being restored, has not what it should have. */
  function isDecided(refused: unknown): boolean {
    if (!(refused instanceof Problem) || refused.type === 'unavailable') return false
    return storeAnswers() || !refused.type.endsWith('not-found')
  }

  async function settleOne(accepted: AcceptedKills): Promise<Settling> {
    const { id, environment, actor, comment, idempotency, kills } = accepted
    try {
      const { heads } = await hub.commit({
        scope: { path: [environment] },
        ...{ actor, comment, idempotency },
        edit: settleKills(environment, kills),
        urgent: true,
      })
      // Written, and perhaps not held yet: until then it is pending that keeps the flag off.
      const [held, head] = [hub.environment(environment)?.state, heads.get(environment)]
      const isHeld = held === undefined || head === undefined || compareStates(held, head) >= 0
      return isHeld ? 'settled' : 'not-yet'
    } catch (cause) {
      if (cause instanceof Problem && cause.type === 'environment-not-found') return 'settled'
      if (cause instanceof Problem && cause.type === 'idempotency-key-reused') {
        // It is in the log, of which not enough is kept to answer it again.
        if (cause.cause !== undefined) return 'settled'
        // The key came with another request before, which could not be known when these were accepted.
        const own = `accepted ${id}`
        if (idempotency.key !== own) return settleOne({ ...accepted, idempotency: { key: own, digest: '' } })
      }
      if (isMissing(cause) && isGone(environment)) return 'settled'
      if (isUnavailable(cause)) return 'away'
      log.error({ err: cause, environment }, 'accepted kills cannot be written')
      return 'not-yet'
    }
  }

  /** It came after the backup that was restored: nothing names it any more. */
  const isGone = (environment: LogId): boolean => hub.logs().has(SYSTEM) && !hub.logs().has(environment)

  async function forget({ id, environment, kills }: AcceptedKills): Promise<void> {
    waiting.delete(id)
    // What the log has not now, it has ended, or has no flag for.
    hub.pend(environment, {}, pendingOf(hub.environment(environment)?.state, kills))
    const gone = [journal.remove(id), ...spreads.map((spread) => spread.forget(id))]
    await Promise.allSettled(gone)
    log.info({ environment, flags: Object.keys(kills) }, 'kills that were accepted before are in the log')
  }

  /** What is in the way of one is not in the way of others; a log that cannot be written now is left for later. */
  const settleAll = singleFlight(async () => {
    const away = new Set<LogId>()
    for (const { accepted } of [...waiting.values(), ...orphans()]) {
      if (away.has(accepted.environment)) continue
      const settling = await settleOne(accepted)
      if (settling === 'settled') await forget(accepted)
      else if (settling === 'away') away.add(accepted.environment)
    }
  })

  /** Kills that came with a snapshot, and whose journal is gone. */
  function orphans(): readonly Pick<Kept, 'accepted'>[] {
    const known = new Set([...waiting.values()].flatMap(({ accepted }) => idsOf(accepted)))
    return [...hub.logs().values()].flatMap(({ id: environment, state }) =>
      [...state.pending].flatMap(([flag, kills]) =>
        kills
          .filter(({ id }) => !known.has(id))
          .map((one) => ({ accepted: orphaned(environment, flag, one, mint()) })),
      ),
    )
  }

  async function receive(sealed: string): Promise<boolean> {
    const accepted = unseal(sealed, key)
    if (accepted === undefined) return false
    if (waiting.has(accepted.id) || isKnown(accepted)) return true
    await keep(accepted, sealed)
    return true
  }

  /** Whether the log has all of it, or has ended it. */
  function isKnown({ environment, kills }: AcceptedKills): boolean {
    const state = hub.environment(environment)?.state
    if (state === undefined) return false
    return Object.entries(kills).every(
      ([flag, { id }]) => state.endedKills.has(id) || idsIn(entryOf(state, 'kill', flag)).includes(id),
    )
  }

  function take(sealed: string): void {
    receive(sealed).then(
      (believed) => {
        if (!believed) log.warn({}, 'kills that another instance is said to have accepted are forged')
      },
      (cause: unknown) => log.error({ err: cause }, 'kills of another instance could not be kept here'),
    )
  }

  /** Whoever was out of reach hears of it later; a database that is back takes what waits. */
  function tick(): void {
    const again = ++ticks % SHARE_AGAIN_TICKS === 0
    for (const kept of waiting.values()) if (again || !kept.shared) void share(kept)
    void look().catch(() => undefined)
    if (storeAnswers()) void settle()
  }

  const look = singleFlight(async () => {
    const kept = await Promise.allSettled(spreads.map((spread) => spread.all()))
    for (const read of kept) if (read.status === 'fulfilled') read.value.forEach(take)
  })

  const settle = (): Promise<void> => settleAll().catch(() => undefined)

  return {
    async start() {
      const found = await journal.all().catch((cause: unknown) => {
        log.error({ err: cause }, 'the journal of kills cannot be read')
        return []
      })
      for (const sealed of found) {
        const accepted = unseal(sealed, key)
        if (accepted === undefined) log.warn({}, 'the journal has kills that this installation did not sign')
        else {
          waiting.set(accepted.id, { accepted, sealed, shared: false })
          hold(accepted)
        }
      }
      ticking ??= setInterval(tick, TICK_MS)
      // A start waits for nobody.
      for (const spread of spreads) listening.push(spread.listen(take))
    },
    kill,
    durabilityOf(environment, flag, id) {
      const state = hub.environment(environment)?.state
      if (state !== undefined && idsIn(entryOf(state, 'kill', flag)).includes(id)) return 'postgres'
      const kept = [...waiting.values()].find(({ accepted }) => accepted.kills[flag]?.id === id)
      const open = kept !== undefined || state?.pending.get(flag)?.some((one) => one.id === id)
      if (!open && state !== undefined) return 'postgres'
      return kept?.shared ? 'journal+redis' : 'journal'
    },
    receive,
    opened(environment) {
      for (const { accepted } of waiting.values()) if (accepted.environment === environment) hold(accepted)
    },
    async settle(environment) {
      const pending = hub.environment(environment)?.state.pending.size ?? 0
      if (pending > 0 && storeAnswers()) await inTime(settle(), SETTLED_MS)
    },
    get waiting() {
      return waiting.size > 0
    },
    async stop() {
      clearInterval(ticking)
      await Promise.all(listening.map(async (stop) => (await stop)()))
    },
  }
}

/**
 * An edit on what is held. That something is not there is not known without the database; nor, where it has not
 * answered of late, that a kill of its log is in force: another instance may have reached it, and ended that kill.
 */
function run<R>(
  edit: Edit<R>,
  { id, head, state: held }: HeldEnvironment,
  moment: Parameters<Edit<R>>[1],
  isRecent: boolean,
): ReturnType<Edit<R>> {
  const entries = new Map([...held.entries].filter(([kind]) => isRecent || kind !== 'kill'))
  const view: LogView = { id, kind: head.kind, parent: head.parent, state: { ...held, entries }, bytes: 0 }
  try {
    return edit(new Map([[id, view]]), moment)
  } catch (cause) {
    if (!(cause instanceof Problem) || !cause.type.endsWith('not-found')) throw cause
    throw unavailable(
      `The database does not answer, and this instance has not heard of it: ${cause.message}`,
      cause,
    )
  }
}

type Edits = NonNullable<ReturnType<ReturnType<Edit<unknown>>['edits']['get']>>

function killsIn(edits: Edits): AcceptedKills['kills'] {
  const kills = edits.flatMap(({ kind, key, definition }) =>
    kind === 'kill' && definition !== null ? [[key, definition as unknown as Kill] as const] : [],
  )
  return Object.fromEntries(kills)
}

/** Whether it is in effect without being in the log. */
function isPending({ pending }: State, flag: FlagKey, one: Kill): boolean {
  const ids = [one, ...(one.also ?? [])].map(({ id }) => id)
  return pending.get(flag)?.some(({ id }) => ids.includes(id)) === true
}

const idsOf = ({ kills }: Pick<AcceptedKills, 'kills'>): readonly string[] =>
  Object.values(kills).map(({ id }) => id)

function listed(kills: AcceptedKills['kills']): Readonly<Record<FlagKey, readonly Kill[]>> {
  return Object.fromEntries(Object.entries(kills).map(([flag, one]) => [flag, [one]]))
}

/** Of a kill entry, its own id and those that it took up. */
function idsIn(entry: Entry | undefined): readonly string[] {
  const { id, also = [] } = (entry?.definition ?? {}) as Partial<Kill>
  return [...(id === undefined ? [] : [id]), ...also.map((other) => other.id)]
}

function pendingOf(state: State | undefined, kills: AcceptedKills['kills']): readonly string[] {
  return Object.entries(kills).flatMap(([flag, { id }]) =>
    state?.pending.get(flag)?.some((one) => one.id === id) ? [id] : [],
  )
}

function orphaned(environment: LogId, flag: FlagKey, one: Kill, id: string): AcceptedKills {
  return {
    ...{ id, environment },
    actor: { kind: 'system', id: 'halyard', name: one.by },
    ...(one.comment !== undefined && { comment: one.comment }),
    idempotency: { key: `kill ${one.id}`, digest: '' },
    kills: { [flag]: one },
  }
}

const isMissing = (cause: unknown): boolean => cause instanceof Problem && cause.cause instanceof MissingLog

const isUnavailable = (cause: unknown): boolean => cause instanceof Problem && cause.type === 'unavailable'

const unavailable = (message: string, cause?: unknown): Problem =>
  new Problem(
    'unavailable',
    `${message} As far as is known here, nothing was killed; try again, here or at another instance.`,
    { retryAfter: 1, cause },
  )
