/**
 * A row of the matrix: a named test that says what is injected and what must show, and leaves its figures for the
 * table. `HALYARD_FAULTS_ROWS` chooses rows by the beginning of their names.
 */
import { appendFileSync } from 'node:fs'
import { test } from 'vitest'

export type RowResult = {
  readonly row: string
  readonly fault: string
  readonly pass: string
  readonly result: 'passed' | 'FAILED' | 'waits'
  readonly seconds: number
  /** By column, in the order in which they were given. */
  readonly figures: Readonly<Record<string, string>>
  readonly note?: string
}

export type Report = {
  /** A figure of the row. */
  readonly figure: (name: string, value: string) => void
}

export type RowOptions = {
  /** What is injected. */
  readonly fault: string
  /** What must show, besides G0 to G2 and G6. */
  readonly pass: string
  /** Why it cannot be run yet, or here: printed in its place in the table. */
  readonly waits?: string | undefined
  readonly timeoutMs?: number
}

const TIMEOUT_MS = 240_000
/** What it costs a row to be asked for its memory, too. */
const MEMORY_MS = process.env.HALYARD_FAULTS_MEMORY === '1' ? 75_000 : 0
const chosen = (process.env.HALYARD_FAULTS_ROWS ?? '').split(',').filter((name) => name !== '')

/** Declares a row. Its figures are kept whether or not it passes. */
export function row(name: string, options: RowOptions, run: (report: Report) => Promise<void>): void {
  const { fault, pass, waits, timeoutMs = TIMEOUT_MS } = options
  const wanted = chosen.length === 0 || chosen.some((one) => name.startsWith(one))
  const title = `${name}: ${fault}`
  if (!wanted) {
    test.skip(title)
    return
  }
  if (waits !== undefined) {
    test.skip(`${title} (${waits})`)
    keep({ row: name, fault, pass, result: 'waits', seconds: 0, figures: {}, note: waits })
    return
  }
  test(title, { timeout: timeoutMs + MEMORY_MS }, async () => {
    const figures: Record<string, string> = {}
    const from = performance.now()
    let result: RowResult['result'] = 'FAILED'
    try {
      await run({
        figure: (column, value) => {
          figures[column] = value
        },
      })
      result = 'passed'
    } finally {
      const seconds = (performance.now() - from) / 1_000
      keep({ row: name, fault, pass, result, seconds, figures })
      console.log(
        `${name} ${result} in ${seconds.toFixed(0)} s: ${Object.entries(figures)
          .map((pair) => pair.join(' '))
          .join(' · ')}`,
      )
    }
  })
}

function keep(result: RowResult): void {
  const file = process.env.HALYARD_FAULTS_RESULTS
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(result)}\n`)
}
