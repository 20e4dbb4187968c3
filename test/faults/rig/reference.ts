/**
 * What a flag must answer, by the model's words alone: a second evaluator, written from the description and not from
 * `sdk/core`, as plainly as it can be. It interprets documents as they stand in the log: nothing is compiled, applied
 * or kept, so that no fault of the ways by which a state travels can reach it. It knows the operators that the base
 * load uses; the portable conformance cases hold it to the model.
 */
import type {
  Condition,
  Context,
  FlagConfig,
  Json,
  Members,
  Scalar,
  Segment,
  Serve,
  Split,
} from '@halyard/sdk/core'

/** The document under (kind, key) in the state that is asked about. */
export type Find = (kind: 'flag' | 'kill' | 'segment' | 'members', key: string) => Json | undefined

const MOST_DEPTH = 20

export type Answer = {
  readonly value?: Json
  readonly variant?: string
  readonly reason: string
  readonly errorCode?: string
}

/** The reference has no opinion: a flag uses what it does not know. */
export class Unsupported extends Error {}

/**
 * Unknown, killed, disabled, prerequisites, targets, rules, fallthrough: the first of them that applies decides.
 * @throws Unsupported where it has no opinion
 */
export function reference(find: Find, key: string, context: Context, depth = 0): Answer {
  if (depth > MOST_DEPTH) throw new Unsupported('prerequisites without end')
  const definition = find('flag', key)
  if (definition === undefined) return { reason: 'ERROR', errorCode: 'FLAG_NOT_FOUND' }
  if (find('kill', key) !== undefined) return killed(definition)
  const flag = wellFormed(definition)
  const off = (): Answer => given(flag, flag.offVariant, 'DISABLED')
  if (!flag.enabled) return off()
  for (const { flag: required, variants } of flag.prerequisites) {
    const answer = reference(find, required, context, depth + 1)
    const satisfied =
      answer.reason !== 'DISABLED' && answer.variant !== undefined && variants.includes(answer.variant)
    if (!satisfied) return off()
  }
  for (const { variant, by, units } of flag.targets) {
    const unit = unitOf(attribute(context, by))
    if (unit !== undefined && units.includes(unit)) return given(flag, variant, 'TARGETING_MATCH')
  }
  for (const { when, serve } of flag.rules) {
    if (when !== undefined && !holds(find, when, context)) continue
    if ('variant' in serve) return given(flag, serve.variant, 'TARGETING_MATCH')
    const variant = picked(serve.split, context)
    if (variant !== undefined) return given(flag, variant, 'SPLIT')
  }
  return fallenThrough(flag, flag.fallthrough, context)
}

/** Nothing else of the document counts, whatever it is; an off variant that cannot be used is no value. */
function killed(definition: Json): Answer {
  const { type, variants, offVariant } = Object(definition) as Partial<Record<string, unknown>>
  const nothing = { reason: 'DISABLED' }
  const known = typeof variants === 'object' && variants !== null && !Array.isArray(variants)
  if (!known || typeof offVariant !== 'string' || !Object.hasOwn(variants, offVariant)) return nothing
  const value = (variants as Record<string, Json>)[offVariant] as Json
  const isPlain = typeof value === 'object' && value !== null && !Array.isArray(value)
  const fits = type === 'object' ? isPlain : typeof value === type
  if (typeof type === 'string' && TYPES.has(type) && !fits) return nothing
  return { value, variant: offVariant, ...nothing }
}
const TYPES: ReadonlySet<string> = new Set(['boolean', 'string', 'number', 'object'])

/** What the server publishes always has these fields; of anything else the reference says nothing. */
function wellFormed(definition: Json): FlagConfig {
  const { variants, prerequisites, targets, rules, offVariant, fallthrough } =
    definition as Partial<FlagConfig>
  const whole =
    variants !== undefined &&
    [prerequisites, targets, rules].every(Array.isArray) &&
    [offVariant, fallthrough].every((field) => field !== undefined) &&
    (offVariant === null || Object.hasOwn(variants, offVariant as string))
  if (!whole) throw new Unsupported('a document with fields missing, or an off variant')
  return definition as unknown as FlagConfig
}

function fallenThrough(flag: FlagConfig, serve: Serve | null, context: Context): Answer {
  if (serve === null) return { reason: 'DEFAULT' }
  if ('variant' in serve) {
    const plain = flag.prerequisites.length + flag.targets.length + flag.rules.length === 0
    return given(flag, serve.variant, plain ? 'STATIC' : 'DEFAULT')
  }
  const variant = picked(serve.split, context)
  if (variant !== undefined) return given(flag, variant, 'SPLIT')
  if (serve.split.missing !== undefined) return given(flag, serve.split.missing, 'DEFAULT')
  return { reason: 'ERROR', errorCode: 'TARGETING_KEY_MISSING' }
}

function given(flag: FlagConfig, variant: string | null, reason: string): Answer {
  if (variant === null) return { reason }
  if (!Object.hasOwn(flag.variants, variant)) throw new Unsupported('a variant that is not there')
  return { value: flag.variants[variant] as Json, variant, reason }
}

function picked({ by, salt, ranges }: Split, context: Context): string | undefined {
  if (by === undefined || salt === undefined) throw new Unsupported('a split with fields missing')
  const unit = unitOf(attribute(context, by))
  if (unit === undefined) return undefined
  const bucket = bucketOf(salt, unit)
  return ranges.find(({ from, to }) => from <= bucket && bucket < to)?.variant
}

/** docs/adr/0001: a non-empty string or a finite number. */
function unitOf(value: unknown): string | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? String(value === 0 ? 0 : value) : undefined
  return typeof value === 'string' && value !== '' ? value : undefined
}

function attribute(context: Context, path: string): unknown {
  if (path.startsWith('$')) throw new Unsupported(path)
  if (typeof context !== 'object' || context === null) return undefined
  const literal = Object.hasOwn(context, path) ? (context as Record<string, unknown>)[path] : undefined
  // Null is missing.
  if (literal !== undefined && literal !== null) return literal
  let value: unknown = context
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    value = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined
  }
  return value ?? undefined
}

function holds(find: Find, condition: Condition, context: Context): boolean {
  if ('all' in condition) return condition.all.every((one) => holds(find, one, context))
  if ('any' in condition) return condition.any.some((one) => holds(find, one, context))
  if ('not' in condition) return !holds(find, condition.not, context)
  if ('segment' in condition) return isIn(find, condition.segment, context)
  if (condition.ignoreCase) throw new Unsupported('ignoreCase')
  const value = attribute(context, condition.attribute)
  if (value === undefined) return false
  if (condition.op === 'exists') return true
  const elements: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (condition.op === 'notIn') {
    const some = elements.some((element) => ['string', 'number', 'boolean'].includes(typeof element))
    return some && !elements.some((element) => condition.values.some((operand) => element === operand))
  }
  const test = TESTS[condition.op]
  if (test === undefined) throw new Unsupported(condition.op)
  return elements.some((element) => condition.values.some((operand) => test(element, operand)))
}

const texts = (test: (value: string, operand: string) => boolean) => (value: unknown, operand: Scalar) =>
  typeof value === 'string' && typeof operand === 'string' && test(value, operand)
const numbers = (test: (value: number, operand: number) => boolean) => (value: unknown, operand: Scalar) =>
  typeof value === 'number' && Number.isFinite(value) && typeof operand === 'number' && test(value, operand)
const versions = (test: (order: number) => boolean) =>
  texts((value, operand) => test(compared(value, operand)))

const TESTS: Readonly<Record<string, (value: unknown, operand: Scalar) => boolean>> = {
  in: (value, operand) => value === operand,
  startsWith: texts((value, operand) => value.startsWith(operand)),
  endsWith: texts((value, operand) => value.endsWith(operand)),
  contains: texts((value, operand) => value.includes(operand)),
  lt: numbers((value, operand) => value < operand),
  lte: numbers((value, operand) => value <= operand),
  gt: numbers((value, operand) => value > operand),
  gte: numbers((value, operand) => value >= operand),
  semverLt: versions((order) => order < 0),
  semverLte: versions((order) => order <= 0),
  semverGt: versions((order) => order > 0),
  semverGte: versions((order) => order >= 0),
}

/** Plain versions of three numbers alone. */
function compared(one: string, other: string): number {
  const [a, b] = [one, other].map((text) => {
    if (!/^\d{1,9}\.\d{1,9}\.\d{1,9}$/.test(text)) throw new Unsupported(`the version ${text}`)
    return text.split('.').map(Number)
  })
  return [0, 1, 2].map((at) => (a?.[at] ?? 0) - (b?.[at] ?? 0)).find((order) => order !== 0) ?? 0
}

function isIn(find: Find, key: string, context: Context): boolean {
  const segment = find('segment', key) as unknown as Segment | undefined
  if (segment === undefined) return false
  if (segment.ignoreCase) throw new Unsupported('ignoreCase')
  const unit = unitOf(attribute(context, segment.by))
  if (unit !== undefined) {
    const members = find('members', `${key}/${memberChunk(unit)}`) as unknown as Members | undefined
    if (members?.excluded.includes(unit)) return false
    if (members?.included.includes(unit)) return true
  }
  return segment.when !== null && holds(find, segment.when, context)
}

/** docs/adr/0007: which of a segment's entries a member stands in. */
export function memberChunk(unit: string): string {
  return (murmur3(Buffer.from(unit), 0) >>> 24).toString(16).padStart(2, '0')
}

/** docs/adr/0001. */
export function bucketOf(salt: string, unit: string): number {
  const seed = murmur3(Buffer.from(salt), 0)
  return Number((BigInt(murmur3(Buffer.from(unit), seed)) * 100_000n) >> 32n)
}

/** MurmurHash3 x86_32, word by word in arbitrary precision, from the description of the algorithm. */
function murmur3(bytes: Buffer, seed: number): number {
  const word = (value: bigint) => value & 0xffffffffn
  const rotated = (value: bigint, by: bigint) => word((value << by) | (value >> (32n - by)))
  const scrambled = (block: bigint) => word(rotated(word(block * 0xcc9e2d51n), 15n) * 0x1b873593n)
  let hash = BigInt(seed)
  let at = 0
  for (; at + 4 <= bytes.length; at += 4) {
    hash ^= scrambled(BigInt(bytes.readUInt32LE(at)))
    hash = word(rotated(hash, 13n) * 5n + 0xe6546b64n)
  }
  let tail = 0n
  for (let left = bytes.length - 1; left >= at; left -= 1) tail = (tail << 8n) | BigInt(bytes[left] ?? 0)
  if (at < bytes.length) hash ^= scrambled(tail)
  hash ^= BigInt(bytes.length)
  hash = word((hash ^ (hash >> 16n)) * 0x85ebca6bn)
  hash = word((hash ^ (hash >> 13n)) * 0xc2b2ae35n)
  return Number(hash ^ (hash >> 16n))
}
