/** `compact`: drops the texts of old versions, but for one state a day or an hour. */
import { randomBytes } from 'node:crypto'
import { minter } from '../domain/mint.ts'
import { compact } from '../store/compact.ts'
import { GRANULES, type Keep } from '../store/retention.ts'
import { type Command, EXIT, Refusal } from './command.ts'
import { count, expectLogs, isNamed, nameOf, onHistory } from './history.ts'

export const compactCommand: Command = {
  summary: 'drop old texts from the history, but for one state a day or an hour',
  options: {
    before: { value: 'time', help: 'only versions that were replaced by then (RFC 3339, or a date)' },
    keep: {
      value: 'daily|hourly',
      help: 'the states that stay: the last of each day, or of each hour (UTC)',
    },
    log: { value: 'name', many: true, help: 'only this log: project/environment, project, or system' },
    comment: { value: 'text', help: 'why: kept with the record' },
    'dry-run': { help: 'count, and change nothing' },
  },
  notes: [
    'Nothing is ever dropped without it. Change records all stay: who, when, what and why. What is there at --before, and all',
    'after it, stays whole. Each log gets a record of what was decided, which verification holds missing texts against.',
    'It needs the rights of the schema’s owner. Cut short, it goes on when it is run again with the same options.',
    `Exit codes: ${EXIT.done} done, ${EXIT.usage} the command line, ${EXIT.unavailable} the database is away.`,
  ].join('\n'),
  async run(edge, { texts: { before, keep, comment = null }, lists: { log: names = [] }, flags }) {
    const dryRun = flags.has('dry-run')
    const until = timeOf(before)
    const kept = keepOf(keep)
    return onHistory(edge, async (database) => {
      await expectLogs(database, names, 'log', ({ closed }) => !closed)
      const { versions, bytes } = await compact(database, {
        before: until,
        keep: kept,
        ...(names.length > 0 && { only: (log) => names.some((name) => isNamed(log, name)) }),
        comment,
        dryRun,
        actor: { kind: 'system', id: 'halyard', name: 'Halyard' },
        now: Date.now(),
        mint: minter(randomBytes),
        onLog: (log, dropped) => {
          if (dropped.versions > 0)
            edge.say(`${nameOf(log)}: ${count(dropped.versions)} texts, ${megabytes(dropped.bytes)}`)
        },
      })
      const all = `${count(versions)} texts, ${megabytes(bytes)}`
      edge.say(dryRun ? `Would drop ${all}. Nothing was changed.` : `Dropped ${all}.`)
      return EXIT.done
    })
  },
}

const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MB`

/** A day alone is one of UTC. A time without a zone would be another one on another machine. */
const SAYS_ITS_ZONE = /^\d{4}-\d{2}-\d{2}(?:T.+(?:Z|[+-]\d{2}:\d{2}))?$/i

function timeOf(before: string | undefined): number {
  const at = before !== undefined && SAYS_ITS_ZONE.test(before) ? Date.parse(before) : Number.NaN
  if (Number.isNaN(at))
    throw new Refusal(
      '--before takes a day in UTC, or a time with its zone, such as 2026-01-31 or 2026-01-31T12:00:00Z.',
      EXIT.usage,
    )
  if (at > Date.now())
    throw new Refusal('--before is in the future: the history is not there yet.', EXIT.usage)
  return at
}

function keepOf(keep: string | undefined): Keep {
  if (keep !== undefined && Object.hasOwn(GRANULES, keep)) return keep as Keep
  throw new Refusal('--keep takes daily or hourly.', EXIT.usage)
}
