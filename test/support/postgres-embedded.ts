/**
 * A prepared empty embedded database for tests, as the build makes one: made once for these migrations and this
 * PGlite, and kept between runs, because making it takes seconds.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { prepareEmbedded } from '../../server/store/embedded.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const CACHE = join(ROOT, 'node_modules/.cache/halyard')

/** The folder of a prepared database. Processes that ask at once agree on one. */
export async function preparedEmbedded(): Promise<string> {
  const hash = createHash('sha256')
  const migrations = join(ROOT, 'migrations')
  for (const file of readdirSync(migrations).sort()) hash.update(readFileSync(join(migrations, file)))
  hash.update(readFileSync(join(ROOT, 'node_modules/@electric-sql/pglite/package.json')))
  const folder = join(CACHE, `embedded-${hash.digest('hex').slice(0, 16)}`)
  if (existsSync(folder)) return folder
  mkdirSync(CACHE, { recursive: true })
  try {
    await prepareEmbedded(folder)
  } catch (error) {
    // Another process was first.
    if (!existsSync(folder)) throw error
  }
  return folder
}

/** A temporary folder, and the function that removes it. */
export function temporaryFolder(): { readonly dir: string; remove(): void } {
  const dir = mkdtempSync(join(tmpdir(), 'halyard-'))
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) }
}
