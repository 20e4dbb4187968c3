/** Rows of the matrix that nobody has written yet: they stand in the table, so that it never looks complete. */
import { row } from './rig/row.ts'

const NOT_WRITTEN = 'this row is not written yet'
const ROWS: readonly (readonly [name: string, fault: string, pass: string])[] = [
  ['kill-any-shape', 'any flag, with an evaluator that throws on rules', 'always the off variant'],
  ['memory-back', 'a minute after each fault', 'G6: live memory within 10 % of what it was'],
]
for (const [name, fault, pass] of ROWS) row(name, { fault, pass, waits: NOT_WRITTEN }, async () => {})
