/** `verify`: says whether the history in the database is the one that was written, and where it is not. */
import { type Expected, type Finding, verify } from '../store/verify.ts'
import type { LogRow } from '../store/verify-reads.ts'
import { type Command, EXIT, Refusal } from './command.ts'
import { count, isNamed, nameOf, onHistory } from './history.ts'

/** Findings that are told one by one. */
const MOST_TOLD = 1_000
const PROGRESS_MS = 2_000

export const verifyCommand: Command = {
  summary: 'say whether the history is the one that was written',
  options: {
    expect: {
      value: 'revision:hash',
      many: true,
      help: 'a record that some log must have, as the service logged it',
    },
    log: {
      value: 'name',
      many: true,
      help: 'only this log: project/environment, project, or system',
    },
  },
  notes: [
    'Reads everything in one snapshot, writes nothing, and recomputes every hash. Without a record that is known from',
    'elsewhere (--expect) a history whose end was cut off cannot be told from a whole one: see docs/audit.md.',
    `Exit codes: ${EXIT.done} whole, ${EXIT.failed} changed (a line for each place), ${EXIT.usage} the command line, ${EXIT.unavailable} the database is away.`,
  ].join('\n'),
  async run(edge, { lists: { expect = [], log: names = [] } }) {
    const expected = expect.map(expectedOf)
    return onHistory(edge, async (database) => {
      const started = performance.now()
      let progressAt = started
      let told = 0
      const { logs, records, versions, findings } = await verify(database, {
        ...(names.length > 0 && { only: (log: LogRow) => names.some((name) => isNamed(log, name)) }),
        expect: expected,
        onFinding: (finding) => {
          told += 1
          if (told <= MOST_TOLD) edge.say(lineOf(finding))
        },
        onProgress: (log, done) => {
          if (performance.now() - progressAt < PROGRESS_MS) return
          progressAt = performance.now()
          edge.tell(`${nameOf(log)}: ${count(done)} of ${count(log.revision)} records`)
        },
      })
      for (const name of names) {
        if (!logs.some((log) => isNamed(log, name))) throw new Refusal(`There is no log ${name}.`, EXIT.usage)
      }
      if (told > MOST_TOLD) edge.say(`… and ${count(told - MOST_TOLD)} more`)
      for (const log of logs) {
        if (log.revision > 0) edge.say(`head of ${nameOf(log)}: ${log.revision}:${log.hash}`)
      }
      const seconds = ((performance.now() - started) / 1000).toFixed(1)
      const all = `${count(logs.length)} logs, ${count(records)} records, ${count(versions)} versions of documents, in ${seconds} s`
      edge.say(findings === 0 ? `Whole: ${all}.` : `NOT WHOLE: ${count(findings)} findings in ${all}.`)
      return findings === 0 ? EXIT.done : EXIT.failed
    })
  },
}

function expectedOf(text: string): Expected {
  const [, revision, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? []
  if (revision !== undefined && hash !== undefined) return { revision: Number(revision), hash }
  throw new Refusal(
    `--expect ${text}: write revision:hash, as it was logged; the hash has 64 hexadecimal digits.`,
    EXIT.usage,
  )
}

function lineOf({ log, revision, document, what }: Finding): string {
  const place = [
    ...(log === undefined ? [] : [nameOf(log)]),
    ...(revision === undefined ? [] : [`revision ${revision}`]),
    ...(document === undefined ? [] : [document]),
  ]
  return `TAMPERED  ${place.join('  ')}: ${what}`
}
