/**
 * `halyard drill`: kills a flag that nobody uses, waits for everyone to say that they applied it, and un-kills it again.
 * So it is known before the incident whether a kill would arrive, and how soon.
 */
import { type Api, apiOf, at, Refused, URGENT } from './api.ts'
import { type Command, type Edge, EXIT, type Given, Refusal, reasonOf } from './command.ts'
import { ago, count, type Delivered, deliveryLines, isEverywhere } from './delivered.ts'
import type { Delivery } from './delivery.ts'
import { environmentsOf } from './flags.ts'
import { oneLine, paintFor, show } from './output.ts'
import { projectOf } from './settings.ts'
import type { Kill, Outcome } from './shapes.ts'
import { timeoutOf } from './timeout.ts'

export const DRILL_FLAG = 'halyard-drill'

/** `partial`: not everyone has said in time that they applied it. `accepted`: in a journal. */
type Result = 'applied' | 'partial' | 'accepted' | 'busy' | 'failed'

type Drilled = {
  readonly environment: string
  readonly result: Result
  /** Why not, in a sentence. */
  readonly error?: string
  /** A drill that had died left the flag killed; this one has un-killed it first. */
  readonly recovered?: true
  readonly revision?: number
  readonly unkill?: {
    readonly revision: number
    /** From its answer until all who are connected said that they hold it, milliseconds; absent where not all did. */
    readonly servedMs?: number
    readonly servers: { readonly live: number; readonly applied: number }
    readonly sdks: { readonly known: number; readonly applied: number }
  }
} & Partial<Delivered>

type Killed = Outcome & { readonly kill: Kill; readonly already?: true } & Partial<Delivered>

/** How a drill of several environments ends: the worst. */
const ENDS: Readonly<Record<Result, number>> = {
  applied: EXIT.done,
  partial: EXIT.partly,
  accepted: EXIT.accepted,
  busy: EXIT.failed,
  failed: EXIT.failed,
}
const WORST: readonly Result[] = ['failed', 'busy', 'accepted', 'partial', 'applied']

const TIMEOUT = { least: 100, usual: 10_000, most: 60_000 }
/** From one look at how far it has come to the next, milliseconds. */
const LOOK_MS = 250
/** A drill that began before this has died: the longest takes less, milliseconds. */
const DIED_MS = 180_000

export const drillCommand: Command = {
  summary: 'Kill a flag that nobody uses, see whom that reaches and how fast, and un-kill it',
  operands: ['[environment…]'],
  options: {
    env: {
      value: 'key',
      short: 'e',
      help: 'this environment. Without it, and without operands: all of them',
    },
    timeout: {
      value: 'time',
      help: 'how long to wait for everyone, such as 5s; 10s by default, 60s at most',
    },
  },
  notes: `The flag is ${DRILL_FLAG}; where it is not there, it is made. Whatever happens, it is un-killed at the end; where that could not be, the next drill does it. While another drill is under way in an environment, nothing is done there; one that began ${ago(DIED_MS)} ago has died, and the next one ends it.`,
  exits: ['partly', 'accepted'],
  async run(edge, given) {
    const api = apiOf(edge, given, URGENT)
    const project = projectOf(edge, given)
    const { timeout } = given.texts
    const timeoutMs = timeout === undefined ? TIMEOUT.usual : timeoutOf(timeout, TIMEOUT)
    const interrupted = edge.interrupted()
    const environments = await environmentsFor(api, given, project)
    await makeSure(api, project)
    const drilled: Drilled[] = []
    for (const environment of environments) {
      if (interrupted.aborted) break
      const one = await drill({ edge, api, project, environment, timeoutMs, interrupted })
      drilled.push(one)
      if (!given.flags.has('json')) edge.say(wordsOf(edge, one), doneText(one))
    }
    const exitCode = interrupted.aborted ? EXIT.failed : endOf(drilled)
    if (given.flags.has('json'))
      show(
        edge,
        given,
        { project, environments: drilled, exitCode },
        () => '',
        drilled.map(doneText).join('; '),
      )
    if (interrupted.aborted) edge.tell('Interrupted: the flag is un-killed, and nothing else was drilled.')
    return exitCode
  },
}

function endOf(drilled: readonly Drilled[]): number {
  const worst = WORST.find((result) => drilled.some((one) => one.result === result)) ?? 'applied'
  return ENDS[worst]
}

async function environmentsFor(api: Api, { texts, operands }: Given, project: string) {
  const named = [...(texts.env === undefined ? [] : [texts.env]), ...operands]
  if (named.length > 0) return [...new Set(named)]
  try {
    return await environmentsOf(api, project)
  } catch (error) {
    if (!(error instanceof Refused && error.kind === 'forbidden')) throw error
    throw new Refusal('This key cannot list the environments: name those to drill.', EXIT.usage)
  }
}

/** Makes the flag where it is not there and this key may make it. */
async function makeSure(api: Api, project: string): Promise<void> {
  const body = {
    key: DRILL_FLAG,
    type: 'boolean',
    description: 'Killed and un-killed by halyard drill, to see whom a kill reaches. No app reads it.',
  }
  const flags = at('projects', project, 'flags')
  try {
    await api.get(`${flags}/${DRILL_FLAG}`).catch((error: unknown) => {
      if (!(error instanceof Refused) || error.kind !== 'flag-not-found') throw error
      return api.write('POST', flags, { body, comment: 'For halyard drill' })
    })
  } catch (error) {
    // Whether it is there shows when it is killed.
    if (!(error instanceof Refused) || error.kind !== 'forbidden') throw error
  }
}

type Drill = {
  readonly edge: Edge
  readonly api: Api
  readonly project: string
  readonly environment: string
  readonly timeoutMs: number
  readonly interrupted: AbortSignal
}

async function drill(one: Drill): Promise<Drilled> {
  const { edge, environment } = one
  let recovered = false
  try {
    let killed = await kill(one)
    if (killed.already) {
      if (!isLeftBehind(edge, killed.kill)) return busy(edge, environment, killed.kill)
      await unkill(one, killed.kill)
      recovered = true
      killed = await kill(one)
      if (killed.already) return busy(edge, environment, killed.kill)
    }
    return { ...(await followed(one, killed)), ...(recovered && { recovered }) }
  } catch (error) {
    return { environment, result: 'failed', error: failureText(error), ...(recovered && { recovered }) }
  }
}

const pathOf = ({ project, environment }: Drill): string =>
  at('projects', project, 'environments', environment, 'flags', DRILL_FLAG, 'kill')

const COMMENT = 'A drill (halyard drill): nothing is wrong'

async function kill(one: Drill): Promise<Killed> {
  try {
    const unsure = 'It may have been killed.'
    const write = { body: { comment: COMMENT }, query: { wait: 'none' }, unsure }
    return await one.api.write('PUT', pathOf(one), write)
  } catch (error) {
    // Nobody knows whether it was done, unless it was refused.
    if (error instanceof Refused && error.exitCode !== EXIT.unavailable) throw error
    throw new Refusal(`${reasonOf(error)} ${await madeSureUnkilled(one)}`)
  }
}

/** @returns whether that is so, in a sentence */
async function madeSureUnkilled(one: Drill): Promise<string> {
  try {
    await unkill(one)
    return 'It is un-killed.'
  } catch (error) {
    if (error instanceof Refused && error.kind === 'not-killed') return 'It is not killed.'
    return leftText(one.environment, error)
  }
}

/** By a drill that did not come to its end. What somebody killed in earnest, with the whole environment, stays. */
const isLeftBehind = (edge: Edge, { at: since, comment }: Kill): boolean =>
  comment === COMMENT && edge.now() - Date.parse(since) >= DIED_MS

/** Ends that kill, and no other. The flag is for drills alone, so that edits of it hold nothing up. */
function unkill(one: Drill, ended?: Kill): Promise<Outcome> {
  const query = { acceptEdits: 'true', ...(ended !== undefined && { kill: ended.id }) }
  const unsure = 'It may have been un-killed.'
  return one.api.write('DELETE', pathOf(one), { comment: COMMENT, query, unsure })
}

/** Waits for everyone, and un-kills whatever becomes of that. */
async function followed(one: Drill, killed: Killed): Promise<Drilled> {
  const { environment } = one
  let told: Partial<Delivered> = killed
  let failure: unknown
  try {
    told = await settled(one, killed)
  } catch (error) {
    failure = error
  }
  const { revision, durability } = killed
  const { servers, sdks, pollers } = told
  const so = {
    environment,
    ...(revision !== undefined && { revision }),
    ...(durability !== undefined && { durability }),
    ...(servers && sdks && pollers && { servers, sdks, pollers }),
  }
  const accepted = durability?.startsWith('journal') === true
  let ended: Outcome
  try {
    ended = await unkill(one, killed.kill)
  } catch (error) {
    return { ...so, result: accepted ? 'accepted' : 'failed', error: leftText(environment, error) }
  }
  try {
    if (failure !== undefined) throw failure
    const served = await servedBy(one, ended.revision)
    const everywhere = isEverywhere(told, 'sdks') && served.servedMs !== undefined
    return { ...so, result: accepted ? 'accepted' : everywhere ? 'applied' : 'partial', unkill: served }
  } catch (error) {
    return { ...so, result: 'failed', error: failureText(error) }
  }
}

function leftText(environment: string, error: unknown): string {
  if (error instanceof Refused && error.kind === 'not-killed') return 'Somebody un-killed it meanwhile.'
  return `${DRILL_FLAG} ${error instanceof Refused ? 'is still' : 'may still be'} killed in ${environment}: the next drill un-kills it, or halyard unkill ${DRILL_FLAG} --env ${environment} (${reasonOf(error)})`
}

/** How far it has come when everyone has it, when the time is over, or when somebody interrupts. */
async function settled(
  { edge, api, timeoutMs, interrupted }: Drill,
  killed: Killed,
): Promise<Partial<Delivered>> {
  const until = edge.now() + timeoutMs
  let told: Partial<Delivered> = killed
  while (killed.status !== undefined && !isEverywhere(told, 'sdks')) {
    if (interrupted.aborted || edge.now() >= until) break
    await edge.pause(LOOK_MS)
    told = await api.get<Delivered>(killed.status)
  }
  return told
}

/** Asks who is connected until all hold that revision, or time is over. */
async function servedBy(one: Drill, revision: number): Promise<NonNullable<Drilled['unkill']>> {
  const { edge, api, project, environment, timeoutMs, interrupted } = one
  const from = edge.now()
  const path = at('projects', project, 'environments', environment, 'delivery')
  for (;;) {
    const { newest, servers, missing, total } = await api.get<Delivery>(path, { limit: 0 })
    // A newer change than this one is as good; who holds an older state than the newest may yet lack this one.
    const reached = newest.revision >= revision
    const current = servers.filter(({ behind }) => behind === 0).length
    const so = {
      revision,
      servers: { live: servers.length + missing.length, applied: reached ? current : 0 },
      sdks: { known: total.processes, applied: reached ? total.current : 0 },
    }
    if (isEverywhere(so, 'sdks')) return { ...so, servedMs: edge.now() - from }
    if (interrupted.aborted || edge.now() - from >= timeoutMs) return so
    await edge.pause(LOOK_MS)
  }
}

function busy(edge: Edge, environment: string, { by, at: since, comment }: Kill): Drilled {
  const began = Date.parse(since)
  const from = `since ${since} (for ${ago(Math.max(0, edge.now() - began))}) by ${by}`
  const dies = `from ${new Date(began + DIED_MS).toISOString()} on (${ago(DIED_MS)} after it began), the next drill takes it for dead and ends it`
  const said = comment === undefined ? '' : ` (${comment})`
  const why =
    comment === COMMENT
      ? `Another drill is under way ${from}, or has died: ${dies}.`
      : `${DRILL_FLAG} is killed ${from}${said}: that was no drill, and this one does not end it.`
  return { environment, result: 'busy', error: oneLine(`${why} Nothing was done here.`) }
}

function failureText(error: unknown): string {
  if (!(error instanceof Refused)) return reasonOf(error)
  if (error.kind === 'flag-not-found') {
    return `There is no flag ${DRILL_FLAG}, and this key may not make one: run once, with a key that may edit, halyard flags create ${DRILL_FLAG}.`
  }
  if (error.kind === 'flag-archived') {
    return `${DRILL_FLAG} is archived: halyard flags unarchive ${DRILL_FLAG}.`
  }
  return error.message
}

function wordsOf(
  edge: Edge,
  { environment, result, error, recovered, unkill: ended, ...told }: Drilled,
): string {
  const { bold, red, green, yellow } = paintFor(edge)
  const paint = { applied: green, partial: yellow, accepted: yellow, busy: red, failed: red }[result]
  const { sdks } = told
  const first = told.revision === undefined ? 'killed' : `killed at revision ${told.revision}`
  return [
    `${bold(environment)}  ${paint(SAID[result])}`,
    ...(recovered ? ['  a drill before this one had died; its kill was ended first'] : []),
    ...(told.servers === undefined ? [] : deliveryLines(first, told)),
    ...(sdks?.slowestMs === undefined ? [] : [`  slowest   ${sdks.slowestMs} ms`]),
    ...(ended === undefined ? [] : [`  un-killed at revision ${ended.revision} · ${servedText(ended)}`]),
    ...(error === undefined ? [] : [red(`  ${error}`)]),
  ].join('\n')
}

const doneText = ({ environment, result, error }: Drilled): string =>
  `${environment} ${SAID[result]}${error === undefined ? '' : ` (${error})`}`

const SAID: Readonly<Record<Result, string>> = {
  applied: 'everyone applied it',
  partial: 'not everyone applied it in time',
  accepted: 'accepted in the journal: the database is away',
  busy: 'not drilled',
  failed: 'failed',
}

function servedText({ servers, sdks, servedMs }: NonNullable<Drilled['unkill']>): string {
  const counts = `servers ${servers.applied} of ${servers.live} · processes ${count(sdks.applied)} of ${count(sdks.known)} serve it again`
  return servedMs === undefined ? counts : `${counts}, within ${ago(servedMs)}`
}
