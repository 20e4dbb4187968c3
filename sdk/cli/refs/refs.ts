/** `halyard refs`: flags that code names and the server has not, and flags that no code names. */
import { apiOf, at } from '../api.ts'
import { readCode } from '../code/file.ts'
import { type Command, type Edge, EXIT, type Given } from '../command.ts'
import { nearest } from '../nearest.ts'
import { paintFor, plural, show } from '../output.ts'
import { projectOf, SERVER_OPTIONS } from '../settings.ts'
import type { Flag } from '../shapes.ts'
import { sourcesIn } from './files.ts'
import { referencesIn } from './find.ts'

type Place = { readonly file: string; readonly line: number; readonly column: number }
type Unknown = {
  readonly key: string
  readonly archived: boolean
  readonly didYouMean?: string
  readonly places: readonly Place[]
}

const SHOWN_PLACES = 5

export const refsCommand: Command = {
  summary: 'Find flags that code names and the server has not, and the reverse',
  operands: ['[paths…]'],
  options: {
    ...SERVER_OPTIONS,
    from: { value: 'file', short: 'f', help: 'flags as code, in place of the server' },
    unused: { help: 'exit 2 where a flag is named by no code, too' },
    all: { help: 'every place of every flag' },
  },
  local: true,
  exits: ['different'],
  notes:
    'Exits 2 where code asks for a flag that is not there, or is archived. Without paths: this folder. Files that git ignores,\nand packages, are left out. Keys that are put together at run time cannot be found.',
  async run(edge, given) {
    const flags = await known(edge, given)
    const keys = new Set(flags.map(({ key }) => key))
    const places = new Map<string, Place[]>()
    const unknown = new Set<string>()
    let files = 0
    for (const { path, text } of sourcesIn(
      edge.folder,
      given.operands.length === 0 ? ['.'] : given.operands,
    )) {
      files += 1
      for (const { key, line, column, by } of referencesIn(text, keys)) {
        places.set(key, [...(places.get(key) ?? []), { file: path, line, column }])
        if (by === 'call' && !keys.has(key)) unknown.add(key)
      }
    }
    const archived = new Set(flags.filter((flag) => flag.archived).map(({ key }) => key))
    const live = [...keys].filter((key) => !archived.has(key))
    const wrong = [...unknown, ...[...archived].filter((key) => places.has(key))]
      .sort()
      .map((key): Unknown => {
        const meant = archived.has(key) ? undefined : nearest(key, live)
        return {
          key,
          archived: archived.has(key),
          ...(meant !== undefined && { didYouMean: meant }),
          places: places.get(key) ?? [],
        }
      })
    const unused = live.filter((key) => !places.has(key)).sort()
    const used = Object.fromEntries(
      live.filter((key) => places.has(key)).map((key) => [key, places.get(key)]),
    )
    show(edge, given, { files, unknown: wrong, unused, used }, () =>
      wordsOf(edge, given, files, wrong, unused, used),
    )
    return wrong.length > 0 || (given.flags.has('unused') && unused.length > 0) ? EXIT.different : EXIT.done
  },
}

async function known(edge: Edge, given: Given): Promise<readonly { key: string; archived: boolean }[]> {
  const { from } = given.texts
  if (from !== undefined)
    return [...(readCode(edge, from).flags?.keys() ?? [])].map((key) => ({ key, archived: false }))
  const path = at('projects', projectOf(edge, given), 'flags')
  const flags = await apiOf(edge, given).all<Flag>(path, { archived: 'any', fields: 'archived', limit: 1000 })
  return flags.map(({ key, archived }) => ({ key, archived: archived !== null }))
}

function wordsOf(
  edge: Edge,
  given: Given,
  files: number,
  wrong: readonly Unknown[],
  unused: readonly string[],
  used: Readonly<Record<string, readonly Place[] | undefined>>,
): string {
  const { red, yellow, bold, dim } = paintFor(edge)
  const shown = (places: readonly Place[]): string[] => {
    const most = given.flags.has('all') ? places.length : SHOWN_PLACES
    return [
      ...places.slice(0, most).map(({ file, line, column }) => `    ${file}:${line}:${column}`),
      ...(places.length > most ? [dim(`    and ${plural(places.length - most, 'place')} more (--all)`)] : []),
    ]
  }
  return [
    ...wrong.flatMap(({ key, archived, didYouMean, places }) => [
      `${red(archived ? 'archived' : 'unknown')}  ${bold(key)}${didYouMean === undefined ? '' : ` (did you mean ${didYouMean}?)`}`,
      ...shown(places),
    ]),
    ...unused.map((key) => `${yellow('unused')}  ${bold(key)}`),
    ...(given.flags.has('all')
      ? Object.entries(used).flatMap(([key, places = []]) => [`used  ${bold(key)}`, ...shown(places)])
      : []),
    `${plural(files, 'file')}: ${plural(Object.keys(used).length, 'flag')} used, ${unused.length} unused, ${wrong.length} not there.`,
  ].join('\n')
}
