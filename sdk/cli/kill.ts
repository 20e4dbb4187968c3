/** `halyard kill` and `unkill`: the switch that on-call people reach for, and what it did, in words. */
import { apiOf, at, Refused, URGENT } from './api.ts'
import { type Command, type Edge, EXIT, type Given, Refusal } from './command.ts'
import { count, type Delivered, deliveryLines, exitOf } from './delivered.ts'
import { COMMENT_OPTION, withComment } from './flags.ts'
import { oneLine, paintFor, show } from './output.ts'
import type { EditedWhileKilled } from './problem-text.ts'
import { ENVIRONMENT_OPTION, environmentOf, projectOf } from './settings.ts'
import type { Json, Kill, Outcome } from './shapes.ts'
import { timeoutOf } from './timeout.ts'
import { tellWarnings } from './warnings.ts'

type KilledFlag = {
  readonly kill: Kill
  readonly already?: true
  readonly serves: { readonly variant: string; readonly value: Json } | { readonly codeDefault: true }
}
type Told = Outcome & { readonly alsoOff: readonly string[] } & Partial<Delivered>
type Killed = KilledFlag & Told
type KilledGroup = Told & { readonly kills: readonly (KilledFlag & { readonly key: string })[] }
type Unkilled = Outcome & {
  readonly key: string
  readonly ended: Kill
  readonly editedWhileKilled?: readonly EditedWhileKilled[]
}

const DRY_RUN = { 'dry-run': { help: 'say what would happen, and change nothing' } } as const

function placeOf(edge: Edge, given: Given): { flag: string; environment: string; path: string } {
  const [flag = ''] = given.operands
  const environment = environmentOf(edge, given)
  const path = at('projects', projectOf(edge, given), 'environments', environment, 'flags', flag, 'kill')
  return { flag, environment, path }
}

export const GROUP_OPTIONS = {
  tag: { value: 'tag', help: 'kill all flags that have it' },
  all: { help: 'kill all flags of the environment' },
  expect: { value: 'number', help: 'how many flags that is; without it, you are told' },
} as const
export type Group = { readonly tag: string } | { readonly all: true }

/** Undefined where one flag is meant. @throws Refusal where it is not said what is meant */
export function groupOf({ operands, texts: { tag }, flags }: Given): Group | undefined {
  const meant = [...operands, ...(tag === undefined ? [] : [tag]), ...(flags.has('all') ? ['all'] : [])]
  if (meant.length !== 1) {
    throw new Refusal('What is to be killed? Name one flag, or say --tag <tag>, or --all.', EXIT.usage)
  }
  if (tag !== undefined) return { tag }
  return flags.has('all') ? { all: true } : undefined
}

export function expectedOf({ texts: { expect } }: Given): number | undefined {
  if (expect === undefined) return undefined
  if (/^[1-9]\d{0,8}$/.test(expect)) return Number(expect)
  throw new Refusal('--expect takes the number of flags, such as 12.', EXIT.usage)
}

const dryRunOf = ({ flags }: Given): { dryRun?: string } => (flags.has('dry-run') ? { dryRun: 'true' } : {})

export const killCommand: Command = {
  summary: 'Serve a flag’s off variant to everyone, whatever its rules say',
  operands: ['[flag]'],
  options: {
    ...ENVIRONMENT_OPTION,
    ...COMMENT_OPTION,
    ...DRY_RUN,
    ...GROUP_OPTIONS,
    wait: { value: 'whom', of: ['sdks', 'servers', 'none'], help: 'for whom to wait. Default: sdks' },
    timeout: { value: 'time', help: 'how long at most, such as 500ms or 5s; 2s by default' },
  },
  notes: 'No later edit un-kills it: halyard unkill does. Killing a killed flag answers the first kill.',
  exits: ['partly', 'accepted'],
  async run(edge, given) {
    const group = groupOf(given)
    const { wait = 'sdks', timeout = '2s' } = given.texts
    timeoutOf(timeout)
    const query = { ...dryRunOf(given), wait, timeout }
    if (group !== undefined) return killGroup(edge, given, group, query)
    const { flag, environment, path } = placeOf(edge, given)
    const unsure = unsureText(`${flag} is killed in ${environment}`)
    const write = { ...withComment(given), query, unsure }
    const killed = await apiOf(edge, given, URGENT).write<Killed>('PUT', path, write)
    const dryRun = given.flags.has('dry-run')
    const done = dryRun ? undefined : doneText(`${flag} is killed in ${environment}`, killed)
    show(edge, given, killed, () => wordsOf(edge, flag, environment, killed, dryRun), done)
    tellWarnings(edge, killed)
    return exitOf(killed, wait)
  },
}

const ELSEWHERE = 'to ask another instance, add --url <its address>.'

/** A kill that is killed again answers the first kill. */
const unsureText = (what: string): string =>
  `It is NOT known whether ${what}. The same command again is safe; ${ELSEWHERE}`

async function killGroup(
  edge: Edge,
  given: Given,
  group: Group,
  query: { readonly wait: string; readonly timeout: string; readonly dryRun?: string },
): Promise<number> {
  const environment = environmentOf(edge, given)
  const path = at('projects', projectOf(edge, given), 'environments', environment, 'kills')
  const expect = expectedOf(given)
  const api = apiOf(edge, given, URGENT)
  const dryRun = query.dryRun !== undefined
  if (expect === undefined && !dryRun) {
    const would = await api.write<KilledGroup>('POST', path, { body: group, query: { dryRun: 'true' } })
    throw new Refusal(
      `That is ${flagsOf(would)}. Nothing was killed; if these are meant, add --expect ${would.kills.length}.`,
      EXIT.usage,
      would,
    )
  }
  const { comment } = given.texts
  const body = { ...group, expect, comment }
  const flags = 'tag' in group ? `the flags tagged ${oneLine(group.tag)}` : 'all flags'
  const unsure = unsureText(`${flags} are killed in ${environment}`)
  const killed = await api.write<KilledGroup>('POST', path, { body, query, unsure })
  const done = dryRun ? undefined : doneText(`${flags} are killed in ${environment}`, killed)
  show(edge, given, killed, () => groupInWords(edge, environment, killed, dryRun), done)
  tellWarnings(edge, killed)
  return exitOf(killed, query.wait)
}

/** What is kept in a journal has no revision yet. */
const doneText = (what: string, { durability, revision }: Told): string =>
  durability?.startsWith('journal') ? `${what}, kept in the journal` : `${what}, revision ${revision}`

/** So many are named; the others are counted. */
const NAMED = 20

export function named(flags: readonly string[], all = flags.length): string {
  const more = all - Math.min(flags.length, NAMED)
  return flags.slice(0, NAMED).join(', ') + (more > 0 ? ` and ${count(more)} more` : '')
}

const flagsOf = ({ kills }: KilledGroup): string => `${countOf(kills)}: ${named(kills.map(({ key }) => key))}`
const countOf = ({ length }: readonly unknown[]): string =>
  length === 1 ? 'one flag' : `${count(length)} flags`

function groupInWords(edge: Edge, environment: string, killed: KilledGroup, dryRun: boolean): string {
  const { red, dim } = paintFor(edge)
  const { kills, alsoOff, revision } = killed
  const before = kills.filter(({ already }) => already).map(({ key }) => key)
  const defaults = kills.filter(({ serves }) => 'codeDefault' in serves).map(({ key }) => key)
  const isNew = before.length < kills.length
  const first = dryRun
    ? `Would kill ${countOf(kills)} in ${environment}; nothing was changed. To do it, say --expect ${kills.length}.`
    : isNew
      ? `${red('Killed')} ${countOf(kills)} in ${environment}.`
      : `All were killed in ${environment} before: ${countOf(kills)}.`
  return [
    first,
    `  flags     ${named(kills.map(({ key }) => key))}`,
    ...(before.length === 0 ? [] : [`  before    ${named(before)} (killed before this)`]),
    ...(defaults.length === 0 ? [] : [`  default   ${named(defaults)} (the app’s code default is served)`]),
    ...(alsoOff.length === 0 ? [] : [`  also off  ${named(alsoOff)} (they require these)`]),
    ...(dryRun ? [] : deliveryLines(isNew ? `killed at revision ${revision}` : 'killed before', killed)),
    ...(dryRun ? [] : [dim(`  undo      halyard unkill <flag> --env ${environment}, one by one`)]),
  ].join('\n')
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
  options: {
    ...ENVIRONMENT_OPTION,
    ...COMMENT_OPTION,
    ...DRY_RUN,
    kill: { value: 'id', help: 'the kill that is meant; by default the one that is in force' },
    'accept-edits': { help: 'though the flag, or a segment that it uses, was edited since' },
  },
  notes:
    'What was edited while the flag was killed has not been served yet: without --accept-edits you are told of it,\nand the flag stays killed.',
  async run(edge, given) {
    const { flag, environment, path } = placeOf(edge, given)
    const { comment, kill } = given.texts
    const query = {
      ...dryRunOf(given),
      kill,
      ...(given.flags.has('accept-edits') && { acceptEdits: 'true' }),
    }
    const unsure =
      kill === undefined
        ? `It is NOT known whether ${flag} is still killed in ${environment}. Look first: halyard flags get ${flag} --env ${environment}; the same command again would end any kill, also one that came meanwhile; ${ELSEWHERE}`
        : unsureText(`the kill of ${flag} in ${environment} has ended`)
    const ended = await apiOf(edge, given, URGENT)
      .write<Unkilled>('DELETE', path, { comment, query, unsure })
      .catch((error: unknown) => {
        throw withEdits(error, flag, environment)
      })
    const { bold, green } = paintFor(edge)
    const by = `it was killed ${ended.ended.at} by ${oneLine(ended.ended.by)}`
    const dryRun = given.flags.has('dry-run')
    show(
      edge,
      given,
      ended,
      () =>
        dryRun
          ? `${bold(flag)} would be un-killed in ${environment} (${by}); nothing was changed.`
          : `${green('Un-killed')} ${bold(flag)} in ${environment}, revision ${ended.revision} (${by}).`,
      dryRun ? undefined : `${flag} is un-killed in ${environment}, revision ${ended.revision}`,
    )
    tellWarnings(edge, ended)
    return EXIT.done
  },
}

/** A refusal because of edits names each of them. */
function withEdits(error: unknown, flag: string, environment: string): unknown {
  const edits = error instanceof Refused ? error.problem.editedWhileKilled : undefined
  if (!(error instanceof Refused) || edits === undefined) return error
  const lines = edits.map(({ kind, key, revision, at: when, by }) => {
    const what = kind === 'members' ? `members of ${key}` : `${kind} ${key}`
    return oneLine(
      `  ${what} at revision ${revision}${when === undefined ? '' : `, ${when} by ${by ?? '?'}`}`,
    )
  })
  return new Refused(
    error.problem,
    [
      `${flag} stays killed in ${environment}: what it would serve was edited since.`,
      ...lines,
      `See halyard changes ${flag} --env ${environment}; add --accept-edits if that is meant.`,
    ].join('\n'),
  )
}
