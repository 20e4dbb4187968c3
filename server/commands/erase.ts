/** `erase`: takes a person out of the history, and of what is true now. */
import { randomBytes } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { mentions, personOf } from '../domain/erasure.ts'
import { minter } from '../domain/mint.ts'
import { erase } from '../store/erase.ts'
import type { LogRow } from '../store/verify-reads.ts'
import { type Command, EXIT, type Given, Refusal } from './command.ts'
import { count, expectLogs, isNamed, nameOf, onHistory } from './history.ts'

/** Places that are told one by one. */
const MOST_TOLD = 100

export const eraseCommand: Command = {
  summary: 'take a person out of segments, targets and conditions, in all versions there ever were',
  options: {
    environment: {
      value: 'project/environment',
      many: true,
      help: 'where; its project’s flags are included',
    },
    all: { help: 'everywhere' },
    identifier: {
      value: 'text',
      help: 'who; with - it is read from the input, and stands in no list of processes',
    },
    comment: { value: 'text', help: 'why: kept with the record; it must not name them' },
    'dry-run': { help: 'count, and change nothing' },
  },
  notes: [
    'Current members, targets and values of conditions go, by an edit. In old versions a random unit takes their place; the',
    'log records which versions, and the chain stays whole. The identifier is kept nowhere, nor a digest of it. Where it stands',
    'in a description, a comment or a name it stays, and is told: comments and names of records are part of the chain.',
    'It needs the rights of the schema’s owner. Cut short, it is finished by running it again.',
    `Exit codes: ${EXIT.done} done, ${EXIT.failed} done but for what is told, ${EXIT.usage} the command line, ${EXIT.unavailable} the database is away.`,
  ].join('\n'),
  async run(edge, given) {
    const { names, comment, dryRun } = askedOf(given)
    const asked = given.texts.identifier
    const identifier = asked === '-' ? (await text(edge.input)).replace(/\r?\n$/, '') : (asked ?? '')
    if (identifier === '') throw new Refusal('--identifier says who: it must not be empty.', EXIT.usage)
    const person = personOf(identifier)
    if (mentions(comment, person)) {
      throw new Refusal('--comment names the person: it is kept for good, so say it without.', EXIT.usage)
    }
    return onHistory(edge, async (database) => {
      await expectLogs(database, names ?? [], 'environment')
      let told = 0
      const { current, versions } = await erase(database, {
        person,
        comment,
        dryRun,
        only: (log) => names === undefined || names.some((name) => isMeant(log, name)),
        actor: { kind: 'system', id: 'halyard', name: 'Halyard' },
        now: Date.now(),
        mint: minter(randomBytes),
        onLog: (log, found) => {
          if (found.versions === 0) return
          edge.say(
            `${nameOf(log)}: ${count(found.current)} documents edited, ${count(found.versions)} versions redacted`,
          )
        },
        onMention: (log, revision, where) => {
          told += 1
          if (told <= MOST_TOLD) edge.say(`STAYS  ${nameOf(log)}  revision ${revision}: ${where}`)
        },
      })
      const all = `${count(current)} documents edited, ${count(versions)} versions redacted`
      edge.say(dryRun ? `Would be: ${all}. Nothing was changed.` : `${all}.`)
      if (told === 0) return EXIT.done
      edge.say(`It still stands in ${count(told)} texts that are no lists of units.`)
      return EXIT.failed
    })
  },
}

function askedOf({ texts, lists, flags }: Given) {
  const { environment: names = [] } = lists
  if (names.length > 0 === flags.has('all')) {
    throw new Refusal('Say where: --environment project/environment, or --all.', EXIT.usage)
  }
  const wrong = names.find((name) => name.split('/').length !== 2)
  if (wrong !== undefined) {
    throw new Refusal(`--environment ${wrong}: write project/environment.`, EXIT.usage)
  }
  const { comment = '' } = texts
  if (comment.trim() === '') throw new Refusal('--comment says why, and is kept with the record.', EXIT.usage)
  return { names: flags.has('all') ? undefined : names, comment, dryRun: flags.has('dry-run') }
}

/** The environment’s logs, deleted ones of the key too, and its project’s, which keeps configurations of flags. */
const isMeant = (log: LogRow, name: string): boolean =>
  isNamed(log, name) || (log.kind === 'project' && log.project === name.split('/')[0])
