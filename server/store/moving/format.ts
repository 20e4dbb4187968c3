/**
 * What a backup looks like: lines of JSON. The first says what it is and where each log stood; then for each table a
 * line with its columns and a line for each row; the last counts the rows and has the SHA-256 of all lines before it.
 *
 *     {"halyard":"backup","format":1,"version":"0.1.0","at":"2026-01-02T03:04:05.678Z","migrations":["0001-logs"],"logs":[…]}
 *     {"table":"logs","columns":["id","parent_id",…]}
 *     ["system",null,…]
 *     {"rows":{"logs":1},"sha256":"…"}
 *
 * Values are texts as Postgres writes them (times in UTC, with microseconds), or null, so that what is read back is
 * equal to the last digit.
 */

/** Rises where an older release could not restore what this one writes. */
export const FORMAT = 1

export type Header = {
  readonly halyard: 'backup'
  readonly format: number
  /** Of the release that made it. */
  readonly version: string
  /** RFC 3339, UTC. */
  readonly at: string
  /** Names of the schema's migrations, in order. */
  readonly migrations: readonly string[]
  readonly logs: readonly LogHead[]
}
/** Where a log stood: what the restored one must go on from. */
export type LogHead = {
  readonly id: string
  readonly project: string
  readonly environment: string
  readonly epoch: string
  readonly revision: string
  readonly hash: string
}
export type Section = { readonly table: string; readonly columns: readonly string[] }
export type Row = readonly (string | null)[]
export type Footer = { readonly rows: Readonly<Record<string, number>>; readonly sha256: string }

export type Line =
  | { readonly is: 'header'; readonly header: Header }
  | { readonly is: 'section'; readonly section: Section }
  | { readonly is: 'row'; readonly row: Row }
  | { readonly is: 'footer'; readonly footer: Footer }

/** Why a backup cannot be restored here, in a sentence that says what to do. Nothing was written. */
export class BackupError extends Error {
  override readonly name = 'BackupError'
}

/** A line, or undefined for what is none of a backup. */
export function lineOf(text: string): Line | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (Array.isArray(value)) return value.every(isCell) ? { is: 'row', row: value } : undefined
  if (typeof value !== 'object' || value === null) return undefined
  const fields = value as Readonly<Record<string, unknown>>
  if (isHeader(fields)) return { is: 'header', header: fields }
  if (isSection(fields)) return { is: 'section', section: fields }
  return isFooter(fields) ? { is: 'footer', footer: fields } : undefined
}

const isCell = (value: unknown): boolean => typeof value === 'string' || value === null
const isText = (value: unknown): value is string => typeof value === 'string'
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every(isText)

type Fields<T> = Readonly<Record<string, unknown>> & T
const isHeader = (fields: Readonly<Record<string, unknown>>): fields is Fields<Header> =>
  fields.halyard === 'backup' && typeof fields.format === 'number'
const isSection = (fields: Readonly<Record<string, unknown>>): fields is Fields<Section> =>
  isText(fields.table) && isTexts(fields.columns)
const isFooter = (fields: Readonly<Record<string, unknown>>): fields is Fields<Footer> =>
  isText(fields.sha256) && typeof fields.rows === 'object' && fields.rows !== null

/** Whether the rest of a header of this format is there. */
export const isWhole = ({ version, at, migrations, logs }: Header): boolean =>
  isText(version) && isText(at) && isTexts(migrations) && Array.isArray(logs)
