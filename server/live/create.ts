/**
 * Puts the room together: the hub and its poll, the directory, streams, downloads and evaluations. Composes, and
 * decides nothing but when each begins and ends.
 */
import type { LogId } from '../domain/change.ts'
import type { Notice } from '../domain/notice.ts'
import { Problem } from '../domain/problem.ts'
import type { Store } from '../store/store.ts'
import type { StreamLimits } from './admission.ts'
import type { AnswerCache } from './answer-cache.ts'
import { createAuthenticate } from './authenticate.ts'
import { subjectOf } from './catch-up.ts'
import { createConditions, type Log } from './conditions.ts'
import { createDelivery } from './delivery/delivery.ts'
import { createRollCall, type RollCallDeps } from './delivery/roll-call.ts'
import { createDirectory } from './directory.ts'
import { createEvaluations } from './evaluations.ts'
import { createFlagReads } from './flag-reads.ts'
import type { HeldEnvironment } from './held-log.ts'
import { createHub } from './hub.ts'
import { createKeyUses } from './key-uses.ts'
import { createKillLinks } from './kill-link.ts'
import { createKills, type KillsDeps } from './kills/kills.ts'
import { createLadder } from './ladder.ts'
import type { Live } from './live.ts'
import { createLiveMetrics } from './metrics.ts'
import type { Noticeboard } from './noticeboard.ts'
import { createPasts } from './past.ts'
import { createPeers } from './peers.ts'
import { createPoll, STORE } from './poll.ts'
import { createPresence, type Self } from './presence.ts'
import { CALM, createPressure, type Signs } from './pressure.ts'
import type { RedisLink } from './redis/connect.ts'
import { createRing } from './ring.ts'
import { createRulesetDownload } from './ruleset-download.ts'
import { createSdks } from './sdks.ts'
import { type Signal, storeSignal } from './signal.ts'
import { createSnapshots, type SnapshotsConfig } from './snapshots/snapshots.ts'
import { createStatus } from './status.ts'
import { createStreamKeys } from './stream-keys.ts'
import { createStreamTokens } from './stream-token.ts'
import { createStreams } from './streams.ts'
import { followSwaps } from './swaps.ts'
import { createUsage } from './usage.ts'

export type LiveDeps = {
  readonly store: Store
  /** How instances hear of each other; by default as the store has it. */
  readonly signal?: Signal | undefined
  /** Bulk answers that instances share, where they share any. */
  readonly answers?: AnswerCache | undefined
  /** Where instances tell of themselves, if there is such a place, and what this one is. */
  readonly noticeboard?: Noticeboard | undefined
  /** Where they tell how far kills have come. */
  readonly accounts?: Noticeboard | undefined
  /** Where they ask each other who is connected. */
  readonly rollCall?: RollCallDeps['boards']
  /** What becomes of kills while the database is away. */
  readonly killing: Pick<KillsDeps, 'journal' | 'mint'> & {
    /** How they come to other instances, beside the direct way. */
    readonly spreads: KillsDeps['spreads']
    /** Subkeys of the installation's secret: for accepted kills, and for messages between instances. */
    readonly keys: { readonly journal: Buffer; readonly peers: Buffer }
  }
  readonly self: Self
  /** For its health and figures, where there is one. */
  readonly redis?: Pick<RedisLink, 'status' | 'counts'> | undefined
  /** Epoch milliseconds. */
  readonly clock: { now(): number }
  /** From 0 up to 1, as `Math.random`. */
  readonly random: () => number
  /** For stream tokens alone: a subkey of the installation's secret, the same on all its instances. */
  readonly secret: Buffer
  /** The same for links that kill. */
  readonly killLinkSecret: Buffer
  readonly snapshots: SnapshotsConfig
  readonly log: Log
  /** Of this process's health; of one that is never pressed by default. */
  readonly signs?: Signs | undefined
  /** A key that is an administrator's for as long as it is configured. */
  readonly adminKey?: string | undefined
  readonly limits: StreamLimits
  /** Milliseconds between two looks at the store's revisions; a second by default. */
  readonly pollMs?: number
  /** For how many days that is kept; 90 by default. */
  readonly usageRetentionDays?: number
}

const TICK_MS = 1_000
const LOOK_MS = 500
/** Between two savings of who used which key, and of what apps told of their evaluations. */
const SAVE_USES_MS = 30_000
const SAVE_USAGE_MS = 10_000
/** Of cached bulk evaluations. */
const CACHE_BYTES = 64 * 2 ** 20

export function createLive(deps: LiveDeps): Live {
  const { store, redis, clock, random, secret, log, adminKey, limits } = deps
  const { pollMs = 1_000, signal = storeSignal(store), signs = CALM } = deps
  const metrics = createLiveMetrics()
  const conditions = createConditions(log)
  const pressure = createPressure({ signs, log, random })
  const ring = createRing()
  const streams = createStreams({
    ring,
    clock,
    random,
    metrics,
    limits,
    pressed: () => pressure.sheds('streams'),
    onFailure: (cause) => log.warn({ err: cause }, 'a stream could not be written and was ended'),
  })
  const hub = createHub({
    store,
    signal: { publish },
    clock,
    conditions,
    metrics,
    watcher: {
      changed: (after, before, delta) => swaps.changed(after, before, delta),
      closed: (gone) => swaps.closed(gone),
    },
    consult: (log) => snapshots.consult(log),
  })
  const directory = createDirectory(() => hub.logs())
  const poll = createPoll({ store, signal, hub, conditions, metrics, clock, random, pollMs })
  const snapshots = createSnapshots(deps.snapshots, {
    logs: hub.logs,
    adopt: hub.adopt,
    conditions,
    metrics,
    random,
  })
  const isWhole = (): boolean => {
    const { complete, projects, environments } = directory.current()
    const all = projects.flatMap((project) => environments(project.id))
    return complete && all.every(({ id }) => hub.held(id) !== undefined)
  }
  const ladder = createLadder({ hub, poll, snapshots, metrics, log, whole: isWhole, random })
  const ruleset = createRulesetDownload(metrics)
  const past = createPasts({ store, held: hub.held, clock })
  const tokens = createStreamTokens(secret, clock)
  const streamKeys = createStreamKeys({ directory: directory.current, tokens, streams, clock })
  const storeAnswers = () => poll.lastOkAt !== undefined && conditions.of(STORE) === undefined
  const usage = createUsage({
    ...{ store, clock, conditions, metrics, storeAnswers },
    retentionDays: deps.usageRetentionDays ?? 90,
  })
  const flagReads = createFlagReads({ store, clock, storeAnswers })
  const evaluations = createEvaluations({
    clock,
    metrics,
    counted: usage.evaluated,
    streamToken: tokens.mint,
    cacheBytes: CACHE_BYTES,
    shared: deps.answers,
  })
  const keyUses = createKeyUses({ store, clock, conditions, storeAnswers })
  const sdks = createSdks({ directory: directory.current, keyUses, clock })
  const authenticate = createAuthenticate({
    directory: directory.current,
    adminKey,
    clock,
    loaded: ladder.serves,
    confirmed: () => poll.loaded,
    storeAnswers,
    refresh: poll.refresh,
  })
  const killLinks = createKillLinks({
    secret: deps.killLinkSecret,
    keys: authenticate,
    directory: directory.current,
    refresh: poll.refresh,
    clock,
  })
  /** The poll would find it, too. Where Redis fails, others are told directly: a kill should not wait for that. */
  function publish(notice: Notice): void {
    signal.publish(notice)
    if (redis?.status().ok === false) peers.notify(notice)
  }
  let draining = false
  const { status, environments } = createStatus({
    store,
    hub,
    directory: directory.current,
    poll,
    conditions,
    redis,
    clock,
    serves: ladder.serves,
    draining: () => draining,
  })
  const presence = createPresence({
    ...{ board: deps.noticeboard, self: deps.self, environments, clock },
    onArrival: () => peers.greet(),
  })
  const peers = createPeers({
    ...{ peers: presence.peers, self: presence.own, onPeer: presence.met },
    key: deps.killing.keys.peers,
    needed: () => kills.waiting,
    account: () => delivery.account(),
    answer: (question) => rollCall.answer(question),
    onNotice: poll.notice,
    onKills: (sealed) => kills.receive(sealed),
    clock,
  })
  const kills = createKills({
    ...{ hub, storeAnswers, log, clock },
    ...{ journal: deps.killing.journal, mint: deps.killing.mint, key: deps.killing.keys.journal },
    spreads: [...deps.killing.spreads, peers.spread],
  })
  const delivery = createDelivery({
    board: deps.accounts,
    direct: peers.accounts,
    presence,
    held: (id) => hub.environment(id)?.state,
    refusal: (id) => conditions.of(subjectOf(id)),
    store,
    onLoss: (cause) => log.warn({ err: cause }, 'the report of a kill could not be kept'),
    metrics,
    clock,
  })
  const swaps = followSwaps({ snapshots, directory, ring, kills, delivery, streams, streamKeys })
  const rollCall = createRollCall({
    boards: deps.rollCall,
    direct: peers.ask,
    presence,
    roster: delivery.roster,
    ask: streams.ask,
    windowMs: delivery.windowMs,
    held: (id) => hub.environment(id)?.state,
    refusal: (id) => conditions.of(subjectOf(id)),
    clock,
  })
  let ticking: NodeJS.Timeout | undefined
  let saving: NodeJS.Timeout | undefined
  let savingUsage: NodeJS.Timeout | undefined
  let looking: NodeJS.Timeout | undefined

  function tick(): void {
    streams.tick()
    streamKeys.sweep()
  }

  /** The environment as held; a Problem where it could not be loaded: that is no absence. */
  function liveEnvironment(id: LogId): HeldEnvironment {
    const held = hub.environment(id)
    if (held !== undefined) return held
    throw notLoaded('environment')
  }

  return {
    metrics,
    ...(redis && { redis: redis.counts }),
    async start(prepare = async () => {}) {
      ticking ??= setInterval(tick, TICK_MS)
      looking ??= setInterval(pressure.look, LOOK_MS)
      saving ??= setInterval(() => void keyUses.save(), SAVE_USES_MS)
      savingUsage ??= setInterval(() => void usage.save(), SAVE_USAGE_MS)
      presence.start()
      delivery.start()
      rollCall.start()
      await kills.start()
      await ladder.start(prepare)
    },
    async commit(request) {
      if (request.urgent && !request.dryRun) return kills.kill(request)
      // An edit sees what was killed while the database was away.
      await kills.settle(request.scope.path.at(-1) ?? '')
      return hub.commit(request)
    },
    settleKills: kills.settle,
    durabilityOf: kills.durabilityOf,
    admits: peers.admits,
    receive: peers.receive,
    projects: () => directory.current().projects,
    project(key) {
      const { project, unheld } = directory.current()
      if (unheld.has(key)) throw notLoaded('project')
      return project(key)
    },
    environments: (project) => directory.current().environments(project.id),
    environment: (project, environment) => directory.current().environment(project, environment),
    authenticate,
    recognise: authenticate.recognise,
    makeKillLink: killLinks.make,
    openKillLink: killLinks.open,
    adminConfigured: adminKey !== undefined,
    keyUses,
    usage,
    flagUsage: store.usage,
    readersOf: store.readersOf,
    flagReads,
    sdks,
    held: hub.held,
    live: hub.environment,
    past,
    changes: store.changes,
    async catchUp(id) {
      try {
        await hub.catchUp(id)
      } catch (cause) {
        if (cause instanceof Problem) throw cause
        throw new Problem('unavailable', 'The database does not answer. Try again.', { retryAfter: 1, cause })
      }
    },
    ruleset: async (environment, encoding) => ruleset(liveEnvironment(environment).state, encoding),
    openStream(environment, keyId, lastEventId, sink) {
      const stream = streams.openServer(liveEnvironment(environment), keyId, lastEventId, sink)
      // Another instance was sooner: what it sent is there to be read. A failure is the log's condition.
      if (stream.ahead) hub.catchUp(environment).catch(() => undefined)
      return stream
    },
    openRefetchStream(environment, keyId, scope, sink, lastEventId) {
      return streams.openRefetch(liveEnvironment(environment), keyId, scope, lastEventId, sink)
    },
    streams: streams.counts,
    evaluate: (environment, flag, context) =>
      evaluations.evaluate(liveEnvironment(environment), flag, context),
    answer: (environment, scope, flag, context, caller) =>
      evaluations.answer(liveEnvironment(environment), scope, flag, context, caller),
    evaluateAll: (environment, principal, context, knows) =>
      evaluations.evaluateAll(liveEnvironment(environment), principal, context, knows),
    streamToken: tokens.mint,
    verifyStreamToken: streamKeys.bearer,
    status,
    instances: presence.instances,
    delivery,
    rollCall: rollCall.of,
    pressure,
    retire() {
      draining = true
    },
    async drain() {
      draining = true
      delivery.leave()
      await streams.drain()
    },
    async close() {
      clearInterval(ticking)
      clearInterval(looking)
      clearInterval(saving)
      clearInterval(savingUsage)
      streams.endAll()
      ladder.stop()
      rollCall.stop()
      await poll.stop()
      await Promise.all([
        ...[keyUses.save(), usage.save(), snapshots.close()],
        ...[delivery.stop(), presence.stop(), kills.stop()],
      ])
    },
  }
}

const notLoaded = (what: 'project' | 'environment') =>
  new Problem('unavailable', `The state of this ${what} is not loaded yet. Try again.`, { retryAfter: 1 })
