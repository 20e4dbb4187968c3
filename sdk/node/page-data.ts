/** What a server puts into a page, as text that HTML cannot misread. */
import type { Dehydrated } from '../answers.ts'

export type PageData = Dehydrated & {
  /**
   * The data as text for a script element: JSON, and JavaScript, in which nothing ends the element or opens another.
   * It is not enumerable, so that `{...data}` is plain data for whatever else serializes it.
   */
  toScript(): string
}

export function pageData(data: Dehydrated): PageData {
  const made = { ...data, toScript: () => escaped(JSON.stringify(data)) }
  return Object.defineProperty(made, 'toScript', { enumerable: false })
}

/** `<` and its kin open and close what HTML knows; U+2028 and U+2029 end lines in older JavaScript. */
function escaped(json: string): string {
  return json.replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
