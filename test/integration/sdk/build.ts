/** The SDK as it is published, compiled for tests that need a process of its own. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** @returns the folder with `node/index.js`; inside node_modules, so that dependencies are found from there */
export function buildSdk(): { readonly folder: string; remove(): void } {
  const cache = join(ROOT, 'node_modules/.cache')
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, 'halyard-sdk-'))
  const tsc = join(ROOT, 'node_modules/.bin/tsc')
  execFileSync(tsc, ['-p', join(ROOT, 'sdk'), '--outDir', folder], { stdio: 'pipe' })
  return { folder, remove: () => rmSync(folder, { recursive: true }) }
}
