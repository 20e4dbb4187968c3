/** What a server puts into a page: of the context what JSON can say, and as text that HTML cannot misread. */
import type { Dehydrated } from '../answers.ts'
import type { Context, Json } from '../core/index.ts'
import type { Complain } from './logger.ts'

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

/**
 * A context as a page gets it, and as a server will read it from there: as JSON. What has none (a BigInt, what holds
 * itself, what cannot be read) is left out, and complained of.
 */
export function pageContext(context: unknown, complain: Complain): Context {
  const attributes: [name: string, value: Json][] = []
  try {
    if (typeof context !== 'object' || context === null || Array.isArray(context)) return {}
    for (const name of Object.keys(context)) {
      const leftOut = (cause?: unknown): void =>
        complain(`what has no JSON in "${name}" is left out of the page`, cause)
      try {
        const text = JSON.stringify((context as { [name: string]: unknown })[name], (_, inner) => {
          if (typeof inner !== 'bigint') return inner
          leftOut()
        })
        if (text !== undefined) attributes.push([name, JSON.parse(text)])
      } catch (cause) {
        leftOut(cause)
      }
    }
  } catch (cause) {
    complain('the context cannot be read', cause)
  }
  return Object.fromEntries(attributes)
}

/** `<` and its kin open and close what HTML knows; U+2028 and U+2029 end lines in older JavaScript. */
function escaped(json: string): string {
  return json.replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
