/**
 * A release of the past, built from the repository's history in a temporary folder: its server, and apps with its SDK.
 * Hides where it is, and whether what it needs is installed already.
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { ROOT } from '../../support/build.ts'
import type { ServerOptions } from '../../support/process.ts'

export type Release = {
  /** Its `dist/main.js`. */
  readonly main: string
  /** The apps of the load, with its SDK. */
  readonly apps: string
}

/** The last commit before Redis, the history's questions and epochs: five migrations ago. */
export const BEFORE = '7df3429'

/** Why it cannot be built here; undefined where it can. */
export function whyNotBuilt(commit: string): string | undefined {
  try {
    git('cat-file', '-e', `${commit}^{commit}`)
    return undefined
  } catch {
    return `this clone's history does not reach back to commit ${commit} (git fetch --unshallow)`
  }
}

/** Builds it; gone when the test ends. */
export function buildRelease(commit: string): Release {
  const folder = mkdtempSync(join(tmpdir(), 'halyard-release-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  execFileSync('tar', ['-x', '-C', folder], { input: git('archive', commit) })
  const modules = join(folder, 'node_modules')
  if (isInstalled(folder)) {
    mkdirSync(join(modules, '@halyard'), { recursive: true })
    for (const name of topLevel(folder)) {
      mkdirSync(join(modules, name, '..'), { recursive: true })
      symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
    }
    symlinkSync(join(folder, 'sdk'), join(modules, '@halyard/sdk'))
  } else {
    execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder, stdio: 'pipe' })
  }
  for (const part of ['sdk', 'server'])
    execFileSync(process.execPath, [join(modules, 'typescript/bin/tsc'), '-p', part], {
      cwd: folder,
      stdio: 'pipe',
    })
  mkdirSync(join(folder, 'apps'))
  copyFileSync(join(import.meta.dirname, 'apps.mjs'), join(folder, 'apps/apps.mjs'))
  return { main: join(folder, 'dist/main.js'), apps: join(folder, 'apps/apps.mjs') }
}

/** How a server is started as that release: with no setting that it does not know, which it would refuse. */
export function asRelease({ main }: Release): ServerOptions {
  return { main, settings: { HALYARD_DRAIN_DELAY_MS: undefined } }
}

/** How it is started as this one again. */
export const AS_THIS: ServerOptions = { main: undefined, settings: { HALYARD_DRAIN_DELAY_MS: '0' } }

type Lock = { readonly packages: Readonly<Record<string, { readonly version?: string }>> }
const lockOf = (folder: string): Lock['packages'] =>
  (JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')) as Lock).packages
const MODULES = 'node_modules/'

/** Whether each package that it names is installed for this release, in the same version. */
function isInstalled(folder: string): boolean {
  const ours = lockOf(ROOT)
  return Object.entries(lockOf(folder)).every(
    ([path, { version }]) =>
      !path.startsWith(MODULES) || path === `${MODULES}@halyard/sdk` || ours[path]?.version === version,
  )
}

/** The packages in its `node_modules` itself; those that are for other machines are not there. */
function topLevel(folder: string): readonly string[] {
  return Object.keys(lockOf(folder))
    .filter((path) => path.startsWith(MODULES) && path.lastIndexOf(MODULES) === 0)
    .map((path) => path.slice(MODULES.length))
    .filter((name) => name !== '@halyard/sdk' && existsSync(join(ROOT, MODULES, name)))
}

function git(...args: readonly string[]): Buffer {
  return execFileSync('git', args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 2 ** 28 })
}
