/** Where code names flags: in calls of this SDK's and OpenFeature's methods and hooks, and as quoted keys that are known. */

export type Reference = {
  readonly key: string
  readonly line: number
  readonly column: number
  /** A call asks for a flag, whether it is there or not; a quoted text counts where it is a known key. */
  readonly by: 'call' | 'text'
}

const QUOTED = String.raw`(["'\`])([A-Za-z0-9][A-Za-z0-9._-]{0,127})\1`
const GENERIC = '(?:<[^()]{0,200}>)?'
/** What may stand before the key: a context, as Go's clients have it, and the argument's name. */
const FIRST = String.raw`(?:[\w.]{1,64}(?:\(\))?\s*,\s*)?(?:\w{1,32}\s*[:=]\s*)?`

/** The key is told by the name of the call alone. */
const NAMED = [
  // This SDK's hooks, and those of OpenFeature's React SDK.
  String.raw`\buse(?:Suspense)?(?:Boolean|String|Number|Object)?Flag(?:Value|Details)?`,
  // OpenFeature in JavaScript, Java, .NET, Python, Go, PHP, Ruby, Rust.
  String.raw`\b(?:[Gg]et|fetch)?_?(?:[Bb]oolean|[Bb]ool|[Ss]tring|[Nn]umber|[Ii]nteger|[Ii]nt|[Dd]ouble|[Ff]loat|[Oo]bject|[Ss]truct)_?(?:[Vv]alue|[Dd]etails|[Ee]valuation)(?:_?[Dd]etails)?(?:Async)?`,
]
const NAMED_CALL = new RegExp(`(?:${NAMED.join('|')})${GENERIC}\\s*\\(\\s*${FIRST}${QUOTED}\\s*,`, 'gs')

/** `z.string('…')` is a call like these: only one with a default after the key is about a flag, here as above. */
const GETTER = new RegExp(
  String.raw`[\w)\]]\s*\??\.\s*(?:boolean|string|number|object|details)${GENERIC}\s*\(\s*${QUOTED}\s*,`,
  'gs',
)
/** And these only of something that is called flags, or so. */
const OTHERS = new RegExp(
  String.raw`\b\w*[Ff]lags?\w*(?:\([^()]{0,200}\))?\s*\??\.\s*(?:explain|override|isEnabled)${GENERIC}\s*\(\s*${QUOTED}`,
  'gs',
)
const TEXT = new RegExp(QUOTED, 'g')

/** @param known the keys that there are */
export function referencesIn(text: string, known: ReadonlySet<string>): readonly Reference[] {
  const found = new Map<number, Reference>()
  const starts = lineStarts(text)
  const note = (match: RegExpMatchArray, by: Reference['by']): void => {
    const [whole, quote = '', key = ''] = match
    const quoted = quote + key + quote
    const at = match.index === undefined ? 0 : match.index + whole.lastIndexOf(quoted)
    if (!found.has(at)) found.set(at, { key, ...placeOf(at, starts), by })
  }
  for (const pattern of [NAMED_CALL, GETTER, OTHERS])
    for (const match of text.matchAll(pattern)) note(match, 'call')
  for (const match of text.matchAll(TEXT)) if (known.has(match[2] ?? '')) note(match, 'text')
  return [...found].sort(([a], [b]) => a - b).map(([, reference]) => reference)
}

function lineStarts(text: string): readonly number[] {
  const starts = [0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return starts
}

function placeOf(at: number, starts: readonly number[]): { readonly line: number; readonly column: number } {
  let [low, high] = [0, starts.length - 1]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((starts[middle] ?? 0) <= at) low = middle
    else high = middle - 1
  }
  return { line: low + 1, column: at - (starts[low] ?? 0) + 1 }
}
