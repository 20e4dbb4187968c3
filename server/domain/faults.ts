/**
 * Collects every fault of a document with a pointer to it, so that a person mends all of them at once. Bounded:
 * what is wrong a thousand times is told a hundred times.
 */
import { distance } from 'fastest-levenshtein'
import { type Fault, Problem, type ProblemType } from './problem.ts'

const FAULTS_TOLD = 100
/** Looking for the nearest of 10,000 keys takes milliseconds. */
const SUGGESTIONS_MADE = 5
const LONGEST_KEY = 128

export type Faults = {
  /** `candidates`: what the key could have been, where it is unknown; asked for only while suggestions are made. */
  add(pointer: string, message: string, unknown?: { key: string; candidates: Iterable<string> }): void
  readonly count: number
  /** Throws what was collected, if anything was. */
  refuse(type?: ProblemType): void
}

/** `locate` turns pointers into the document into pointers into the request's body. */
export function collectFaults(locate: (pointer: string) => string = (pointer) => pointer): Faults {
  const told: Fault[] = []
  let count = 0
  let suggestionsLeft = SUGGESTIONS_MADE
  let didYouMean: string | undefined
  return {
    add(pointer, message, unknown) {
      count += 1
      if (told.length === FAULTS_TOLD) return
      let suggestion: string | undefined
      if (unknown !== undefined && suggestionsLeft > 0) {
        suggestionsLeft -= 1
        suggestion = nearest(unknown.key, unknown.candidates)
        didYouMean ??= suggestion
      }
      const hint = suggestion === undefined ? '' : ` Did you mean ${quote(suggestion)}?`
      told.push({ pointer: locate(pointer), message: message + hint })
    },
    get count() {
      return count
    },
    refuse(type = 'invalid-document') {
      const [first] = told
      if (first === undefined) return
      const others =
        count === 1
          ? ''
          : ` There are ${count} faults${count > told.length ? `; the first ${told.length} are listed` : ''}.`
      throw new Problem(type, first.message + others, {
        errors: told,
        ...(didYouMean === undefined ? {} : { didYouMean }),
      })
    },
  }
}

/**
 * The faults of a document that the caller named and did not send: told where it was named, with what it is, the
 * place in it, and what can be done. What a key in it could have been is left out, since nobody has mistyped it.
 * @param pointer where the document was named, which the pointers of its faults begin with
 * @param advise what can be done about a fault at that place of the document
 */
export function namedFaults(
  faults: Faults,
  pointer: string,
  what: string,
  advise: (within: string) => string,
): Faults {
  return {
    add(inner, message) {
      const within = inner.slice(pointer.length)
      faults.add(pointer, [placed(what, within), message, advise(within)].join(' ').trimEnd())
    },
    get count() {
      return faults.count
    },
    refuse: (type) => faults.refuse(type),
  }
}

/** Begins a message about a place in a document. */
export const placed = (what: string, within: string): string =>
  within === '' ? `${what}:` : `${what} at ${within}:`

/** One fault, thrown at once. */
export function refuse(pointer: string, message: string, type: ProblemType = 'invalid-document'): never {
  throw new Problem(type, message, { errors: [{ pointer, message }] })
}

/** A JSON Pointer (RFC 6901) one step further. */
export function at(pointer: string, step: string | number): string {
  return `${pointer}/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`
}

/** A key as a message names it: quoted, and cut where it is longer than any key may be. */
export function quote(key: string): string {
  return JSON.stringify(key.length > LONGEST_KEY ? `${key.slice(0, LONGEST_KEY)}…` : key)
}

const KEYS_NAMED = 10
/** Some keys as a message names them; of many only the first. */
export function quoteSome(keys: readonly string[]): string {
  const rest = keys.length - KEYS_NAMED
  return keys.slice(0, KEYS_NAMED).map(quote).join(', ') + (rest > 0 ? ` and ${rest} more` : '')
}

/** The candidate nearest to a key, if one is near enough to be meant. */
export function nearest(key: string, candidates: Iterable<string>): string | undefined {
  if (key.length > LONGEST_KEY) return undefined
  let best: string | undefined
  let least = Math.max(2, Math.floor(key.length / 3)) + 1
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - key.length) >= least) continue
    const edits = distance(key, candidate)
    if (edits < least) {
      least = edits
      best = candidate
    }
  }
  return best
}
