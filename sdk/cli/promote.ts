/** `halyard promote`: flags to the next environment; the difference is shown first, and what was shown is what happens. */
import { apiOf, at } from './api.ts'
import { type Command, confirmed, type Edge, EXIT, needed } from './command.ts'
import { COMMENT_OPTION } from './flags.ts'
import { asksJson, oneLine, paintFor, show } from './output.ts'
import { projectOf } from './settings.ts'
import type { Outcome } from './shapes.ts'
import { tellWarnings } from './warnings.ts'

type Promoted = Outcome & {
  readonly items: readonly {
    readonly kind: string
    readonly key: string
    readonly change: 'created' | 'updated' | 'deleted' | 'unchanged'
    readonly summary: readonly string[]
  }[]
  readonly plan?: string
}

export const promoteCommand: Command = {
  summary: 'Bring flags from one environment to another',
  operands: ['flag', '[flags…]'],
  options: {
    from: { value: 'env', help: 'the environment that they come from' },
    to: { value: 'env', help: 'the environment that is written' },
    parts: {
      value: 'parts',
      help: 'of variants, prerequisites, rules, targets, fallthrough, enabled, shares; separated by commas. Default: variants,prerequisites,rules,fallthrough',
    },
    segments: {
      value: 'what',
      of: ['when', 'members', 'none'],
      help: 'of the segments that the rules name. Default: when',
    },
    'dry-run': { help: 'say what would change: exits 2 where something would' },
    yes: { short: 'y', help: 'ask nobody' },
    ...COMMENT_OPTION,
  },
  exits: ['different'],
  notes:
    'No user moves in the target unless they must, and kills never travel. What changes in between stops it.',
  async run(edge, given) {
    const api = apiOf(edge, given)
    const from = needed(given, 'from', 'the environment that the flags come from')
    const to = needed(given, 'to', 'the environment that is written')
    const { parts, segments, comment } = given.texts
    const body = {
      from,
      to,
      flags: given.operands,
      ...(parts !== undefined && { parts: parts.split(',').map((part) => part.trim()) }),
      ...(segments !== undefined && { segments }),
      ...(comment !== undefined && { comment }),
    }
    const path = at('projects', projectOf(edge, given), 'promotions')
    const tried = await api.write<Promoted>('POST', path, { body, query: { dryRun: 'true' } })
    const changes = tried.items.some(({ change }) => change !== 'unchanged')
    const dryRun = given.flags.has('dry-run')
    if (!asksJson(given)) edge.say(wordsOf(edge, tried, from, to))
    tellWarnings(edge, tried)
    if (dryRun || !changes) {
      if (asksJson(given)) edge.say(JSON.stringify(tried, null, 2))
      return dryRun && changes ? EXIT.different : EXIT.done
    }
    if (!(await confirmed(edge, given, `Bring this to ${to}?`))) {
      edge.tell('Nothing was changed.')
      return EXIT.failed
    }
    const done = await api.write<Promoted>('POST', path, { body: { ...body, plan: tried.plan } })
    const said = `Done in ${to}, revision ${done.revision}`
    show(edge, given, done, () => `${said}.`, said)
    return EXIT.done
  },
}

function wordsOf(edge: Edge, { items }: Promoted, from: string, to: string): string {
  const { bold, green, yellow, dim } = paintFor(edge)
  const signs = { created: green('+'), updated: yellow('~'), deleted: yellow('-'), unchanged: dim('=') }
  return [
    bold(`${from} → ${to}`),
    ...items.flatMap(({ kind, key, change, summary }) => [
      `  ${signs[change]} ${kind} ${key}${change === 'unchanged' ? dim(' (the same)') : ''}`,
      ...(change === 'unchanged' ? [] : summary.map((line) => `      ${oneLine(line)}`)),
    ]),
  ].join('\n')
}
