/** `halyard changes`: who changed what, when, and why. A key that nobody knows has no changes, and is told as such. */
import { type Api, apiOf, at, type Page, type Query, Refused } from './api.ts'
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
  notes: 'Without a flag: all changes of the environment. The key of a segment works, too.',
  options: {
    ...ENVIRONMENT_OPTION,
    limit: { value: 'number', help: 'Default: 20' },
    since: { value: 'time', help: 'RFC 3339' },
    until: { value: 'time', help: 'RFC 3339' },
  },
  async run(edge, given) {
    const [key] = given.operands
    const { limit = '20', since, until } = given.texts
    if (!/^[1-9]\d{0,8}$/.test(limit)) throw new Refusal('--limit takes a number, such as 50.', EXIT.usage)
    const api = apiOf(edge, given)
    const place: Place = { api, project: projectOf(edge, given), environment: environmentOf(edge, given) }
    const page = await changesOf(place, key, { limit, since, until })
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

type Place = { readonly api: Api; readonly project: string; readonly environment: string }

/** Of a flag, else of a segment of that key, deleted or not. @throws Refused where there never was one */
async function changesOf(place: Place, key: string | undefined, query: Query): Promise<Page<Recorded>> {
  const { api, project, environment } = place
  const path = at('projects', project, 'environments', environment, 'changes')
  const ask = (more: Query) => api.get<Page<Recorded>>(path, { ...query, ...more })
  if (key === undefined) return await ask({})
  const ofFlag = await ask({ flag: key })
  if (ofFlag.items.length > 0) return ofFlag
  const ofSegment = await ask({ segment: key })
  if (ofSegment.items.length > 0) return ofSegment
  const ever = { limit: 1, since: undefined, until: undefined }
  const bounded = query.since !== undefined || query.until !== undefined
  const was = bounded && (await Promise.all([ask({ flag: key, ...ever }), ask({ segment: key, ...ever })]))
  if (!was || was.every(({ items }) => items.length === 0)) await lookFor(place, key)
  return ofFlag
}

/** @throws Refused where neither a flag nor a segment has that key, with what was probably meant */
async function lookFor({ api, project, environment }: Place, key: string): Promise<void> {
  const refusalOf = async (...parts: readonly string[]): Promise<Refused | undefined> => {
    try {
      await api.get(at('projects', project, ...parts, key))
      return undefined
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      return error.problem.status === 404 ? error : undefined
    }
  }
  const noFlag = await refusalOf('flags')
  if (noFlag === undefined) return
  const noSegment = await refusalOf('environments', environment, 'segments')
  if (noSegment === undefined) return
  throw noFlag.problem.didYouMean === undefined && noSegment.problem.didYouMean !== undefined
    ? noSegment
    : noFlag
}
