/** `halyard delivery`: who is connected, and who of them is behind or silent. */
import { apiOf, at, URGENT } from './api.ts'
import { type Command, type Edge, EXIT } from './command.ts'
import { ago, appOf, count, serverName } from './delivered.ts'
import { oneLine, paintFor, plural, show, table } from './output.ts'
import { ENVIRONMENT_OPTION, environmentOf, projectOf } from './settings.ts'

type Names = { readonly app: string; readonly version: string; readonly sdk: string }
type Counts = {
  readonly processes: number
  readonly current: number
  readonly polling: number
  readonly away: number
}
type State = { readonly epoch: number; readonly revision: number; readonly behind: number | null }
type Process = Names &
  State & {
    readonly instance: string
    readonly server: string
    readonly how: 'stream' | 'poll' | 'away'
    readonly everyMs?: number
    readonly silentMs: number
  }
type Server = State & {
  readonly server: string
  readonly version: string
  readonly address?: string
  readonly since: string
  readonly refused?: string
}
export type Delivery = {
  readonly at: string
  readonly complete: boolean
  readonly newest: { readonly epoch: number; readonly revision: number }
  readonly servers: readonly Server[]
  readonly missing: readonly {
    readonly server: string
    readonly version?: string
    readonly address?: string
    readonly silentMs?: number
  }[]
  readonly total: Counts
  readonly apps: readonly (Names & Counts & { readonly oldest: State })[]
  readonly moreApps: number
  readonly processes: readonly Process[]
  readonly moreProcesses: number
}

/** As many as the server lists; the worst come first. */
const LISTED = 1_000
/** So many are shown of those behind or silent. */
const SHOWN = 20
/** Whoever is connected was asked a moment ago: who has not answered for so long is silent, milliseconds. */
const SILENT_MS = 10_000

export const deliveryCommand: Command = {
  summary: 'Who is connected: instances, apps and SDKs, and who of them is behind or silent',
  options: {
    ...ENVIRONMENT_OPTION,
    all: { help: `list each process that is behind or silent, not only the first ${SHOWN}` },
  },
  notes:
    'All instances ask all connected SDKs what they hold: it takes a second or two. An instance that does not answer is named as missing, and its apps are not counted.',
  async run(edge, given) {
    const environment = environmentOf(edge, given)
    const path = at('projects', projectOf(edge, given), 'environments', environment, 'delivery')
    const delivery = await apiOf(edge, given, URGENT).get<Delivery>(path, { limit: LISTED })
    show(edge, given, delivery, () => wordsOf(edge, environment, delivery, given.flags.has('all')))
    return EXIT.done
  },
}

function wordsOf(edge: Edge, environment: string, delivery: Delivery, all: boolean): string {
  const { bold, dim, red } = paintFor(edge)
  const { servers, missing, newest, total, apps, moreApps } = delivery
  const served = servers.filter(({ behind }) => behind === 0).length
  const first = [
    `${bold(environment)} at revision ${newest.revision}`,
    `servers ${served} of ${servers.length + missing.length}`,
    `${plural(total.processes, 'process', 'processes')}, ${count(total.current)} at this revision`,
  ].join(' · ')
  return [
    first,
    ...missing.map((one) =>
      red(
        `  missing   ${serverName(one)}${one.silentMs === undefined ? '' : `, silent ${ago(one.silentMs)}`}`,
      ),
    ),
    ...servers.flatMap((one) => {
      if (one.refused !== undefined) return [red(`  refused   ${serverName(one)}: ${oneLine(one.refused)}`)]
      return one.behind === 0 ? [] : [`  behind    ${serverName(one)}, at ${one.revision}`]
    }),
    '',
    ...(apps.length === 0 ? ['No app is connected.'] : [appsTable(edge, apps)]),
    ...(moreApps > 0 ? [dim(`… and ${plural(moreApps, 'more app')}`)] : []),
    ...lateOnes(edge, delivery, all),
  ].join('\n')
}

function appsTable(edge: Edge, apps: Delivery['apps']): string {
  const rows = apps.map(({ processes, current, polling, away, oldest, ...names }) => [
    appOf(names),
    names.sdk,
    count(processes),
    count(current),
    count(polling),
    count(away),
    oldest.behind === 0 ? String(oldest.revision) : `${oldest.revision} (${lag(oldest)})`,
  ])
  return table(edge, ['APP', 'SDK', 'PROCESSES', 'CURRENT', 'POLL', 'AWAY', 'OLDEST'], rows)
}

function lateOnes(
  edge: Edge,
  { processes, servers, moreProcesses }: Delivery,
  all: boolean,
): readonly string[] {
  const { dim } = paintFor(edge)
  const late = processes.filter(isLate)
  if (late.length === 0) return []
  const named = new Map(servers.map((one) => [one.server, serverName(one)]))
  const shown = all ? late : late.slice(0, SHOWN)
  const rows = shown.map((one) => [
    appOf(one),
    one.instance,
    String(one.revision),
    one.behind === 0 ? '' : lag(one),
    ago(one.silentMs),
    HOW[one.how](one),
    named.get(one.server) ?? one.server,
  ])
  // The list ends with those who are neither, unless it was cut before.
  const cut = moreProcesses > 0 && late.length === processes.length
  const more = late.length - shown.length
  return [
    '',
    'Behind or silent:',
    table(edge, ['APP', 'PROCESS', 'AT', 'BEHIND', 'SILENT', 'HOW', 'SERVER'], rows),
    ...(more > 0 ? [dim(`… and ${count(more)} more (--all)`)] : []),
    ...(cut ? [dim(`… and some of ${count(moreProcesses)} that are not listed`)] : []),
  ]
}

const isLate = ({ behind, how, silentMs }: Process): boolean =>
  behind !== 0 || how === 'away' || (how === 'stream' && silentMs > SILENT_MS)

const HOW: Readonly<Record<Process['how'], (one: Process) => string>> = {
  stream: () => 'stream',
  poll: ({ everyMs = 0 }) => (everyMs === 0 ? 'polls' : `polls every ${ago(everyMs)}`),
  away: () => 'lost its stream',
}

const lag = ({ behind }: State): string => (behind === null ? 'another epoch' : `${count(behind)} behind`)
