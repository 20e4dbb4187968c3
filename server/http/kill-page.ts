/**
 * The page of a kill link: what it would do, the question, and how far the kill has come, in large plain words. Runs no
 * script and loads nothing; every text of others is escaped here.
 */
import { createHash } from 'node:crypto'
import type { FlagKey, Json, Kill } from '@halyard/sdk/core'
import { escaped } from '../contract/html.ts'
import type { KilledFlags, Served } from '../domain/kills.ts'
import { PROBLEMS, type Problem } from '../domain/problem.ts'
import { isComplete, type KillReport, type Waiting } from '../live/delivery/account.ts'
import type { KillTarget } from '../live/kill-link.ts'
import type { Durability } from '../live/kills/kills.ts'
import type { Environment } from '../live/live.ts'
import { KILL_PAGE_STYLE } from './kill-page-style.ts'

/** The page may use its own style, known by its hash, and send its own form; nothing else. */
export const KILL_PAGE_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': [
    "default-src 'none'",
    `style-src 'sha256-${createHash('sha256').update(KILL_PAGE_STYLE).digest('base64')}'`,
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; '),
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'x-robots-tag': 'noindex, nofollow',
}

/** What a link is for, as things stand now. */
export type KillView = {
  readonly environment: Environment
  readonly target: KillTarget
  /** What the kill will say. */
  readonly comment: string | undefined
  /** Who made the link. */
  readonly maker: string
  /** Epoch milliseconds. */
  readonly expiresAt: number
  /** What everyone gets who is named nowhere; undefined of groups, and where the link's key may not read it. */
  readonly serves: string | undefined
  /** By flag: those that it is for, as they are now. */
  readonly kills: KilledFlags['kills']
  readonly alsoOff: readonly FlagKey[]
  /** Where all of it is killed by now. */
  readonly killed: Standing | undefined
}
export type Standing = {
  readonly kill: Kill
  readonly durability: Durability
  /** How far it has come; undefined where that is not known here. */
  readonly report: KillReport | undefined
  /** Of the state that has it. */
  readonly epoch: number
}

/** The steps: the first opens the question, which a browser can come back to; the second is posted, and kills. */
export const STEPS = { ask: 'ask', kill: 'kill' } as const

/** What it would do, or how far it has come. */
export function killPage(view: KillView): string {
  const { environment, killed } = view
  if (killed !== undefined) return killedPage(view, killed)
  const { name, button } = wordsOf(view)
  return page(
    `Kill ${name} in ${environment.key}?`,
    `<h1>Kill ${text(name)} in ${text(environment.key)}?</h1>${facts(whatItDoes(view))}
${form('get', { step: STEPS.ask }, `Kill ${button} …`)}
<p class="soft">Nothing has happened yet, and this button asks once more.</p>`,
  )
}

export function questionPage(view: KillView): string {
  const { environment, target, kills, killed } = view
  if (killed !== undefined) return killedPage(view, killed)
  const { name, button } = wordsOf(view)
  const fields = { step: STEPS.kill, ...('flag' in target ? {} : { expect: String(kills.size) }) }
  return page(
    `Really kill ${name} in ${environment.key}?`,
    `<h1>Really kill ${text(name)} in ${text(environment.key)}, for everyone?</h1>${facts(whatItDoes(view))}
${form('post', fields, `Yes, kill ${button} now`)}
<p><a class="again" href="?">No, go back</a></p>`,
  )
}

/** What the link is for, as titles and buttons name it. */
function wordsOf({ target, kills: { size } }: KillView): { readonly name: string; readonly button: string } {
  if ('flag' in target) return { name: target.flag, button: target.flag }
  const flags = size === 1 ? 'the one flag' : `all ${size} flags`
  return { name: 'tag' in target ? `${flags} tagged ${target.tag}` : flags, button: flags }
}

const KEPT: Readonly<Record<Durability, string>> = {
  postgres: 'in the database',
  'journal+redis': 'on a server’s disk and in Redis; in the database when that is back',
  journal: 'on a server’s disk; in the database when that is back',
}

function killedPage(view: KillView, { kill, durability, report, epoch }: Standing): string {
  const { target, environment, kills } = view
  const { project, key } = environment
  const { name } = wordsOf(view)
  const is = kills.size === 1 ? 'is' : 'are'
  const flag = 'flag' in target ? target.flag : '<flag>'
  const undo = `halyard unkill ${flag} --project ${project.key} --env ${key}`
  return page(
    `${name} ${is} killed in ${key}`,
    `<h1>${text(name)} ${is} killed in ${text(key)}.</h1><p>${reachedText(report)}</p>${facts([
      [kills.size === 1 ? 'Killed' : 'Killed last', `${text(momentText(kill.at))}, by ${text(kill.by)}`],
      ...(kill.comment === undefined ? [] : [['Why', text(kill.comment)] as const]),
      ['Apps get', servedRows(view)],
      ...alsoOffRows(view),
      ...reachedRows(report, epoch),
      ['Kept', KEPT[durability]],
      ...place(view),
    ])}
<p><a class="again" href="?">Look again</a></p>
<p class="soft">To take it back: <code>${escaped(undo)}</code></p>`,
  )
}

/** Whatever went wrong, in the words that a program would get. */
export function problemPage(problem: Problem): string {
  const { title } = PROBLEMS[problem.type]
  const done =
    problem.type === 'internal' ? 'Open the link again to see whether it is killed.' : 'Nothing was killed.'
  // It may be another answer in a moment, but for a link that is none.
  const again = /^link-/.test(problem.type) ? '' : '<p><a class="again" href="?">Look again</a></p>'
  return page(
    title,
    `<h1>${text(title)}.</h1><p>${text(problem.message)}</p><p class="soft">${done}</p>${again}`,
  )
}

type Row = readonly [name: string, html: string]

function whatItDoes(view: KillView): readonly Row[] {
  const { comment, serves, maker, expiresAt } = view
  return [
    ...place(view),
    ...changedRows(view),
    ...(serves === undefined ? [] : [['It serves now', text(serves)] as const]),
    ['Killed, apps get', servedRows(view)],
    ...beforeRows(view),
    ...alsoOffRows(view),
    ...(comment === undefined ? [] : [['Why', text(comment)] as const]),
    ['This link', `was made with the key ${text(maker)}, and ends ${text(instant(expiresAt))}`],
  ]
}

function place({ environment: { project, key, name } }: KillView): readonly Row[] {
  return [
    ['Project', text(project.name === project.key ? project.key : `${project.name} (${project.key})`)],
    ['Environment', text(name === key ? key : `${name} (${key})`)],
  ]
}

/** A group that is another one than when the link was made. */
function changedRows({ target, kills: { size } }: KillView): readonly Row[] {
  if ('flag' in target || target.expect === size) return []
  const was = `The link was made for ${target.expect}, and ${size} match now.`
  return [
    ['Changed since', `${was} Alerts that are posted to it kill none; the button asks about all ${size}.`],
  ]
}

function beforeRows({ kills }: KillView): readonly Row[] {
  const before = [...kills].filter(([, { already }]) => already).map(([flag]) => text(flag))
  return before.length === 0
    ? []
    : [['Killed already', before.slice(0, NAMED).join(', ') + moreThan(before, NAMED)]]
}

const moreThan = ({ length }: readonly unknown[], named: number): string =>
  length > named ? ` and ${length - named} more` : ''

/** So many flags of a group are named. */
const NAMED_FLAGS = 50

function servedRows({ target, kills }: KillView): string {
  const all = [...kills].map(([flag, { serves }]) =>
    'flag' in target ? servedText(serves) : `${text(flag)}: ${servedText(serves)}`,
  )
  return all.slice(0, NAMED_FLAGS).join('<br>') + moreThan(all, NAMED_FLAGS)
}

function alsoOffRows({ alsoOff }: KillView): readonly Row[] {
  return alsoOff.length === 0 ? [] : [['Off with it, since they require it', alsoOff.map(text).join(', ')]]
}

function reachedText(report: KillReport | undefined): string {
  if (report === undefined) return 'How far it has come is not known here now.'
  return isComplete(report, 'sdks')
    ? 'Everyone who is known has applied it.'
    : 'Not everyone has applied it yet.'
}

/** So many are named; the others are counted. */
const NAMED = 10

function reachedRows(report: KillReport | undefined, epoch: number): readonly Row[] {
  if (report === undefined) return []
  const { servers, sdks, pollers } = report
  const times = sdks.p50Ms === undefined ? '' : ` (p50 ${sdks.p50Ms} ms, p99 ${sdks.p99Ms} ms)`
  const waiting = sdks.waiting.slice(0, NAMED).map((one) => {
    const { app, version, instance, revision, silentMs } = one
    const name = `${app || 'an app'}${version === '' ? '' : `@${version}`} ${instance}`
    return text(`${name} (at ${revision}${otherEpoch(one, epoch)}, silent ${Math.round(silentMs / 1_000)} s)`)
  })
  const named = (server: string): string => {
    const address = servers.addresses?.[server]
    return text(address === undefined ? server : `${server} (${address})`)
  }
  const more = sdks.known - sdks.applied - waiting.length
  if (more > 0) waiting.push(`${more} more`)
  return [
    ['Servers', `${servers.applied} of ${servers.live}`],
    ...(servers.missing.length === 0
      ? []
      : [['Servers without a word', servers.missing.map(named).join(', ')] as const]),
    ...servers.refused.map(({ server, reason }) => ['Refused', `${named(server)}: ${text(reason)}`] as const),
    ['SDKs that applied it', sdks.uncounted ? 'not counted' : `${sdks.applied} of ${sdks.known}${times}`],
    ...(waiting.length === 0 ? [] : [['Waiting for', waiting.join('<br>')] as const]),
    ...(pollers.known === 0
      ? []
      : [
          [
            'Apps that ask now and then',
            `${pollers.applied} of ${pollers.known}; all within ${Math.ceil(pollers.worstCaseMs / 1_000)} s`,
          ] as const,
        ]),
  ]
}

/** The same revision of another epoch is another state. */
function otherEpoch({ epoch = 0 }: Waiting, of: number): string {
  if (epoch === 0 || epoch === of) return ''
  return epoch < of ? ' of an older epoch' : ' of a newer epoch'
}

/** UTF-16 code units of a value that are shown. */
const LONGEST_VALUE = 200

function servedText(served: Served): string {
  if ('codeDefault' in served) return 'the default in the app’s own code'
  return text(`${served.variant} = ${valueText(served.value)}`)
}

function valueText(value: Json): string {
  const whole = JSON.stringify(value)
  return whole.length <= LONGEST_VALUE ? whole : `${whole.slice(0, LONGEST_VALUE)}…`
}

/** A kill's time, to the second; of one that was written by hand, whatever stands there. */
function momentText(at: string): string {
  const known = Date.parse(at)
  return Number.isNaN(known) ? at : `${new Date(known).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

const instant = (at: number): string => `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`

/** Others' text, which must not turn around what stands beside it. */
const text = (others: string): string => `<bdi>${escaped(others)}</bdi>`

function facts(rows: readonly Row[]): string {
  return `<dl>${rows.map(([name, html]) => `<div><dt>${name}</dt><dd>${html}</dd></div>`).join('')}</dl>`
}

function form(
  method: 'get' | 'post',
  fields: { readonly step: string; readonly expect?: string },
  label: string,
): string {
  const inputs = Object.entries(fields).map(
    ([name, value]) => `<input type="hidden" name="${name}" value="${escaped(value)}">`,
  )
  return `<form method="${method}" action="?">${inputs.join('')}<button type="submit">${text(label)}</button></form>`
}

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>${escaped(title)}</title><style>${KILL_PAGE_STYLE}</style></head>
<body><main>${body}</main></body></html>
`
}
