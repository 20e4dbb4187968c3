/** Rows of the matrix that nobody has written yet: they stand in the table, so that it never looks complete. */
import { row } from './rig/row.ts'

const NOT_WRITTEN = 'this row is not written yet'
const ROWS: readonly (readonly [name: string, fault: string, pass: string])[] = [
  [
    'boot-without-postgres',
    'a start with Postgres stopped; no Redis, then no disk either',
    'serving ≤ 2 s from a snapshot; with none: up, not ready, full ≤ 5 s after it returns',
  ],
  [
    'sdk-unreachable-at-start',
    'no server answers `connect`',
    'never blocks past its start timeout; catches up by itself',
  ],
  [
    'sdk-cache-corrupted',
    'the disk cache is cut, changed and another key’s',
    'never throws; the last known state or the defaults',
  ],
  [
    'bad-rules-by-request',
    'racing cycles, huge segments, catastrophic regex, 20,000-deep JSON, bad weights',
    '4xx with a pointer',
  ],
  ['kill-any-shape', 'any flag, with an evaluator that throws on rules', 'always the off variant'],
  ['memory-back', 'a minute after each fault', 'G6: live memory within 10 % of what it was'],
]
for (const [name, fault, pass] of ROWS) row(name, { fault, pass, waits: NOT_WRITTEN }, async () => {})
