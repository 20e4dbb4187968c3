/**
 * What a Postgres URL says of TLS, in libpq's words (PostgreSQL documentation, "SSL Support"). Hides where the driver
 * reads them otherwise.
 */

/** `prefer` is not among them: what is not encrypted is not wanted, or it is said. */
const MODES = ['disable', 'require', 'verify-ca', 'verify-full', 'no-verify']
/** Files that a URL may name, and what must be in them. */
const FILES = { sslrootcert: 'CERTIFICATE', sslcert: 'CERTIFICATE', sslkey: 'PRIVATE KEY' }

/**
 * What is wrong with it, in words that show nothing else of the URL: there may be a password in it.
 * @param readFile reads a whole text file; throws where it can't
 */
export function tlsFault(url: string, readFile: (path: string) => string): string | undefined {
  const { searchParams } = new URL(url)
  const mode = searchParams.get('sslmode')
  if (mode !== null && !MODES.includes(mode)) {
    return `its sslmode must be one of ${MODES.join(', ')}`
  }
  for (const [name, content] of Object.entries(FILES)) {
    const path = searchParams.get(name)
    if (path === null) continue
    try {
      if (!readFile(path).includes(`${content}-----`))
        return `its ${name} must name a file with a ${content} as PEM`
    } catch (cause) {
      return `its ${name}: cannot read ${path} (${cause instanceof Error ? cause.message : String(cause)})`
    }
  }
  return undefined
}

/**
 * The URL as the driver is to read it. Whoever asks for TLS wants to know who answers: `require` and `verify-ca` are
 * `verify-full`, as they are in this driver by now, which warns that its next release will take them for less.
 */
export function strictUrl(url: string): string {
  const strict = new URL(url)
  const mode = strict.searchParams.get('sslmode')
  if (mode !== 'require' && mode !== 'verify-ca') return url
  strict.searchParams.set('sslmode', 'verify-full')
  return strict.href
}
