/**
 * Migrations only add: a release runs on the schema of the next one, so that both serve side by side while instances are
 * replaced, and going back is the old image.
 */
import { describe, expect, it } from 'vitest'
import { shippedMigrations } from '../../../server/store/migrate.ts'
import { findingsIn } from '../../support/migration-rules.ts'

/** Before anything was released, so that no installation holds many records. */
const UNRELEASED = 'no installation was older when it was made'

/** What is allowed all the same: by migration, a part of the statement, and why. */
const ALLOWED: Readonly<Record<string, readonly (readonly [part: string, why: string])[]>> = {
  '0002-history': [
    ['UPDATE halyard.logs SET changed_at', 'one row a project and environment; a commit waits milliseconds'],
    ['CREATE INDEX changes_by_time', UNRELEASED],
    ['CREATE INDEX changes_by_actor', UNRELEASED],
  ],
  '0003-changes': [['CREATE INDEX changes_by_action', UNRELEASED]],
  '0005-erasure-and-compaction': [['CREATE INDEX changes_compactions', UNRELEASED]],
  '0006-changes-found-by-key': ['changes_by_time', 'changes_by_actor', 'changes_by_action'].flatMap(
    (index) =>
      [
        [`DROP INDEX halyard.${index}`, 'made again at once; it only makes reading the past fast'],
        [`CREATE INDEX ${index}`, UNRELEASED],
      ] as const,
  ),
  '0007-usage': [
    ['FUNCTION halyard_usage.turn', 'it drops what it made itself: days of counts that are over'],
  ],
}

const shipped = shippedMigrations().slice(1)

describe('a migration', () => {
  it.each(shipped.map((migration) => [migration.name, migration] as const))(
    '%s does nothing that the release before it could not live with',
    (name, migration) => {
      const allowed = ALLOWED[name] ?? []
      const refused = findingsIn(migration).filter(
        ({ statement }) => !allowed.some(([part]) => statement.includes(part)),
      )
      expect(
        refused.map(({ rule, statement, instead }) => `it ${rule}: ${instead}. (${statement.slice(0, 200)})`),
      ).toEqual([])
    },
  )

  it('that is allowed more has it in its SQL', () => {
    for (const [name, allowed] of Object.entries(ALLOWED)) {
      const migration = shipped.find((one) => one.name === name)
      const findings = migration === undefined ? [] : findingsIn(migration)
      for (const [part] of allowed)
        expect([name, part, findings.some(({ statement }) => statement.includes(part))]).toEqual([
          name,
          part,
          true,
        ])
    }
  })
})

const rulesOf = (...statements: string[]) => [
  ...new Set(findingsIn({ name: '9999-sample', statements }).map(({ rule }) => rule)),
]

describe('the rules', () => {
  it.each([
    ['drops something', 'DROP TABLE halyard.changes'],
    ['drops something', 'ALTER TABLE halyard.logs DROP bytes'],
    ['drops something', 'ALTER TABLE halyard.logs ALTER COLUMN bytes DROP DEFAULT'],
    ['drops something', 'DROP INDEX halyard.changes_by_time'],
    ['renames something', 'ALTER TABLE halyard.logs RENAME COLUMN bytes TO size'],
    ['changes a type', 'ALTER TABLE halyard.logs ALTER COLUMN epoch TYPE numeric'],
    ['changes a type', 'ALTER TABLE halyard.logs ALTER epoch SET DATA TYPE int'],
    ['demands a value', 'ALTER TABLE halyard.logs ALTER changed_at SET NOT NULL'],
    ['demands a value', 'ALTER TABLE halyard.logs ADD COLUMN a int, ADD COLUMN b text NOT NULL'],
    ['computes a default', 'ALTER TABLE halyard.logs ADD at timestamptz NOT NULL DEFAULT now()'],
    ['computes a default', 'ALTER TABLE halyard.logs ADD n int GENERATED ALWAYS AS IDENTITY'],
    [
      'adds a constraint that is checked at once',
      'ALTER TABLE halyard.logs ADD CONSTRAINT c CHECK (bytes > 0)',
    ],
    [
      'adds a constraint that is checked at once',
      'ALTER TABLE halyard.logs ADD COLUMN by text REFERENCES halyard.logs (id)',
    ],
    ['builds an index concurrently', 'CREATE INDEX CONCURRENTLY i ON halyard.changes (at)'],
    ['builds an index on a table that is in use', 'CREATE UNIQUE INDEX i ON halyard.changes (at)'],
    ['rewrites rows', 'UPDATE halyard.entries SET text = null'],
    ['rewrites rows', 'WITH old AS (SELECT 1) DELETE FROM halyard.entries'],
    ['takes a whole table', 'LOCK TABLE halyard.logs'],
    ['takes a whole table', 'TRUNCATE halyard.entries'],
    ['changes what others’ statements do', 'REVOKE INSERT ON halyard.changes FROM halyard_app'],
    ['changes what others’ statements do', 'CREATE TRIGGER t BEFORE INSERT ON halyard.changes EXECUTE f()'],
    ['sets a time-out or ends the transaction', "SET LOCAL lock_timeout = '1h'"],
    ['sets a time-out or ends the transaction', 'COMMIT'],
  ])('find what %s: %s', (rule, statement) => {
    expect(rulesOf(statement)).toContain(rule)
  })

  it.each([
    [
      'a new table with its indexes',
      'CREATE TABLE halyard.new (id int NOT NULL)',
      'CREATE INDEX i ON halyard.new (id)',
    ],
    ['a column that may be empty', 'ALTER TABLE halyard.logs ADD COLUMN note text'],
    ['a column with a constant', "ALTER TABLE halyard.logs ADD note text NOT NULL DEFAULT 'none'"],
    ['a column that may be empty from now on', 'ALTER TABLE halyard.logs ALTER bytes DROP NOT NULL'],
    ['a constraint for later', 'ALTER TABLE halyard.logs ADD CONSTRAINT c CHECK (bytes > 0) NOT VALID'],
    ['what a comment says', '-- DROP TABLE halyard.logs\nALTER TABLE halyard.logs ADD note text'],
  ])('take %s', (_, ...statements) => {
    expect(rulesOf(...statements)).toEqual([])
  })
})
