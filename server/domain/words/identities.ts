/** Flags as a project knows them, in words. */
import { fieldOf, isObject } from '../reading.ts'
import { fieldsInWords, type Say, type Telling } from './fields.ts'
import { CONFIGURATION } from './flags.ts'
import {
  instantInWords,
  listed,
  named,
  quoted,
  stringsOf,
  textInWords,
  textOf,
  valueInWords,
} from './phrases.ts'

const LONGEST_DESCRIPTION = 120
const MOST_TAGS = 6

/** `tags: a and b added, c removed`, of any list of short texts. */
export const listChange =
  (what: string): Say =>
  (before, after) => {
    const [was, is] = [stringsOf(before), stringsOf(after)]
    if (was === undefined || is === undefined) return undefined
    const changes = [
      [is.filter((one) => !was.includes(one)), 'added'],
      [was.filter((one) => !is.includes(one)), 'removed'],
    ] as const
    const told = changes.filter(([ones]) => ones.length > 0)
    if (told.length === 0) return undefined
    const words = told.map(([ones, how]) => `${listed(ones.map(entryInWords), 'and', MOST_TAGS)} ${how}`)
    return `${what}: ${words.join(', ')}`
  }
const entryInWords = (one: string): string => (/^[\w.:/*@-]{1,80}$/.test(one) ? one : quoted(one))

/** A time until which something holds. */
export const expiryChange: Say = (before, after) => {
  if (after === undefined) return `no longer expires (was to expire ${instantInWords(before)})`
  return `expires ${instantInWords(after)}${before === undefined ? '' : ` (was ${instantInWords(before)})`}`
}

const descriptionChange: Say = (before, after) => {
  if (typeof before !== 'string' || typeof after !== 'string') return undefined
  const was = before === '' ? '' : ` (was ${quoted(before, LONGEST_DESCRIPTION)})`
  return after === ''
    ? `description removed${was}`
    : `description is now ${quoted(after, LONGEST_DESCRIPTION)}${was}`
}

const ownerChange: Say = (before, after) =>
  `owner is now ${after === null ? 'nobody' : valueInWords(after)} (was ${before === null ? 'nobody' : valueInWords(before)})`

const archivedChange: Say = (_, after) => {
  if (after === null) return 'unarchived'
  const by = textOf(after, 'by')
  return `archived${by === undefined ? '' : ` by ${textInWords(by, LONGEST_DESCRIPTION)}`}`
}

const initialChange: Say = (before, after) =>
  isObject(before) && isObject(after)
    ? fieldsInWords(before, after, CONFIGURATION).map((words) => `in new environments: ${words}`)
    : undefined

export const IDENTITY: Telling = {
  created: (identity) => {
    const owner = textOf(identity, 'owner')
    return [
      `created, ${named(fieldOf(identity, 'type'))}`,
      ...(fieldOf(identity, 'temporary') === true ? ['temporary'] : []),
      ...(owner === undefined ? [] : [`owned by ${quoted(owner)}`]),
    ].join(', ')
  },
  deleted: () => 'deleted',
  fields: {
    deleted: (_, after) => (after === true ? 'deleted, its key stays reserved' : undefined),
    archived: archivedChange,
    description: descriptionChange,
    tags: listChange('tags'),
    owner: ownerChange,
    temporary: (_, after) => (after === true ? 'now temporary' : 'now permanent'),
    expiresAt: expiryChange,
    initial: initialChange,
  },
}
