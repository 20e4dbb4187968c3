/** `halyard kill` and `unkill`: the switch that on-call people reach for, and what it did, in words. */
import { apiOf, at } from './api.ts'
import { type Command, type Edge, EXIT, type Given } from './command.ts'
import { COMMENT_OPTION, withComment } from './flags.ts'
import { oneLine, paintFor, show } from './output.ts'
import { ENVIRONMENT_OPTION, environmentOf, projectOf } from './settings.ts'
import type { Json, Kill, Outcome } from './shapes.ts'
import { tellWarnings } from './warnings.ts'

type Killed = Outcome & {
  readonly kill: Kill
  readonly already?: true
  readonly serves: { readonly variant: string; readonly value: Json } | { readonly codeDefault: true }
  readonly alsoOff: readonly string[]
  readonly status?: string
} & Partial<Delivered>
type Delivered = {
  readonly servers: {
    readonly live: number
    readonly applied: number
    readonly refused: readonly { readonly server: string; readonly reason: string }[]
    readonly missing: readonly string[]
  }
  readonly sdks: {
    readonly known: number
    readonly applied: number
    readonly waiting: readonly {
      readonly app: string
      readonly version: string
      readonly instance: string
      readonly revision: number
      readonly silentMs: number
    }[]
    readonly p50Ms?: number
    readonly p99Ms?: number
  }
  readonly pollers: { readonly known: number; readonly applied: number; readonly worstCaseMs: number }
}
type Unkilled = Outcome & { readonly key: string; readonly ended: Kill }

const DRY_RUN = { 'dry-run': { help: 'say what would happen, and change nothing' } } as const

function placeOf(edge: Edge, given: Given): { flag: string; environment: string; path: string } {
  const [flag = ''] = given.operands
  const environment = environmentOf(edge, given)
  const path = at('projects', projectOf(edge, given), 'environments', environment, 'flags', flag, 'kill')
  return { flag, environment, path }
}

const dryRunOf = ({ flags }: Given): { dryRun?: string } => (flags.has('dry-run') ? { dryRun: 'true' } : {})

export const killCommand: Command = {
  summary: 'Serve a flag’s off variant to everyone, whatever its rules say',
  operands: ['flag'],
  options: {
    ...ENVIRONMENT_OPTION,
    ...COMMENT_OPTION,
    ...DRY_RUN,
    wait: { value: 'whom', help: 'for whom to wait: sdks (the default), servers or none' },
    timeout: { value: 'time', help: 'how long at most, such as 500ms or 5s; 2s by default' },
  },
  notes:
    'No later edit un-kills it: halyard unkill does. Killing a killed flag answers the first kill.\nExits 3 where it is killed, and not everyone who was waited for has said so in time. Exit code 4 (kept, and on its way) is reserved.',
  async run(edge, given) {
    const { flag, environment, path } = placeOf(edge, given)
    const { wait = 'sdks', timeout = '2s' } = given.texts
    const query = { ...dryRunOf(given), wait, timeout }
    const killed = await apiOf(edge, given).write<Killed>('PUT', path, { ...withComment(given), query })
    show(edge, given, killed, () => wordsOf(edge, flag, environment, killed, given.flags.has('dry-run')))
    tellWarnings(edge, killed)
    return wait === 'none' || isEverywhere(killed, wait) ? EXIT.done : EXIT.partly
  },
}

function isEverywhere({ servers, sdks }: Partial<Delivered>, wait: string): boolean {
  // A server of before, or a dry run, does not say.
  if (servers === undefined || sdks === undefined) return true
  return servers.applied === servers.live && (wait === 'servers' || sdks.applied === sdks.known)
}

/** So many are named; the others are counted. */
const NAMED = 10

function deliveryOf({ servers, sdks, pollers }: Partial<Delivered>): readonly string[] {
  if (servers === undefined || sdks === undefined || pollers === undefined) return []
  const times = sdks.p50Ms === undefined ? '' : ` (p50 ${sdks.p50Ms} ms, p99 ${sdks.p99Ms} ms)`
  const waiting = sdks.waiting.slice(0, NAMED).map(({ app, version, instance, revision, silentMs }) => {
    const name = `${app || 'an app'}${version === '' ? '' : `@${version}`} ${instance}`
    return oneLine(`${name} (at ${revision}, silent ${Math.round(silentMs / 1_000)} s)`)
  })
  const more = sdks.known - sdks.applied - waiting.length
  const { missing, refused } = servers
  const reached = [
    `servers ${servers.applied} of ${servers.live}`,
    `SDKs ${count(sdks.applied)} of ${count(sdks.known)} applied it${times}`,
    ...(pollers.known === 0
      ? []
      : [
          `${count(pollers.known - pollers.applied)} poll, within ${Math.ceil(pollers.worstCaseMs / 1_000)} s`,
        ]),
  ]
  return [
    `  reached   ${reached.join(' · ')}`,
    ...(missing.length === 0
      ? []
      : [`  missing   ${missing.map(oneLine).join(', ')} (servers without a word)`]),
    ...refused.map(({ server, reason }) => oneLine(`  refused   ${server}: ${reason}`)),
    ...(waiting.length === 0
      ? []
      : [`  waiting   ${waiting.join(', ')}${more > 0 ? ` and ${count(more)} more` : ''}`]),
  ]
}

const count = (number: number): string => number.toLocaleString('en-US')

function wordsOf(edge: Edge, flag: string, environment: string, killed: Killed, dryRun: boolean): string {
  const { bold, red, dim } = paintFor(edge)
  const { kill, serves, alsoOff, already, revision } = killed
  const value =
    'codeDefault' in serves ? 'the app’s code default' : `${serves.variant} = ${JSON.stringify(serves.value)}`
  const why = kill.comment === undefined ? '' : `: ${kill.comment}`
  const first = already
    ? `${bold(flag)} was killed in ${environment} before, at ${kill.at} by ${oneLine(kill.by)}${oneLine(why)}.`
    : dryRun
      ? `${bold(flag)} would be killed in ${environment}; nothing was changed.`
      : `${red('Killed')} ${bold(flag)} in ${environment}, revision ${revision}.`
  return [
    first,
    `  serves    ${oneLine(value)}`,
    ...(alsoOff.length === 0 ? [] : [`  also off  ${alsoOff.join(', ')} (they require it)`]),
    ...deliveryOf(killed),
    ...(dryRun ? [] : [dim(`  undo      halyard unkill ${flag} --env ${environment}`)]),
  ].join('\n')
}

export const unkillCommand: Command = {
  summary: 'Take a kill back: the flag’s configuration decides again',
  operands: ['flag'],
  options: { ...ENVIRONMENT_OPTION, ...COMMENT_OPTION, ...DRY_RUN },
  async run(edge, given) {
    const { flag, environment, path } = placeOf(edge, given)
    const { comment } = given.texts
    const ended = await apiOf(edge, given).write<Unkilled>('DELETE', path, {
      comment,
      query: dryRunOf(given),
    })
    const { bold, green } = paintFor(edge)
    const by = `it was killed ${ended.ended.at} by ${oneLine(ended.ended.by)}`
    show(edge, given, ended, () =>
      given.flags.has('dry-run')
        ? `${bold(flag)} would be un-killed in ${environment} (${by}); nothing was changed.`
        : `${green('Un-killed')} ${bold(flag)} in ${environment}, revision ${ended.revision} (${by}).`,
    )
    tellWarnings(edge, ended)
    return EXIT.done
  },
}
