/** Why a log goes on in a new epoch, in words. */
import { fieldOf, isObject } from '../reading.ts'
import type { Telling } from './fields.ts'
import { valueInWords } from './phrases.ts'

function positionInWords(value: unknown): string {
  if (!isObject(value)) return valueInWords(value)
  return `${valueInWords(value.epoch)}-${valueInWords(value.revision)}`
}

export const EPOCH: Telling = {
  created: (document) =>
    `the database went back to ${positionInWords(fieldOf(document, 'found'))}, what came after it is lost; ${positionInWords(fieldOf(document, 'seen'))} was seen before`,
  deleted: () => 'that the database once went back is forgotten',
  fields: {
    found: (_, after) => `the database went back to ${positionInWords(after)}, what came after it is lost`,
    seen: (_, after) => `${positionInWords(after)} was seen before`,
  },
}
