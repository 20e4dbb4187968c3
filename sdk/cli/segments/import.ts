/** `halyard segments …`: what cohorts there are, and their members out of a spreadsheet. */
import { type Api, apiOf, at, Refused, type Write } from '../api.ts'
import { type Command, type Edge, EXIT, type Given, Refusal } from '../command.ts'
import { COMMENT_OPTION } from '../flags.ts'
import { asksJson, oneLine, plural, show, table } from '../output.ts'
import { ENVIRONMENT_OPTION, environmentOf, projectOf } from '../settings.ts'
import type { Outcome, Segment } from '../shapes.ts'
import { tellWarnings } from '../warnings.ts'
import { type Row, rowsOf } from './rows.ts'

/** As many as one request may add. */
const BATCH = 10_000
const SHOWN_FAULTS = 10
/** Bytes that are written at once. */
const CHUNK = 64 * 1024

type Written = Outcome & {
  readonly added: number
  readonly present: number
  readonly removed: number
  readonly members: { readonly included: number; readonly excluded: number }
  readonly invalid: readonly { readonly line: number; readonly message: string }[]
  readonly invalidCount: number
}
type Totals = {
  added: number
  present: number
  removed: number
  invalidCount: number
  invalid: Written['invalid'][number][]
}

export const segmentsList: Command = {
  summary: 'List the segments of an environment',
  options: ENVIRONMENT_OPTION,
  async run(edge, given) {
    const path = at(
      'projects',
      projectOf(edge, given),
      'environments',
      environmentOf(edge, given),
      'segments',
    )
    const segments = await apiOf(edge, given).all<Segment>(path, { limit: 1000 })
    show(edge, given, segments, () =>
      segments.length === 0
        ? 'There are no segments.'
        : table(
            edge,
            ['SEGMENT', 'BY', 'INCLUDED', 'EXCLUDED', 'CONDITION'],
            segments.map(({ key, by, members, when }) => [
              key,
              by,
              String(members.included),
              String(members.excluded),
              when === null ? '' : JSON.stringify(when),
            ]),
          ),
    )
    return EXIT.done
  },
}

export const segmentsImport: Command = {
  summary: 'Make the rows of a CSV file members of a segment',
  operands: ['segment', 'file'],
  options: {
    ...ENVIRONMENT_OPTION,
    column: {
      value: 'name',
      help: 'of the heading, or a number from 1 where there is none; not needed where there is one column',
    },
    mode: {
      value: 'mode',
      of: ['add', 'replace'],
      help: 'add to the members (default), or make the file the whole list',
    },
    list: { value: 'list', of: ['included', 'excluded'], help: 'Default: included' },
    delimiter: { value: 'character', help: 'Default: a comma' },
    empty: { help: 'with replace: a file without rows takes all members of the list away' },
    create: { help: 'make the segment where it is not there' },
    'dry-run': { help: 'say what would happen, and change nothing' },
    ...COMMENT_OPTION,
  },
  notes:
    'The file is - for standard input. Rows that cannot be used are left out and told with their lines; the exit code is 1 then.\nreplace is one change, all or nothing; add is one for each 10,000 rows, and --empty for each 10,000 members.',
  async run(edge, given) {
    const api = apiOf(edge, given)
    const [segment = ''] = given.operands
    const path = at(
      'projects',
      projectOf(edge, given),
      'environments',
      environmentOf(edge, given),
      'segments',
      segment,
    )
    if (given.flags.has('create')) await makeIfMissing(api, path, given)
    const done = await imported(edge, given, api, `${path}/members`)
    const { totals, members } = done
    const dryRun = given.flags.has('dry-run')
    const said = `${dryRun ? 'Would add' : 'Added'} ${plural(totals.added, 'member')} to ${segment}${totals.removed > 0 ? `, and ${dryRun ? 'remove' : 'removed'} ${totals.removed}` : ''}`
    show(
      edge,
      given,
      { segment, ...totals, members },
      () =>
        [
          `${said}; ${totals.present.toLocaleString('en-US')} were there before.`,
          `It has ${plural(members.included, 'included member')}, and ${members.excluded} excluded.`,
        ].join('\n'),
      dryRun ? undefined : said,
    )
    if (!asksJson(given)) {
      for (const { line, message } of totals.invalid.slice(0, SHOWN_FAULTS))
        edge.tell(`line ${line}: ${oneLine(message)}`)
      if (totals.invalidCount > 0)
        edge.tell(`${plural(totals.invalidCount, 'row')} could not be used, and were left out.`)
    }
    return totals.invalidCount > 0 ? EXIT.failed : EXIT.done
  },
}

async function makeIfMissing(api: Api, path: string, { texts, flags }: Given): Promise<void> {
  try {
    await api.get(path)
  } catch (error) {
    if (!(error instanceof Refused) || error.kind !== 'segment-not-found') throw error
    if (flags.has('dry-run'))
      throw new Refusal('The segment is not there yet: a dry run has nothing to try it on.')
    await api.write('PUT', path, { body: { when: null }, comment: texts.comment })
  }
}

type Imported = { readonly totals: Totals; readonly members: Written['members'] }

async function imported(edge: Edge, given: Given, api: Api, path: string): Promise<Imported> {
  const { column, delimiter = ',', list = 'included', mode = 'add', comment } = given.texts
  const [, file = ''] = given.operands
  const rows = () => rowsOf(edge, { file, column, delimiter })
  const totals: Totals = { added: 0, present: 0, removed: 0, invalidCount: 0, invalid: [] }
  let members: Written['members'] = { included: 0, excluded: 0 }
  const dryRun = given.flags.has('dry-run') ? { dryRun: 'true' } : {}
  const change = async (write: Write): Promise<Written> => {
    const written = await api.write<Written>('PATCH', path, { ...write, comment })
    for (const count of ['added', 'present', 'removed', 'invalidCount'] as const)
      totals[count] += written[count]
    members = written.members
    tellWarnings(edge, written)
    return written
  }
  const send = async (bytes: () => AsyncIterable<Uint8Array>, lineOf: (line: number) => number) => {
    const lines = { type: 'text/csv', bytes }
    const { invalid } = await change({ lines, query: { mode, ...dryRun } })
    totals.invalid.push(...invalid.map(({ line, message }) => ({ line: lineOf(line), message })))
  }
  if (mode === 'replace') {
    if (file === '-')
      throw new Refusal(
        'replace reads the file again where the server is away for a moment: give a file.',
        EXIT.usage,
      )
    if (await isEmpty(rows())) {
      if (!given.flags.has('empty')) {
        throw new Refusal(
          `${file} has no rows, and replace would take all ${list} members away. Nothing was changed; if that is meant, add --empty.`,
        )
      }
      // Lines replace the lists that they name: without any, members have to be named.
      const units = (await api.all<{ unit: string }>(path, { list, limit: BATCH })).map(({ unit }) => unit)
      for (let at = 0; at === 0 || at < units.length; at += BATCH) {
        await change({ body: { [list]: { remove: units.slice(at, at + BATCH) } }, query: dryRun })
      }
      return { totals, members }
    }
    // Lines of what is sent are rows of the file; for those that can't be used the file is read once more.
    const lines = new Map<number, number>()
    await send(
      () => bytesOf(rows(), list),
      (line) => line,
    )
    await findLines(rows(), totals.invalid, lines)
    totals.invalid = totals.invalid.map(({ line, message }) => ({ line: lines.get(line) ?? line, message }))
    return { totals, members }
  }
  let batch: Row[] = []
  let sent = false
  const flush = async () => {
    const some = batch
    batch = []
    sent = true
    await send(
      () => bytesOf(some, list),
      (line) => some[line - 1]?.line ?? line,
    )
  }
  for await (const row of rows()) {
    batch.push(row)
    if (batch.length === BATCH) await flush()
  }
  if (batch.length > 0 || !sent) await flush()
  return { totals, members }
}

async function isEmpty(rows: AsyncIterable<Row>): Promise<boolean> {
  for await (const _row of rows) return false
  return true
}

async function findLines(
  rows: AsyncIterable<Row>,
  invalid: Written['invalid'],
  lines: Map<number, number>,
): Promise<void> {
  if (invalid.length === 0) return
  const wanted = new Set(invalid.map(({ line }) => line))
  let at = 0
  for await (const { line } of rows) {
    at += 1
    if (wanted.has(at)) lines.set(at, line)
    if (lines.size === wanted.size) return
  }
}

/** One quoted unit a line. A line end inside a unit is none of the server's format: it makes the row one that can't be used. */
async function* bytesOf(rows: Iterable<Row> | AsyncIterable<Row>, list: string): AsyncIterable<Uint8Array> {
  let text = ''
  for await (const { unit } of rows) {
    const whole = unit.replaceAll(/[\r\n]+/g, '\0')
    text += `"${whole.replaceAll('"', '""')}",${list}\n`
    if (text.length < CHUNK) continue
    yield Buffer.from(text, 'utf8')
    text = ''
  }
  if (text !== '') yield Buffer.from(text, 'utf8')
}
