/** What people read: tables that fit their content, and colours where a terminal shows them. */
import type { Edge, Given } from './command.ts'

export type Paint = {
  readonly [style in 'bold' | 'dim' | 'red' | 'green' | 'yellow']: (text: string) => string
}

const STYLES = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39] } as const

/** Paints for terminals alone, and never where `NO_COLOR` is set (no-color.org) or the terminal is dumb. */
export function paintFor({ terminal, environment }: Pick<Edge, 'terminal' | 'environment'>): Paint {
  const { NO_COLOR, FORCE_COLOR, TERM } = environment
  const forced = FORCE_COLOR !== undefined && FORCE_COLOR !== '' && FORCE_COLOR !== '0'
  const painted = (terminal && TERM !== 'dumb') || forced
  const off = !painted || (NO_COLOR !== undefined && NO_COLOR !== '')
  const style =
    ([on, end]: readonly [number, number]) =>
    (text: string) =>
      off || text === '' ? text : `\u001b[${on}m${text}\u001b[${end}m`
  return {
    bold: style(STYLES.bold),
    dim: style(STYLES.dim),
    red: style(STYLES.red),
    green: style(STYLES.green),
    yellow: style(STYLES.yellow),
  }
}

/** Columns as wide as what stands in them; the last is as long as it is. */
export function table(edge: Edge, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const { dim } = paintFor(edge)
  const shown = rows.map((row) => row.map(oneLine))
  const widths = head.map((title, at) =>
    Math.max(title.length, ...shown.map((row) => widthOf(row[at] ?? ''))),
  )
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => cell + ' '.repeat(Math.max(0, (widths[at] ?? 0) - widthOf(cell))))
      .join('  ')
      .trimEnd()
  return [dim(line(head)), ...shown.map(line)].join('\n')
}

/** Code points, without what paints them. */
function widthOf(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that paint.
  return [...text.replaceAll(/\u001b\[\d+m/g, '')].length
}

/** Control characters in what other people wrote must not move anyone's cursor. */
export function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out.
  return text.replaceAll(/\s*[\n\r\t]\s*/g, ' ').replaceAll(/[\u0000-\u0008\u000b-\u001a\u007f-\u009f]/g, '')
}

export const asksJson = ({ flags }: Given): boolean => flags.has('json')

/**
 * The answer as it came, or as people read it.
 * @param done what was done, in a few words
 */
export function show(edge: Edge, given: Given, answer: unknown, text: () => string, done?: string): void {
  edge.say(asksJson(given) ? JSON.stringify(answer, null, 2) : text(), done)
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`
}
