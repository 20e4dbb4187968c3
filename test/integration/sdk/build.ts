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
  compileTs(['-p', join(ROOT, 'sdk'), '--outDir', folder])
  return { folder, remove: () => rmSync(folder, { recursive: true }) }
}

/** Runs the TypeScript compiler; what it finds is the error. */
export function compileTs(parameters: readonly string[]): void {
  try {
    execFileSync(join(ROOT, 'node_modules/.bin/tsc'), parameters, { encoding: 'utf8', stdio: 'pipe' })
  } catch (error) {
    throw new Error(`tsc failed:\n${(error as { stdout?: string }).stdout}`)
  }
}
