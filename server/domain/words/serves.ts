/** What a rule or the fallthrough serves, in words, and how it changed. Any JSON is taken. */
import { sameJson } from '../diff.ts'
import { BUCKETS } from '../ranges.ts'
import { fieldOf, isObject, TARGETING_KEY } from '../reading.ts'
import { attributeInWords, bucketsIn, firstOf, named, percentInWords, valueInWords } from './phrases.ts'

const MOST_SHARES = 6
/** Where more shares than this were raised or lowered, it is told what is served now. */
const MOST_MOVES = 3

/** Where something is served. */
export type Place = {
  readonly kind: 'rule' | 'fallthrough'
  /** The end of a sentence: `in rule r2`, `for everyone else`. */
  readonly where: string
  /** The beginning of one that goes on with what is served: `rule r2 now serves`, `everyone else gets`. */
  readonly serves: string
  readonly offVariant: unknown
}

type Split = {
  readonly by: unknown
  readonly salt: unknown
  /** In buckets. */
  readonly shares: ReadonlyMap<string, number>
  readonly ranges: unknown
  readonly missing: unknown
}

/**
 * `on`, `25 % on, 75 % off by account`, `the code default`.
 * @param when said of whom, after what is served: ` when plan is pro`
 */
export function serveInWords(serve: unknown, kind: Place['kind'], when = ''): string {
  if (serve === null || serve === undefined) return `the code default${when}`
  const variant = fieldOf(serve, 'variant')
  if (variant !== undefined) return named(variant) + when
  const split = splitOf(serve)
  if (split === undefined) return `something unknown${when}`
  const { by, shares, missing } = split
  const served = [...shares].filter(([, buckets]) => buckets > 0)
  const parts = (served.length > 0 ? served : [...shares]).map(
    ([name, buckets]) => `${percentInWords(buckets)} ${named(name)}`,
  )
  const unit = sameJson(by, TARGETING_KEY) ? '' : ` by ${attributeInWords(by)}`
  const rest = kind === 'rule' && sumOf(shares) < BUCKETS ? ', the others go on to the next rule' : ''
  const without = missing === undefined ? '' : `, ${named(missing)} without ${attributeInWords(by)}`
  return firstOf(parts, MOST_SHARES).join(', ') + unit + when + rest + without
}

function splitOf(serve: unknown): Split | undefined {
  const split = fieldOf(serve, 'split')
  if (!isObject(split) || !Array.isArray(split.shares)) return undefined
  const shares = new Map<string, number>()
  for (const share of split.shares) {
    const [variant, buckets] = [fieldOf(share, 'variant'), bucketsIn(fieldOf(share, 'percent'))]
    if (typeof variant !== 'string' || buckets === undefined) return undefined
    shares.set(variant, buckets)
  }
  const { by = TARGETING_KEY, salt, ranges, missing } = split
  return { by, salt, shares, ranges, missing }
}

const sumOf = (shares: Split['shares']): number =>
  [...shares.values()].reduce((sum, buckets) => sum + buckets, 0)

/** `raised on from 10 % to 25 % in rule r2`; nothing where there are no words for what changed. */
export function serveChangeInWords(before: unknown, after: unknown, place: Place): readonly string[] {
  const { kind, where, serves, offVariant } = place
  const [now, then] = [serveInWords(after, kind), serveInWords(before, kind)]
  const whole = now === then ? [] : [`${serves} ${now} (was ${then})`]
  const [was, is] = [splitOf(before), splitOf(after)]
  if (was === undefined || is === undefined) return whole
  const moves = movesOf(was.shares, is.shares, offVariant)
  if (moves.length > MOST_MOVES) return whole
  const said = moves.length === 0 ? [] : [`${moves.join(', ')} ${where}`]
  if (!sameJson(was.by, is.by)) {
    said.push(
      `split by ${attributeInWords(is.by)} (was ${attributeInWords(was.by)}) ${where}: users may move`,
    )
  }
  if (!sameJson(was.salt, is.salt)) {
    said.push(`salt ${valueInWords(is.salt)} (was ${valueInWords(was.salt)}) ${where}: users may move`)
  }
  if (!sameJson(was.missing, is.missing)) {
    said.push(
      `a context without ${attributeInWords(is.by)} now gets ${missingInWords(is)} (was ${missingInWords(was)}) ${where}`,
    )
  }
  if (said.length === 0 && !sameJson(was.ranges, is.ranges)) {
    said.push(`other users get the same shares ${where}`)
  }
  return said
}

const missingInWords = ({ missing }: Split): string => (missing === undefined ? 'an error' : named(missing))

/** The shares that were raised or lowered; not the off variant's where it only gives or takes what others do. */
function movesOf(was: Split['shares'], is: Split['shares'], offVariant: unknown): readonly string[] {
  const implied = sumOf(was) === sumOf(is)
  return [...new Set([...is.keys(), ...was.keys()])].flatMap((variant) => {
    const [from, to] = [was.get(variant) ?? 0, is.get(variant) ?? 0]
    if (from === to || (implied && variant === offVariant)) return []
    return `${to > from ? 'raised' : 'lowered'} ${named(variant)} from ${percentInWords(from)} to ${percentInWords(to)}`
  })
}
