/**
 * What callers say of themselves in headers: cut to size, cleaned of what cannot be shown or kept, and never an error.
 */

/** Empty texts: not told. */
export type CallerNames = { readonly app: string; readonly version: string; readonly sdk: string }

/** Of a header, bytes that are looked at; of each name in it, characters that are kept. */
export const HEADER_BYTES = 512
export const NAME_CHARACTERS = 64

/**
 * @param app the header `Halyard-App`, `name/version`, as it came
 * @param sdk the header `Halyard-SDK`, `name/version`
 */
export function callerNames(app: string, sdk: string): CallerNames {
  const text = readable(app)
  const slash = text.indexOf('/')
  return {
    app: cleaned(slash < 0 ? text : text.slice(0, slash)),
    version: cleaned(slash < 0 ? '' : text.slice(slash + 1)),
    sdk: cleaned(readable(sdk)),
  }
}

/** The header `Halyard-Instance`, which tells one process of an app from another; undefined where it is none. */
export function instanceName(header: string | undefined): string | undefined {
  const name = header === undefined ? '' : cleaned(readable(header))
  return name === '' ? undefined : name
}

/** Header bytes come as Latin-1, and people type UTF-8. A copy: a part of a text would keep the whole in memory. */
const readable = (header: string): string =>
  Buffer.from(header.slice(0, HEADER_BYTES), 'latin1').toString('utf8')

/** Percent-encoded, as our SDKs send names, or not; without what cannot be seen or kept. */
function cleaned(text: string): string {
  let decoded = text
  try {
    decoded = decodeURIComponent(text)
  } catch {
    // It was not encoded, so it is as it should be.
  }
  // A key that was sent in the wrong header is not written down.
  if (KEY.test(decoded)) return ''
  return decoded
    .slice(0, NAME_CHARACTERS)
    .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '')
    .trim()
}

const KEY = /hly_(?:srv|pub|api)_/
