/** `halyard changes`: who changed what, when, and why. */
import { apiOf, at, type Page } from './api.ts'
import { type Command, EXIT, Refusal } from './command.ts'
import { oneLine, paintFor, show } from './output.ts'
import { ENVIRONMENT_OPTION, environmentOf, projectOf } from './settings.ts'

type Recorded = {
  readonly revision: number
  readonly at: string
  readonly actor: { readonly name: string }
  readonly comment: string | null
  readonly summary: readonly string[]
}

export const changesCommand: Command = {
  summary: 'Say who changed what in an environment, newest first',
  operands: ['[flag]'],
  options: {
    ...ENVIRONMENT_OPTION,
    limit: { value: 'number', help: 'Default: 20' },
    since: { value: 'time', help: 'RFC 3339' },
    until: { value: 'time', help: 'RFC 3339' },
  },
  async run(edge, given) {
    const [flag] = given.operands
    const { limit = '20', since, until } = given.texts
    if (!/^[1-9]\d{0,8}$/.test(limit)) throw new Refusal('--limit takes a number, such as 50.', EXIT.usage)
    const path = at('projects', projectOf(edge, given), 'environments', environmentOf(edge, given), 'changes')
    const page = await apiOf(edge, given).get<Page<Recorded>>(path, { flag, limit, since, until })
    const { bold, dim } = paintFor(edge)
    show(edge, given, page.items, () =>
      page.items.length === 0
        ? 'There are no such changes.'
        : page.items
            .flatMap(({ revision, at: when, actor, comment, summary }) => [
              `${bold(String(revision))}  ${when.slice(0, 19).replace('T', ' ')}  ${oneLine(actor.name)}${comment === null ? '' : `  ${dim(oneLine(comment))}`}`,
              ...summary.map((line) => `    ${oneLine(line)}`),
            ])
            .join('\n'),
    )
    return EXIT.done
  },
}
