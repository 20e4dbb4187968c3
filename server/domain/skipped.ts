/**
 * Which rules the SDKs out there would skip, because their versions do not know a part of them. Reads documents of
 * any shape. What no row of the table speaks of is no news here: nothing is claimed of it.
 */
import { compareVersions, entryOf, type FlagKey, parseVersion, type State } from '@halyard/sdk/core'
import type { EntryEdit, Warning } from './change.ts'
import { stateWith } from './edits.ts'
import { fieldOf, isObject, listOf } from './reading.ts'
import { flagsUnder } from './references.ts'
import type { SdkFeatures } from './sdk-features.ts'
import { listed, named, quoted, textInWords } from './words/phrases.ts'

/** As the evaluator names the fallthrough among skipped rules. */
const FALLTHROUGH = '$fallthrough'

/** A rule that uses a feature, itself or by a segment that it names. */
export type Use = { readonly flag: FlagKey; readonly rule: string; readonly feature: string }
/** `since`: the first version of that SDK that does not skip it. */
export type Skip = Use & { readonly since: string }
/** An app as it names itself, and its SDK: `node/1.2.3`. Empty texts: not told. */
export type App = { readonly app: string; readonly version: string; readonly sdk: string }

/** What rules of these flags use, each feature once a rule. */
export function usesOf(state: State, flags: Iterable<FlagKey>): Use[] {
  const uses: Use[] = []
  for (const flag of flags) {
    const definition = entryOf(state, 'flag', flag)?.definition
    const rules = listOf(fieldOf(definition, 'rules')).map(
      (rule) => [String(fieldOf(rule, 'id')), rule] as const,
    )
    const fallthrough = [FALLTHROUGH, { serve: fieldOf(definition, 'fallthrough') }] as const
    for (const [rule, parts] of [...rules, fallthrough]) {
      for (const feature of featuresOf(state, parts)) uses.push({ flag, rule, feature })
    }
  }
  return uses
}

function featuresOf(state: State, rule: unknown): ReadonlySet<string> {
  const features = new Set<string>()
  const note = (what: string, value: unknown): void => {
    for (const field of isObject(value) ? Object.keys(value) : []) features.add(`${what}.${field}`)
  }
  const segments = new Set<unknown>()
  const open = [fieldOf(rule, 'when')]
  while (open.length > 0) {
    const condition = open.pop()
    note('condition', condition)
    const op = fieldOf(condition, 'op')
    if (typeof op === 'string') features.add(`operator.${op}`)
    open.push(...listOf(fieldOf(condition, 'all')), ...listOf(fieldOf(condition, 'any')))
    const not = fieldOf(condition, 'not')
    if (not !== undefined) open.push(not)
    const segment = fieldOf(condition, 'segment')
    if (typeof segment !== 'string' || segments.has(segment)) continue
    segments.add(segment)
    open.push(fieldOf(entryOf(state, 'segment', segment)?.definition, 'when'))
  }
  const serve = fieldOf(rule, 'serve')
  const split = fieldOf(serve, 'split')
  note('serve', serve)
  note('split', split)
  for (const range of listOf(fieldOf(split, 'ranges'))) note('range', range)
  return features
}

/**
 * What an SDK would skip.
 * @param sdk its name and version; of one that the table does not know nothing is said
 */
export function skippedBy(uses: readonly Use[], sdk: string, table: SdkFeatures): Skip[] {
  const [name = '', text = ''] = sdk.split('/')
  const version = parseVersion(text)
  if (version === undefined || !Object.hasOwn(table, name)) return []
  return uses.flatMap((use) => {
    const since = table[name]?.[use.feature]
    return since !== undefined && isBefore(text, since) ? [{ ...use, since }] : []
  })
}

/** Whether a version comes before another; what is no version comes before and after none. */
function isBefore(a: string, b: string): boolean {
  const [one, other] = [parseVersion(a), parseVersion(b)]
  return one !== undefined && other !== undefined && compareVersions(one, other) < 0
}

/**
 * What a write uses that not every version of every SDK understands: in the flags that it changes, and in those that
 * name a segment that it changes.
 * @param state without the write, or with it already
 */
export function demandingUses(state: State, edits: readonly EntryEdit[], table: SdkFeatures): Use[] {
  const demanding = new Set(Object.values(table).flatMap(laterFeatures))
  if (demanding.size === 0) return []
  const after = stateWith(state, edits)
  const keys = (kind: string) => edits.filter((edit) => edit.kind === kind).map(({ key }) => key)
  const segments = keys('segment')
  const flags = new Set([...keys('flag'), ...(segments.length === 0 ? [] : flagsUnder(after, segments))])
  return usesOf(after, flags).filter(({ feature }) => demanding.has(feature))
}

/** Those that came after the first version that the rows speak of. */
function laterFeatures(rows: Readonly<Record<string, string>>): string[] {
  const features = Object.entries(rows)
  return features
    .filter(([, since]) => features.some(([, other]) => isBefore(other, since)))
    .map(([name]) => name)
}

/** Those uses that were not there before. */
export function introduced(uses: readonly Use[], before: State): Use[] {
  const known = new Set(usesOf(before, new Set(uses.map(({ flag }) => flag))).map(nameOf))
  return uses.filter((use) => !known.has(nameOf(use)))
}

const nameOf = ({ flag, rule, feature }: Use): string => JSON.stringify([flag, rule, feature])

/** Rules told of; others are counted. */
const MOST_TOLD = 20

/** One warning for each use that apps would skip, and what they would have to have. */
export function skipWarnings(uses: readonly Use[], apps: readonly App[], table: SdkFeatures): Warning[] {
  const groups = new Map<string, { readonly skip: Skip; readonly sdk: string; readonly apps: string[] }>()
  for (const app of apps) {
    const sdk = app.sdk.split('/')[0] as string
    for (const skip of skippedBy(uses, app.sdk, table)) {
      const name = `${nameOf(skip)} ${sdk}`
      const group = groups.get(name) ?? { skip, sdk, apps: [] }
      groups.set(name, group)
      group.apps.push(appInWords(app))
    }
  }
  const told = [...groups.values()].slice(0, MOST_TOLD).map(({ skip, sdk, apps: skipping }): Warning => {
    const one = skipping.length === 1
    return {
      code: 'skipped-by-connected-sdks',
      message: `${listed(skipping)} would ${consequence(skip)}: ${one ? 'its SDK does' : 'their SDKs do'} not know ${featureInWords(skip.feature)}, which came with ${sdk}/${skip.since}. Update ${one ? 'it' : 'them'} first.`,
    }
  })
  const rest = groups.size - told.length
  if (rest === 0) return told
  const message = `There ${rest === 1 ? 'is' : 'are'} ${rest} more like these.`
  return [...told, { code: 'skipped-by-connected-sdks', message }]
}

export function appInWords({ app, version, sdk }: App): string {
  const name = app === '' ? 'an app without a name' : quoted(app)
  return `${[name, textInWords(version, 64)].join(' ').trim()} (${textInWords(sdk, 64)})`
}

/** What becomes of a rule that is skipped. */
export const consequence = ({ flag, rule }: Use): string =>
  rule === FALLTHROUGH
    ? `not understand the fallthrough of ${named(flag)}, and give the code default for it`
    : `skip rule ${named(rule)} of ${named(flag)}`

const PLACES: Readonly<Record<string, string>> = {
  condition: 'a condition',
  serve: 'what is served',
  split: 'a split',
  range: 'a range',
}

export function featureInWords(feature: string): string {
  const dot = feature.indexOf('.')
  const [what, name] = [feature.slice(0, dot), feature.slice(dot + 1)]
  const place = PLACES[what]
  return place === undefined ? `the ${what} ${named(name)}` : `the field ${named(name)} of ${place}`
}
