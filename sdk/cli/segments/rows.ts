/** Units out of a CSV file, as they are read: never more of it in memory than a few rows. */
import { createReadStream } from 'node:fs'
import { resolve } from 'node:path'
import { CsvError, parse } from 'csv-parse'
import { type Edge, EXIT, Refusal } from '../command.ts'
import { nearest } from '../nearest.ts'
import { oneLine } from '../output.ts'

export type Row = { readonly unit: string; readonly line: number }
export type Rows = AsyncIterable<Row>

export type Source = {
  /** A path, or `-` for standard input. */
  readonly file: string
  /** A name of the heading, or a number from 1; undefined: the only column. */
  readonly column: string | undefined
  readonly delimiter: string
}

/** @throws Refusal where the file is no CSV, or has no such column */
export async function* rowsOf(edge: Edge, { file, column, delimiter }: Source): Rows {
  const input: NodeJS.ReadableStream =
    file === '-' ? edge.input : createReadStream(resolve(edge.folder, file))
  const parser = parse({
    bom: true,
    delimiter,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    trim: true,
  })
  input.on('error', (error: Error) => parser.destroy(error))
  input.pipe(parser)
  let at: number | undefined
  let first = true
  try {
    for await (const row of parser as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
      const { record, info } = row
      if (first) {
        first = false
        const found = columnOf(record, column, file)
        at = found.at
        if (found.heading) continue
      }
      yield { unit: record[at ?? 0] ?? '', line: info.lines }
    }
  } catch (error) {
    if (error instanceof CsvError) throw new Refusal(`${file} is no CSV: ${faultOf(error)}.`)
    if ((error as NodeJS.ErrnoException).code === undefined) throw error
    throw new Refusal(`${file} cannot be read: ${(error as Error).message}.`, EXIT.usage)
  }
}

/** What is wrong and where, without a word of what stands there: it may be a person. */
function faultOf(error: CsvError): string {
  const { lines, index } = error as CsvError & { readonly lines?: number; readonly index?: number }
  const what = FAULTS[error.code] ?? 'it cannot be read'
  return `line ${lines ?? '?'}, column ${index === undefined ? '?' : index + 1}: ${what}`
}

const FAULTS: Readonly<Record<string, string>> = {
  INVALID_OPENING_QUOTE:
    'there is a quote in the midst of a field (a field with quotes stands in quotes, each doubled)',
  CSV_INVALID_CLOSING_QUOTE: 'something follows a closing quote (a quote in a field is doubled)',
  CSV_NON_TRIMABLE_CHAR_AFTER_CLOSING_QUOTE:
    'something follows a closing quote (a quote in a field is doubled)',
  CSV_QUOTE_NOT_CLOSED: 'a quote is not closed',
  CSV_MAX_RECORD_SIZE: 'it is too long',
}

function columnOf(heading: readonly string[], column: string | undefined, file: string) {
  if (column === undefined) {
    if (heading.length === 1) return { at: 0, heading: /^(unit|targetingKey)$/i.test(heading[0] ?? '') }
    throw new Refusal(
      `${file} has ${heading.length} columns: say which one with --column (${heading.map(oneLine).join(', ')}; or a number, where there is no heading).`,
      EXIT.usage,
    )
  }
  const named = heading.indexOf(column)
  if (named !== -1) return { at: named, heading: true }
  const number = Number(column)
  if (Number.isInteger(number) && number >= 1 && number <= heading.length)
    return { at: number - 1, heading: false }
  const meant = nearest(column, heading)
  throw new Refusal(
    `${file} has no column ${JSON.stringify(column)}: it has ${heading.map(oneLine).join(', ')}.${meant === undefined ? '' : ` Did you mean ${meant}?`}`,
    EXIT.usage,
  )
}
