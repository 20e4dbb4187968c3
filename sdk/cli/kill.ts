/** `halyard kill` and `unkill`: the switch that on-call people reach for, and what it did, in words. */
import { apiOf, at } from './api.ts'
import { type Command, type Edge, EXIT, type Given } from './command.ts'
import { type Delivered, deliveryLines, exitOf } from './delivered.ts'
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
} & Partial<Delivered>
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
    'No later edit un-kills it: halyard unkill does. Killing a killed flag answers the first kill.\nExits 3 where it is killed, and not everyone who was waited for has said so in time. Exits 4 where it is killed and kept in a journal, since the database is away.',
  async run(edge, given) {
    const { flag, environment, path } = placeOf(edge, given)
    const { wait = 'sdks', timeout = '2s' } = given.texts
    const query = { ...dryRunOf(given), wait, timeout }
    const killed = await apiOf(edge, given).write<Killed>('PUT', path, { ...withComment(given), query })
    show(edge, given, killed, () => wordsOf(edge, flag, environment, killed, given.flags.has('dry-run')))
    tellWarnings(edge, killed)
    return exitOf(killed, wait)
  },
}

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
      : `${red('Killed')} ${bold(flag)} in ${environment}.`
  return [
    first,
    `  serves    ${oneLine(value)}`,
    ...(alsoOff.length === 0 ? [] : [`  also off  ${alsoOff.join(', ')} (they require it)`]),
    ...(dryRun ? [] : deliveryLines(already ? 'killed before' : `killed at revision ${revision}`, killed)),
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
