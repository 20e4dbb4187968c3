/** `halyard flags …`: what flags there are, one of them, a new one, and their plain switches. */
import { type Api, apiOf, at, type Write } from './api.ts'
import { type Command, type Edge, EXIT, type Given, type Option, Refusal } from './command.ts'
import { oneLine, paintFor, plural, show, table } from './output.ts'
import { ENVIRONMENT_OPTION, environmentOf, projectOf } from './settings.ts'
import { type Configuration, FLAG_TYPES, type Flag, type Json, type Outcome, type Serve } from './shapes.ts'
import { tellWarnings } from './warnings.ts'

export const COMMENT_OPTION: Readonly<Record<string, Option>> = {
  comment: { value: 'text', short: 'm', help: 'why: kept with the change' },
}

export const flagsList: Command = {
  summary: 'List the flags; with --env, as they are configured there',
  options: {
    ...ENVIRONMENT_OPTION,
    query: { value: 'text', help: 'in the key or description' },
    tag: { value: 'tag', help: 'with this tag alone' },
    owner: { value: 'name', help: 'of this owner alone' },
    archived: { value: 'which', of: ['true', 'false', 'any'], help: 'Default: false' },
  },
  async run(edge, given) {
    const api = apiOf(edge, given)
    const project = projectOf(edge, given)
    const { query, tag, owner, archived } = given.texts
    const environment = given.texts.env ?? (edge.environment.HALYARD_ENV || undefined)
    if (environment === undefined) {
      const flags = await api.all<Flag>(at('projects', project, 'flags'), {
        query,
        tag,
        owner,
        archived,
        limit: 1000,
      })
      show(edge, given, flags, () => listed(edge, flags))
      return EXIT.done
    }
    const path = at('projects', project, 'environments', environment, 'flags')
    const configurations = await api.all<Configuration>(path, { query, tag, owner, limit: 1000 })
    show(edge, given, configurations, () => configured(edge, configurations))
    return EXIT.done
  },
}

function listed(edge: Edge, flags: readonly Flag[]): string {
  if (flags.length === 0) return 'There are no such flags.'
  const rows = flags.map(({ key, type, tags, owner, description, archived }) => [
    archived === null ? key : `${key} (archived)`,
    type,
    owner ?? '',
    tags.join(', '),
    description,
  ])
  return table(edge, ['FLAG', 'TYPE', 'OWNER', 'TAGS', 'DESCRIPTION'], rows)
}

function configured(edge: Edge, configurations: readonly Configuration[]): string {
  if (configurations.length === 0) return 'There are no such flags.'
  const rows = configurations.map((one) => [
    one.key,
    stateOf(edge, one),
    served(one.fallthrough),
    changed(one),
  ])
  return table(edge, ['FLAG', 'STATE', 'EVERYONE ELSE', 'CHANGED'], rows)
}

/** A key that may only kill is shown the kill alone. */
function stateOf(edge: Edge, { enabled, kill }: Partial<Configuration>): string {
  const paint = paintFor(edge)
  if (kill !== null && kill !== undefined) return paint.red('killed')
  if (enabled === undefined) return ''
  return enabled ? paint.green('on') : paint.dim('off')
}

export function served(serve: Serve | null | undefined): string {
  if (serve === undefined) return ''
  if (serve === null) return 'code default'
  if ('variant' in serve) return serve.variant
  return serve.split.shares.map(({ variant, percent }) => `${percent} % ${variant}`).join(', ')
}

function changed({ changedAt, changedBy }: Partial<Configuration>): string {
  return changedAt === undefined
    ? ''
    : `${changedAt.slice(0, 16).replace('T', ' ')} by ${changedBy?.name ?? ''}`
}

export const flagsGet: Command = {
  summary: 'Show a flag, and how it is configured in each environment',
  operands: ['flag'],
  options: ENVIRONMENT_OPTION,
  async run(edge, given) {
    const api = apiOf(edge, given)
    const project = projectOf(edge, given)
    const [key = ''] = given.operands
    const flag = await api.get<Flag>(at('projects', project, 'flags', key))
    const only = given.texts.env
    const environments = only === undefined ? await environmentsOf(api, project) : [only]
    const configurations = new Map<string, Configuration>()
    if (flag.archived === null) {
      for (const environment of environments) {
        const path = at('projects', project, 'environments', environment, 'flags', key)
        configurations.set(environment, await api.get<Configuration>(path))
      }
    }
    show(edge, given, { ...flag, environments: Object.fromEntries(configurations) }, () =>
      [described(edge, flag), '', ...[...configurations].map(([name, one]) => inEnvironment(edge, name, one))]
        .join('\n')
        .trimEnd(),
    )
    return EXIT.done
  },
}

export async function environmentsOf(api: Api, project: string): Promise<string[]> {
  const items = await api.all<{ key: string }>(at('projects', project, 'environments'), { limit: 1000 })
  return items.map(({ key }) => key)
}

function described(edge: Edge, flag: Flag): string {
  const { bold, yellow } = paintFor(edge)
  const facts = [
    flag.type,
    ...(flag.owner === null ? [] : [`owned by ${flag.owner}`]),
    ...(flag.tags.length === 0 ? [] : [`tagged ${flag.tags.join(', ')}`]),
    ...(flag.temporary
      ? [`temporary${flag.expiresAt === undefined ? '' : `, until ${flag.expiresAt}`}`]
      : []),
  ]
  return [
    `${bold(flag.key)}  ${oneLine(facts.join(', '))}`,
    ...(flag.description === '' ? [] : [oneLine(flag.description)]),
    ...(flag.archived === null
      ? []
      : [yellow(`Archived ${flag.archived.at} by ${oneLine(flag.archived.by)}`)]),
  ].join('\n')
}

function inEnvironment(edge: Edge, environment: string, one: Configuration): string {
  const { bold, red, dim } = paintFor(edge)
  const { kill, variants, offVariant, rules, targets, prerequisites } = one
  const facts = [
    `everyone else gets ${served(one.fallthrough)}`,
    ...(targets.length === 0 ? [] : [plural(targets.length, 'list of individuals', 'lists of individuals')]),
    ...(rules.length === 0 ? [] : [plural(rules.length, 'rule')]),
    ...(prerequisites.length === 0 ? [] : [`requires ${prerequisites.map(({ flag }) => flag).join(', ')}`]),
  ]
  const values = Object.entries(variants).map(([name, value]) => `${name} = ${JSON.stringify(value)}`)
  return [
    `${bold(environment)}  ${stateOf(edge, one)}  revision ${one.revision}, ${oneLine(changed(one))}`,
    ...(kill === null
      ? []
      : [
          red(
            `  killed ${kill.at} by ${oneLine(kill.by)}${kill.comment === undefined ? '' : `: ${oneLine(kill.comment)}`}`,
          ),
        ]),
    `  ${facts.join('; ')}`,
    dim(`  ${oneLine(values.join(', '))}; off is ${offVariant ?? 'the code default'}`),
  ].join('\n')
}

export const flagsCreate: Command = {
  summary: 'Make a flag, disabled everywhere',
  operands: ['flag'],
  options: {
    type: { value: 'type', of: FLAG_TYPES, help: 'Default: boolean' },
    variants: { value: 'json', help: 'such as \'{"red": "#f00"}\'; a boolean flag has on and off' },
    off: {
      value: 'variant',
      help: 'what it gives while it is off. Without it: the code default; boolean flags: off',
    },
    fallthrough: { value: 'variant', help: 'what everyone else gets' },
    description: { value: 'text', help: 'what it is for' },
    tag: { value: 'tags', help: 'separated by commas' },
    owner: { value: 'name', help: 'who is asked about it' },
    temporary: { help: 'it is meant to go' },
    client: { help: 'a browser’s key may see it' },
    ...COMMENT_OPTION,
  },
  async run(edge, given) {
    const api = apiOf(edge, given)
    const [key = ''] = given.operands
    const { type = 'boolean', variants, off, fallthrough, description, tag, owner, comment } = given.texts
    const body = {
      key,
      type,
      ...(variants !== undefined && { variants: jsonIn(variants, '--variants') }),
      ...(off !== undefined ? { offVariant: off } : type === 'boolean' ? {} : { offVariant: null }),
      ...(fallthrough !== undefined && { fallthrough: { variant: fallthrough } }),
      ...(description !== undefined && { description }),
      ...(tag !== undefined && { tags: tag.split(',').map((one) => one.trim()) }),
      ...(owner !== undefined && { owner }),
      ...(given.flags.has('temporary') && { temporary: true }),
      ...(given.flags.has('client') && { visibility: 'client' }),
    }
    const path = at('projects', projectOf(edge, given), 'flags')
    const made = await api.write<Flag & Outcome>('POST', path, { body, comment })
    show(
      edge,
      given,
      made,
      () =>
        `Made ${made.key} (${made.type}): disabled in every environment. Next: halyard flags enable ${made.key} --env development`,
      `${made.key} is made`,
    )
    tellWarnings(edge, made)
    return EXIT.done
  },
}

export function jsonIn(text: string, where: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch (error) {
    throw new Refusal(`${where} is no JSON: ${(error as Error).message}.`, EXIT.usage)
  }
}

/** `enable` and `disable`, in one environment. */
export function switched(action: 'enable' | 'disable'): Command {
  return {
    summary: action === 'enable' ? 'Let a flag’s rules decide' : 'Let a flag serve its off variant',
    operands: ['flag'],
    options: { ...ENVIRONMENT_OPTION, ...COMMENT_OPTION },
    async run(edge, given) {
      const api = apiOf(edge, given)
      const [key = ''] = given.operands
      const environment = environmentOf(edge, given)
      const path = at('projects', projectOf(edge, given), 'environments', environment, 'flags', key, action)
      const done = await api.write<Configuration & Outcome>('POST', path, {
        ...withComment(given),
        ifMatch: '*',
      })
      const said = `${key} is ${action}d in ${environment}, revision ${done.revision}`
      show(
        edge,
        given,
        done,
        () =>
          [
            `${said}.`,
            ...(done.kill === null ? [] : [`It stays killed: halyard unkill ${key} --env ${environment}`]),
          ].join('\n'),
        said,
      )
      tellWarnings(edge, done)
      return EXIT.done
    },
  }
}

/** `archive` and `unarchive`, everywhere. */
export function shelved(action: 'archive' | 'unarchive'): Command {
  return {
    summary:
      action === 'archive'
        ? 'Take a flag out of use: apps get their code default'
        : 'Bring a flag back as it was',
    operands: ['flag'],
    options: COMMENT_OPTION,
    async run(edge, given) {
      const [key = ''] = given.operands
      const path = at('projects', projectOf(edge, given), 'flags', key, action)
      const done = await apiOf(edge, given).write<Flag & Outcome>('POST', path, withComment(given))
      const said = `${key} is ${action}d`
      show(edge, given, done, () => `${said}.`, said)
      tellWarnings(edge, done)
      return EXIT.done
    },
  }
}

/** Why, as an action's body. */
export function withComment({ texts }: Given): Pick<Write, 'body'> {
  return texts.comment === undefined ? {} : { body: { comment: texts.comment } }
}
