/**
 * The build that the end-to-end tests run: made once a run, and only where it is missing or older than a source.
 * A stale build is never tested.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** What the build reads: files, and folders without what is built or installed in them. */
const SOURCES = ['package.json', 'tsconfig.base.json', 'scripts', 'migrations', 'server', 'sdk']
/** What it writes last in each of its steps. */
const OUTPUTS = ['sdk/dist/node/index.js', 'sdk/dist/cli/halyard.js', 'dist/main.js']

/** vitest's global setup: builds where tests of the whole service are about to run. */
export async function setup(project: TestProject): Promise<void> {
  // What was named on the command line; vitest does not declare it. Without it, all files.
  const { filenamePattern: named } = project.vitest as { filenamePattern?: string[] }
  const { testFiles } = await project.globTestFiles(named)
  if (testFiles.some((file) => /\/test\/(e2e|faults|browser)\//.test(file))) buildIfStale()
}

export function buildIfStale(): void {
  const built = OUTPUTS.map((path) => join(ROOT, path))
  const oldest = built.every(existsSync) ? Math.min(...built.map((path) => statSync(path).mtimeMs)) : 0
  if (newestSource() < oldest) return
  try {
    execFileSync('npm', ['run', '--silent', 'build'], { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' })
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    throw new Error(`npm run build failed:\n${stdout}${stderr}`)
  }
}

function newestSource(): number {
  const times = SOURCES.flatMap((source) => {
    const path = join(ROOT, source)
    if (!existsSync(path)) return []
    if (!statSync(path).isDirectory()) return [statSync(path).mtimeMs]
    return readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((file) => !/[\\/](dist|node_modules)[\\/]/.test(file.slice(ROOT.length - 1)))
      .map((file) => statSync(file).mtimeMs)
  })
  return Math.max(...times)
}
