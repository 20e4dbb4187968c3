/**
 * Regular expressions in RE2's syntax (github.com/google/re2/wiki/Syntax), searched in time linear in the input.
 * Everything is capped: the pattern, the program that it compiles to, and the text looked at.
 */
import { RE2JS } from 're2js'
import { LIMITS } from './limits.ts'

/**
 * Prepares a search.
 *
 * @param ignoreCase folds case as RE2's flag `i` does
 * @returns whether a text of at most `LIMITS.regexInput` code units holds a match (a longer text does not match),
 *   or why the pattern is refused
 */
export function searchOf(
  pattern: string,
  ignoreCase: boolean,
): ((text: string) => boolean) | { readonly fault: string } {
  if (pattern.length > LIMITS.regexChars) {
    return { fault: `a regular expression has at most ${LIMITS.regexChars} characters` }
  }
  let regex: RE2JS
  try {
    regex = RE2JS.compile(pattern, ignoreCase ? RE2JS.CASE_INSENSITIVE : 0)
  } catch (cause) {
    return { fault: `not a regular expression of RE2: ${(cause as Error).message}` }
  }
  if (regex.programSize() > LIMITS.regexProgram) {
    return {
      fault: `the regular expression compiles to ${regex.programSize()} instructions, above ${LIMITS.regexProgram}: repeat less`,
    }
  }
  return (text) => text.length <= LIMITS.regexInput && regex.test(text)
}
