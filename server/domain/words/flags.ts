/** A flag's configuration and its kill, in words. */
import { sameJson } from '../diff.ts'
import { fieldOf, isObject, listOf } from '../reading.ts'
import type { Say, Telling } from './fields.ts'
import {
  changeInWords,
  counted,
  listed,
  named,
  stringsOf,
  textInWords,
  textOf,
  valueInWords,
} from './phrases.ts'
import { rulesChange } from './rules.ts'
import { serveChangeInWords, serveInWords } from './serves.ts'
import { targetsChange } from './targets.ts'

const LONGEST_COMMENT = 200

const enabledChange: Say = (_, after) =>
  after === true ? 'enabled' : after === false ? 'disabled' : undefined

const visibilityChange: Say = (_, after) =>
  after === 'client'
    ? 'now visible to client keys (browsers)'
    : after === 'server'
      ? 'no longer visible to client keys (browsers)'
      : undefined

const variantsChange: Say = (before, after) => {
  if (!isObject(before) || !isObject(after)) return undefined
  return [...new Set([...Object.keys(after), ...Object.keys(before)])].flatMap((variant) => {
    const [was, is] = [fieldOf(before, variant), fieldOf(after, variant)]
    if (was === undefined) return `variant ${named(variant)} added: ${valueInWords(is)}`
    if (is === undefined) return `variant ${named(variant)} removed (was ${valueInWords(was)})`
    return sameJson(was, is) ? [] : `variant ${named(variant)} ${changeInWords(was, is)}`
  })
}

const offVariantInWords = (variant: unknown): string =>
  variant === null || variant === undefined ? 'the code default' : named(variant)
const offVariantChange: Say = (before, after) =>
  `off variant is now ${offVariantInWords(after)} (was ${offVariantInWords(before)})`

const prerequisitesChange: Say = (before, after) => {
  const [was, is] = [requiredOf(before), requiredOf(after)]
  if (was === undefined || is === undefined) return undefined
  return [...new Set([...is.keys(), ...was.keys()])].flatMap((flag) => {
    const [from, to] = [was.get(flag), is.get(flag)]
    if (from === to) return []
    if (to === undefined) return `no longer requires flag ${named(flag)}`
    return from === undefined
      ? `now requires flag ${named(flag)} to serve ${to}`
      : `now requires flag ${named(flag)} to serve ${to} (was ${from})`
  })
}

/** By flag, what it has to serve; undefined where they are no prerequisites, or one flag stands twice. */
function requiredOf(prerequisites: unknown): ReadonlyMap<string, string> | undefined {
  if (!Array.isArray(prerequisites)) return undefined
  const required = new Map<string, string>()
  for (const prerequisite of prerequisites) {
    const [flag, variants] = [fieldOf(prerequisite, 'flag'), stringsOf(fieldOf(prerequisite, 'variants'))]
    if (typeof flag !== 'string' || variants === undefined || required.has(flag)) return undefined
    required.set(flag, listed(variants.map(named), 'or'))
  }
  return required
}

/** "Everyone", where nobody is told apart before. */
const everyoneIn = (flag: unknown): string =>
  listOf(fieldOf(flag, 'rules')).length + listOf(fieldOf(flag, 'targets')).length > 0
    ? 'everyone else'
    : 'everyone'

const fallthroughChange: Say = (before, after, documents) => {
  const everyone = everyoneIn(documents.after)
  return serveChangeInWords(before, after, {
    kind: 'fallthrough',
    where: `for ${everyone}`,
    serves: `${everyone} gets`,
    offVariant: fieldOf(documents.after, 'offVariant'),
  })
}

const valueSchemaChange: Say = (before, after) =>
  before === undefined
    ? 'value schema added'
    : after === undefined
      ? 'value schema removed'
      : 'value schema changed'

function flagCreated(flag: unknown): string {
  if (!isObject(flag)) return 'created'
  const rules = listOf(flag.rules).length
  const units = listOf(flag.targets).flatMap((target) => listOf(fieldOf(target, 'units'))).length
  const required = [...(requiredOf(flag.prerequisites) ?? [])].map(([key]) => named(key))
  return [
    flag.enabled === true ? 'created, enabled' : 'created, disabled',
    ...(flag.visibility === 'client' ? ['visible to client keys (browsers)'] : []),
    ...(required.length > 0 ? [`requires ${listed(required)}`] : []),
    ...(units > 0 ? [counted(units, 'target')] : []),
    ...(rules > 0 ? [counted(rules, 'rule')] : []),
    `${everyoneIn(flag)} gets ${serveInWords(flag.fallthrough, 'fallthrough')}`,
  ].join(', ')
}

/** What changes in a configuration, wherever it stands. */
export const CONFIGURATION: Telling['fields'] = {
  enabled: enabledChange,
  visibility: visibilityChange,
  prerequisites: prerequisitesChange,
  targets: targetsChange,
  rules: rulesChange,
  fallthrough: fallthroughChange,
  variants: variantsChange,
  offVariant: offVariantChange,
  valueSchema: valueSchemaChange,
}

export const FLAG: Telling = {
  created: flagCreated,
  deleted: (flag) => (fieldOf(flag, 'enabled') === true ? 'deleted (it was enabled)' : 'deleted'),
  fields: CONFIGURATION,
}

/** `killed by ops: INC-481`. */
function killInWords(kill: unknown): string {
  const [by, comment] = [textOf(kill, 'by'), textOf(kill, 'comment')]
  return (
    `killed${by === undefined ? '' : ` by ${textInWords(by, LONGEST_COMMENT)}`}` +
    (comment === undefined ? '' : `: ${textInWords(comment, LONGEST_COMMENT)}`)
  )
}

export const KILL: Telling = {
  created: killInWords,
  deleted: (kill) => `un-killed (was ${killInWords(kill)})`,
  fields: {
    id: (_before, _after, documents) => `un-killed, and ${killInWords(documents.after)}`,
  },
}
