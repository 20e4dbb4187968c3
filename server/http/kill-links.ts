/**
 * Links that kill, as whoever holds one meets them: a page with two taps, and a webhook for alerting tools. Opening a
 * link never kills: chat tools and mail scanners open them ahead of people.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { endpoints } from '../contract/index.ts'
import { newestOf } from '../domain/kills.ts'
import { Problem } from '../domain/problem.ts'
import { fieldOf, listOf } from '../domain/reading.ts'
import { serveInWords } from '../domain/words/serves.ts'
import type { KillLinkInForce } from '../live/kill-link.ts'
import type { Environment, Live } from '../live/live.ts'
import { inTime } from '../waiting.ts'
import { readAlert } from './alerts.ts'
import { fromBrowser } from './authorise.ts'
import { refuseEncoded } from './bodies.ts'
import type { World } from './call.ts'
import { foresee } from './foreseen.ts'
import { allows } from './grants.ts'
import { killFlag, killGroup } from './handlers/kills.ts'
import { JSON_TYPES } from './json-body.ts'
import { noteUse } from './key-use.ts'
import {
  KILL_PAGE_HEADERS,
  type KillView,
  killPage,
  problemPage,
  questionPage,
  STEPS,
  type Standing,
} from './kill-page.ts'
import type { Management } from './management.ts'
import { problemOf, sendProblem } from './problems.ts'

const ALERT_BYTES = 1024 * 1024
/** How long the page waits to know how far a kill has come, milliseconds. */
const REPORT_MS = 700

const FORM_TYPE = /^application\/x-www-form-urlencoded\b/i
const HTML = 'text/html; charset=utf-8'

export type KillLinkEdge = Management & {
  readonly onProblem: (request: FastifyRequest, problem: Problem) => void
}

/** What was posted: a step of the page's form, or an alert. */
type Posted = { readonly step: string; readonly expect: number | undefined } | { readonly alert: unknown }

export function serveKillLinks(scope: FastifyInstance, edge: KillLinkEdge): void {
  const { live, limits, metrics, log, onProblem } = edge
  readBodies(scope)
  scope.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error)
    onProblem(request, problem)
    return sendProblemAs(request, reply, problem)
  })

  async function open(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    reply.headers(KILL_PAGE_HEADERS)
    const { token } = request.params as { token: string }
    const opened = await live.openKillLink(token, () => limits.unknownKey(request.ip))
    if (typeof opened === 'string') throw refusalOf(opened)
    const { environment, manager, link } = opened
    request.killLink = opened
    const place = { project: environment.project.key, environment: environment.key }
    if (!allows(manager.grants, 'kill', place)) throw refusalOf('revoked')
    if (request.method !== 'POST') return
    limits.kill(link.keyId)
    noteUse(live, link.keyId, request.headers)
  }

  /** The route is logged, never the address: it holds the token. */
  async function answered(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { method, id, killLink, ip: address } = request
    const endpoint = request.routeOptions.config.endpoint?.id ?? ''
    metrics.answered(endpoint, reply.statusCode, reply.elapsedTime / 1_000)
    const { id: link, keyId: key } = killLink?.link ?? {}
    const milliseconds = Math.round(reply.elapsedTime)
    const fields = {
      request: id,
      endpoint,
      method,
      status: reply.statusCode,
      milliseconds,
      link,
      key,
      address,
    }
    log.info(fields, 'kill link request')
  }

  const page = endpoints['kill-links.page']
  scope.get(page.path, {
    config: { endpoint: page },
    exposeHeadRoute: true,
    onRequest: open,
    onResponse: answered,
    handler: async (request, reply) => {
      const asks = fieldOf({ ...(request.query as object) }, 'step') === STEPS.ask
      const view = await viewOf(edge, inForce(request))
      return sendPage(reply, asks ? questionPage(view) : killPage(view))
    },
  })

  const kill = endpoints['kill-links.kill']
  scope.post(kill.path, {
    config: { endpoint: kill },
    bodyLimit: ALERT_BYTES,
    onRequest: [refuseCrossSite, open],
    onResponse: answered,
    handler: async (request, reply) => {
      const opened = inForce(request)
      const posted = (request.body ?? { alert: undefined }) as Posted
      if ('alert' in posted) {
        const { ignored, name } = readAlert(posted.alert)
        const answer =
          ignored === undefined
            ? await killBy(edge, opened, { alert: name })
            : { status: 200, body: { ignored } }
        return reply
          .code(answer.status)
          .header('content-type', 'application/json; charset=utf-8')
          .send(JSON.stringify(answer.body))
      }
      if (posted.step !== STEPS.kill) {
        throw new Problem(
          'invalid-request',
          'A form is the page’s own. To kill at once, post JSON, or nothing.',
        )
      }
      await killBy(edge, opened, { expect: posted.expect })
      // A page that a phone restores, or that is loaded again, must not kill again.
      return reply.code(303).header('location', '?').send()
    },
  })
}

function inForce({ killLink }: FastifyRequest): KillLinkInForce {
  if (killLink === undefined) throw new Error('A kill link’s route was reached without a link.')
  return killLink
}

function sendPage(reply: FastifyReply, page: string): FastifyReply {
  return reply.header('content-type', HTML).send(page)
}

/** As a page where a person asked for one. */
function sendProblemAs(request: FastifyRequest, reply: FastifyReply, problem: Problem): FastifyReply {
  if (!request.headers.accept?.includes('text/html')) return sendProblem(request, reply, problem)
  return sendProblem(request, reply, problem, problemPage(problem))
}

function refusalOf(why: 'unknown' | 'unloaded' | 'expired' | 'revoked'): Problem {
  switch (why) {
    case 'unknown':
      return new Problem(
        'link-not-found',
        'This link is not known here. It may have been cut when it was copied: take it whole from where it stands.',
      )
    case 'unloaded':
      return new Problem('unavailable', 'The link cannot be checked now. Try again in a moment.')
    case 'expired':
      return new Problem('link-ended', 'The link has expired. Make a new one.')
    case 'revoked':
      return new Problem(
        'link-ended',
        'The key that made the link was revoked, has expired, or may no longer kill here. Make a new link with another key.',
      )
  }
}

/**
 * Whoever holds a link can kill; a page of another site must not make a browser do it that only passes by.
 * Browsers say whose page posts; those that say nothing of it name the page's origin, or `null`, since our page sends
 * no referrer.
 */
async function refuseCrossSite({ headers, host }: FastifyRequest): Promise<void> {
  const { origin, 'sec-fetch-site': site } = headers
  if (!FORM_TYPE.test(headers['content-type'] ?? '')) {
    if (!fromBrowser(headers)) return
    throw new Problem('cross-site', 'A browser’s page posted this: open the link itself, and confirm there.')
  }
  const own =
    site === undefined
      ? origin === undefined || origin === 'null' || hostOf(origin) === host
      : site === 'same-origin'
  if (!own)
    throw new Problem('cross-site', 'Another page posted this: open the link itself, and confirm there.')
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined
}

type How = {
  /** The alert's name. */
  readonly alert?: string | undefined
  /** How many flags of a group a person was shown, and means. */
  readonly expect?: number | undefined
}

function killBy(world: World, { link, environment, manager }: KillLinkInForce, { alert, expect }: How) {
  const { project, key: env } = environment
  const { target } = link
  const comment = [link.comment, alert && `Alert: ${alert}`].filter(Boolean).join(' · ')
  const params = { project: project.key, env }
  const call = {
    manager: { ...manager, name: makerOf({ link, manager }) },
    comment: comment === '' ? undefined : comment,
    query: {},
    dryRun: false,
    idempotency: undefined,
  }
  const killed =
    'flag' in target
      ? killFlag({ ...call, params: { ...params, flag: target.flag } }, world)
      : killGroup({ ...call, params, body: { ...target, expect: expect ?? target.expect } }, world)
  return killed.catch((error) => {
    // It was deleted a moment ago.
    const gone = error instanceof Problem && /^(?:project|environment)-not-found$/.test(error.type)
    throw gone ? refusalOf('unknown') : error
  })
}

/** Who kills, as the history shows it. */
const makerOf = ({ link, manager }: Pick<KillLinkInForce, 'link' | 'manager'>): string =>
  `${manager.name} (link ${link.id})`

async function viewOf(world: World, { link, environment, manager }: KillLinkInForce): Promise<KillView> {
  const { live } = world
  const { target, comment, expiresAt } = link
  const meant = 'flag' in target ? target : { ...target, expect: undefined }
  const { state, kills, alsoOff } = await foresee(world, environment, meant)
  const place = { project: environment.project.key, environment: environment.key }
  const shows = 'flag' in target && allows(manager.grants, 'read', place)
  return {
    ...{ environment, target, comment, expiresAt, kills, alsoOff },
    maker: manager.name,
    serves: shows ? servedInWords(state.entries.get('flag')?.get(target.flag)?.definition) : undefined,
    killed: await standingOf(live, environment, kills, state.epoch),
  }
}

/** Of the newest kill, which came with or after the others; undefined where a flag is not killed. */
async function standingOf(
  live: Live,
  { id }: Environment,
  kills: KillView['kills'],
  epoch: number,
): Promise<Standing | undefined> {
  const all = [...kills].map(([flag, { kill, already }]) => ({ flag, already, kill: newestOf(kill) }))
  const [newest] = all.toSorted((a, b) => (a.kill.at < b.kill.at ? 1 : -1))
  if (newest === undefined || !all.every(({ already }) => already)) return undefined
  const { flag, kill } = newest
  const told = await inTime(live.delivery.told({ environment: id, kill: kill.id }), REPORT_MS)
  return { kill, durability: live.durabilityOf(id, flag, kill.id), report: told?.report, epoch }
}

/** What everyone gets who is named nowhere. A definition may be broken. */
function servedInWords(definition: unknown): string {
  if (fieldOf(definition, 'enabled') !== true) return 'its off variant: the flag is disabled'
  const [rules, targets] = [fieldOf(definition, 'rules'), fieldOf(definition, 'targets')].map(
    (list) => listOf(list).length,
  )
  const first = [
    ...(rules ? [`${rules} ${rules === 1 ? 'rule' : 'rules'}`] : []),
    ...(targets ? [`${targets} ${targets === 1 ? 'list' : 'lists'} of individuals`] : []),
  ]
  const after = first.length === 0 ? '' : ` else, after ${first.join(' and ')}`
  return `${serveInWords(fieldOf(definition, 'fallthrough'), 'fallthrough')} to everyone${after}`
}

/** An alert that cannot be read does not say that it ended: it kills. */
function readBodies(scope: FastifyInstance): void {
  const alertIn = (bytes: Buffer): Posted => {
    try {
      return { alert: JSON.parse(bytes.toString('utf8')) }
    } catch {
      return { alert: undefined }
    }
  }
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', { parseAs: 'buffer' }, (request, bytes, done) => {
    const type = request.headers['content-type'] ?? ''
    try {
      refuseEncoded(request)
      if (FORM_TYPE.test(type)) {
        const form = new URLSearchParams(bytes.toString('utf8'))
        const expect = /^[1-9]\d{0,8}$/.exec(form.get('expect') ?? '')?.[0]
        const step = form.get('step') ?? ''
        done(null, { step, expect: expect === undefined ? undefined : Number(expect) } satisfies Posted)
      } else if (type === '' || JSON_TYPES.test(type)) {
        done(null, alertIn(bytes as Buffer))
      } else {
        throw new Problem(
          'unsupported-media-type',
          'Send the alert as application/json, and say so in Content-Type.',
        )
      }
    } catch (error) {
      done(error as Error)
    }
  })
}
