/** What happened to a flag's rules: which came, went or moved, and what changed inside those that stayed. */
import { sameJson } from '../diff.ts'
import { listChanges } from '../list-changes.ts'
import { type Fields, fieldOf } from '../reading.ts'
import { conditionChangeInWords, conditionInWords } from './conditions.ts'
import { fieldsInWords, type Say, type Telling } from './fields.ts'
import { named, quoted, textOf, valueInWords } from './phrases.ts'
import { serveChangeInWords, serveInWords } from './serves.ts'

const LONGEST_DESCRIPTION = 60

type Rule = Fields & { readonly id: string }

/** `rule r2 ("pro users")`. */
export function ruleInWords(id: string, description?: string): string {
  return `rule ${named(id)}${description === undefined ? '' : ` (${quoted(description, LONGEST_DESCRIPTION)})`}`
}

const called = (rule: Rule): string => ruleInWords(rule.id, textOf(rule, 'description'))

export const rulesChange: Say = (before, after, documents) => {
  const [was, is] = [rulesOf(before), rulesOf(after)]
  if (was === undefined || is === undefined) return undefined
  const { removed, added, kept } = listChanges(idsOf(was), idsOf(is))
  const came = added.map((to) => ({ from: undefined, to, moved: false }))
  return [
    ...removed.map((index) => `removed ${called(was[index] as Rule)}`),
    ...[...kept, ...came]
      .sort((a, b) => a.to - b.to)
      .flatMap(({ from, to, moved }) => {
        const rule = is[to] as Rule
        const next = is[to + 1]
        if (from === undefined) return addedRule(rule, next, is.length)
        const place = next === undefined ? 'to the end' : `before ${named(next.id)}`
        return [
          ...(moved ? [`moved ${called(rule)} ${place}`] : []),
          ...ruleChange(was[from] as Rule, rule, fieldOf(documents.after, 'offVariant')),
        ]
      }),
  ]
}

/** undefined where they are no rules, or two have one id. */
function rulesOf(value: unknown): readonly Rule[] | undefined {
  if (!Array.isArray(value) || !value.every((rule) => typeof fieldOf(rule, 'id') === 'string'))
    return undefined
  return new Set(idsOf(value)).size === value.length ? value : undefined
}

const idsOf = (rules: readonly Rule[]): readonly string[] => rules.map(({ id }) => id)

function addedRule(rule: Rule, next: Rule | undefined, rules: number): string {
  const place = next !== undefined ? ` before ${named(next.id)}` : rules > 1 ? ' at the end' : ''
  const when = fieldOf(rule, 'when')
  const whom = when === undefined ? ' always' : ` when ${conditionInWords(when)}`
  return `${called(rule)} added${place}: serves ${serveInWords(fieldOf(rule, 'serve'), 'rule', whom)}`
}

function ruleChange(before: Rule, after: Rule, offVariant: unknown): readonly string[] {
  if (sameJson(before, after)) return []
  const rule = called(after)
  const where = `in ${rule}`
  const fields: Telling['fields'] = {
    when: (was, is) => `condition of ${rule} changed: ${conditionChangeInWords(was, is, 'everyone')}`,
    serve: (was, is) =>
      serveChangeInWords(was, is, { kind: 'rule', where, serves: `${rule} now serves`, offVariant }),
    description: (was, is) => `${ruleInWords(after.id)} ${describedInWords(was, is)}`,
  }
  return fieldsInWords(before, after, fields, ` ${where}`)
}

function describedInWords(was: unknown, is: unknown): string {
  if (is === undefined) return `is no longer described as ${valueInWords(was)}`
  return `is now described as ${valueInWords(is)}${was === undefined ? '' : ` (was ${valueInWords(was)})`}`
}
