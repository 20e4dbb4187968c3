/** `halyard kill-link`: a link that kills one flag, or a group, for a runbook or an alerting tool. */
import { type Api, apiOf, at, Refused } from './api.ts'
import { type Command, EXIT, type Given, Refusal } from './command.ts'
import { COMMENT_OPTION } from './flags.ts'
import { expectedOf, GROUP_OPTIONS, type Group, groupOf, named } from './kill.ts'
import { oneLine, paintFor, plural, show } from './output.ts'
import { ENVIRONMENT_OPTION, environmentOf, isLoopback, projectOf } from './settings.ts'

type Link = { readonly id: string; readonly url: string; readonly expiresAt: string }
type Target = { readonly flag: string } | (Group & { readonly expect: number })

const UNITS = { h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 } as const

export const killLinkCommand: Command = {
  summary: 'Make a link that kills a flag: a page with two taps, and a webhook',
  operands: ['[flag]'],
  options: {
    ...ENVIRONMENT_OPTION,
    ...COMMENT_OPTION,
    ...GROUP_OPTIONS,
    expires: { value: 'time', help: 'such as 12h, 30d (the default) or 8w; 400 days at most' },
  },
  notes:
    'Keep it as you would keep a key: whoever holds it can kill this, and do nothing else.\nIt ends with the key that makes it: to take links back, revoke that key.',
  async run(edge, given) {
    const environment = environmentOf(edge, given)
    const { comment, expires } = given.texts
    const api = apiOf(edge, given)
    const path = at('projects', projectOf(edge, given), 'environments', environment, 'kill-links')
    const target = await targetOf(api, given, path)
    const body = {
      ...target,
      ...(comment !== undefined && { comment }),
      ...(expires !== undefined && { expiresAt: new Date(edge.now() + lasting(expires)).toISOString() }),
    }
    const made = await api.write<Link>('POST', path, { body }).catch((error: unknown) => {
      throw ofALink(error, target)
    })
    // Under the address that this command reached: a proxy may not tell the server its own.
    const url = api.server.url + new URL(made.url, api.server.url).pathname
    const { dim, yellow } = paintFor(edge)
    show(
      edge,
      given,
      { ...made, url },
      () =>
        [
          url,
          `  kills     ${inWords(target)} in ${environment}, after two taps on its page, until ${made.expiresAt.slice(0, 10)}`,
          `  webhook   curl -X POST ${url}`,
          dim('  keep it   as you would a key; it ends when the key that made it is revoked'),
        ].join('\n'),
      `a link was made that kills ${inWords(target)} in ${environment}, and that nobody has seen`,
    )
    if (isLoopback(url)) {
      edge.tell(
        `${yellow('warning:')} ${new URL(url).host} is this machine alone: no other one reaches the link. Make it with --url and an address that others know.`,
      )
    }
    return EXIT.done
  },
}

/** The server's sentence is of a kill. */
function ofALink(error: unknown, target: Target): unknown {
  if (!(error instanceof Refused) || !('expect' in target) || error.problem.matching === undefined)
    return error
  const { count, flags } = error.problem.matching
  return new Refused(
    error.problem,
    `${plural(count, 'flag matches', 'flags match')} now, and ${target.expect} were expected: ${oneLine(named(flags, count))}. No link was made; if these are meant, say --expect ${count}.`,
  )
}

/** @throws Refusal where it is not said how many flags of a group are meant */
async function targetOf(api: Api, given: Given, path: string): Promise<Target> {
  const group = groupOf(given)
  const [flag = ''] = given.operands
  if (group === undefined) return { flag }
  const expect = expectedOf(given)
  if (expect !== undefined) return { ...group, expect }
  const would = await api.write<{ expect: number }>('POST', path, { body: group, query: { dryRun: 'true' } })
  throw new Refusal(
    `That is ${plural(would.expect, 'flag')} now. If these are meant, add --expect ${would.expect}.`,
    EXIT.usage,
    would,
  )
}

function inWords(target: Target): string {
  if ('flag' in target) return target.flag
  const flags = plural(target.expect, 'flag')
  return 'tag' in target ? `${flags} tagged ${oneLine(target.tag)}` : flags
}

/** Milliseconds. @throws Refusal */
function lasting(text: string): number {
  const [, count, unit] = /^(\d{1,5})([hdw])$/.exec(text) ?? []
  if (count === undefined || unit === undefined) {
    throw new Refusal(`--expires ${JSON.stringify(text)} is no time: 12h, 30d or 8w is expected.`, EXIT.usage)
  }
  return Number(count) * UNITS[unit as keyof typeof UNITS]
}
