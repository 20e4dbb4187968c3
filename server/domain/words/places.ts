/** Projects and environments, in words. */
import { fieldOf, isObject } from '../reading.ts'
import { fieldsInWords, type Say, type Telling } from './fields.ts'
import { listChange } from './identities.ts'
import { quoted, textOf, valueInWords } from './phrases.ts'

export const nameChange: Say = (before, after) =>
  `renamed from ${valueInWords(before)} to ${valueInWords(after)}`

function created(document: unknown): string {
  const name = textOf(document, 'name')
  return name === undefined || name === fieldOf(document, 'key')
    ? 'created'
    : `created, named ${quoted(name)}`
}

export const PROJECT: Telling = {
  created,
  deleted: () => 'deleted',
  fields: { name: nameChange },
}

const SETTINGS: Telling['fields'] = {
  requireComment: (_, after) =>
    after === true ? 'changes now need a comment' : 'changes no longer need a comment',
  confirmBulk: (_, after) =>
    after === true ? 'bulk changes now need to be confirmed' : 'bulk changes no longer need to be confirmed',
  corsOrigins: listChange('CORS origins'),
}

export const ENVIRONMENT: Telling = {
  created,
  deleted: () => 'deleted',
  fields: {
    name: nameChange,
    settings: (before, after) =>
      isObject(before) && isObject(after)
        ? fieldsInWords(before, after, SETTINGS, ' in the settings')
        : undefined,
  },
}
