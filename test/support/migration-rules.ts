/**
 * What a migration may not do while the release before it serves beside the one that brings it: rules over its SQL, each
 * with what to do instead. It reads statements as text, so it is for migrations that are written plainly.
 */
import type { Migration } from '../../server/store/migrate.ts'

export type Finding = {
  readonly rule: string
  /** On one line. */
  readonly statement: string
  readonly instead: string
}

type Rule = {
  readonly name: string
  /** Whether the statement breaks it. `made`: the tables that the migration itself creates. */
  readonly breaks: (statement: string, made: ReadonlySet<string>) => boolean
  readonly instead: string
}

const matches = (pattern: RegExp) => (statement: string) => pattern.test(statement)

const RULES: readonly Rule[] = [
  {
    name: 'drops something',
    // A column that may be empty takes all that the release before writes.
    breaks: matches(/\bDROP\b(?!\s+NOT\s+NULL)/i),
    instead: 'the release before still uses it: stop using it in this release, and drop it in the next one',
  },
  {
    name: 'renames something',
    breaks: matches(/\bRENAME\b/i),
    instead: 'add the new one, write both, and drop the old one a release later',
  },
  {
    name: 'changes a type',
    breaks: matches(/\bALTER\s+(?:COLUMN\s+)?\S+\s+(?:SET\s+DATA\s+)?TYPE\b/i),
    instead:
      'it rewrites the table under a lock: add a column of the new type, and fill it as rows are written',
  },
  {
    name: 'demands a value',
    breaks: (statement) =>
      /\bSET\s+NOT\s+NULL\b/i.test(statement) ||
      addedColumns(statement).some(
        (column) => /\bNOT\s+NULL\b/i.test(column) && !/\bDEFAULT\b/i.test(column),
      ),
    instead: 'the release before does not write it: leave it nullable, or give it a constant DEFAULT',
  },
  {
    name: 'computes a default',
    breaks: (statement) =>
      addedColumns(statement).some((column) => /\bDEFAULT\b[^,]*\(|\bGENERATED\b|\bSERIAL\b/i.test(column)),
    instead: 'it rewrites the table under a lock: add the column empty, and fill it as rows are written',
  },
  {
    name: 'adds a constraint that is checked at once',
    breaks: (statement) =>
      (/\bADD\s+(?:CONSTRAINT|PRIMARY|UNIQUE|FOREIGN|CHECK|EXCLUDE)\b/i.test(statement) &&
        !/\bNOT\s+VALID\b|\bUSING\s+INDEX\b/i.test(statement)) ||
      addedColumns(statement).some((column) => /\b(?:REFERENCES|CHECK|UNIQUE|PRIMARY)\b/i.test(column)),
    instead:
      'it reads the whole table under a lock: add it NOT VALID, and VALIDATE it in a migration of its own',
  },
  {
    name: 'builds an index concurrently',
    breaks: matches(/\bCONCURRENTLY\b/i),
    instead:
      'a migration is a transaction, and that cannot run in one: write CREATE INDEX IF NOT EXISTS here, and have operators of large installations run it CONCURRENTLY beforehand',
  },
  {
    name: 'builds an index on a table that is in use',
    breaks: (statement, made) => {
      const table = /\bCREATE\s+(?:UNIQUE\s+)?INDEX\b.*?\bON\s+(?:ONLY\s+)?(\S+)/i.exec(statement)?.[1]
      return table !== undefined && !made.has(table.toLowerCase())
    },
    instead:
      'nobody writes while it is built: say how large the table can be and how long that takes, or see "builds an index concurrently"',
  },
  {
    name: 'rewrites rows',
    breaks: matches(/^\s*(?:WITH\b.*\b)?(?:UPDATE|DELETE\s+FROM|INSERT\s+INTO|MERGE)\b/i),
    instead:
      'it holds locks for as long as there are rows: fill them as they are written, or by a command in portions',
  },
  {
    name: 'takes a whole table',
    breaks: matches(
      /\b(?:TRUNCATE|CLUSTER|VACUUM|REINDEX)\b|\bLOCK\s+TABLE\b|\bSET\s+(?:UN)?LOGGED\b|\bSET\s+(?:TABLESPACE|ACCESS\s+METHOD)\b/i,
    ),
    instead: 'nobody reads or writes meanwhile',
  },
  {
    name: 'changes what others’ statements do',
    breaks: matches(
      /\bREVOKE\b|\bCREATE\s+(?:OR\s+REPLACE\s+)?(?:TRIGGER|RULE)\b|\bROW\s+LEVEL\s+SECURITY\b/i,
    ),
    instead: 'the release before does not know of it',
  },
  {
    name: 'sets a time-out or ends the transaction',
    breaks: matches(/\b(?:lock_timeout|statement_timeout)\b|^\s*(?:BEGIN|COMMIT|ROLLBACK)\b/i),
    instead: 'a migration waits two seconds for a table, in one transaction, and is tried again',
  },
]

/** What breaks a rule. */
export function findingsIn({ statements }: Migration): readonly Finding[] {
  const plain = statements.map((text) =>
    text
      .replace(/--[^\n]*/g, ' ')
      .replace(/\s+/g, ' ')
      .trim(),
  )
  const made = new Set(
    plain.flatMap((text) => {
      const table = /^CREATE TABLE (?:IF NOT EXISTS )?(\S+)/i.exec(text)?.[1]
      return table === undefined ? [] : [table.toLowerCase()]
    }),
  )
  return plain.flatMap((statement) =>
    RULES.filter(({ breaks }) => breaks(statement, made)).map(({ name, instead }) => ({
      rule: name,
      statement,
      instead,
    })),
  )
}

/** Definitions of the columns that an ALTER TABLE adds. */
function addedColumns(statement: string): readonly string[] {
  const body = /^\s*ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?\S+\s+(.*)$/is.exec(statement)?.[1]
  if (body === undefined) return []
  const actions: string[] = ['']
  let depth = 0
  for (const character of body) {
    if (character === '(') depth++
    if (character === ')') depth--
    if (character === ',' && depth === 0) actions.push('')
    else actions[actions.length - 1] += character
  }
  const column = /^\s*ADD\s+(?!CONSTRAINT\b|PRIMARY\b|UNIQUE\b|FOREIGN\b|CHECK\b|EXCLUDE\b)/i
  return actions.filter((action) => column.test(action))
}
