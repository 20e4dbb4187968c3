/** The Chromium of the tests: named by CHROMIUM, found, or installed where that is allowed (root, on a Debian). */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'
import { foundChromium, QUIET } from '../support/chromium.ts'

export async function launchChromium(): Promise<Browser> {
  return await chromium.launch({
    executablePath: foundChromium() ?? install(),
    args: [...QUIET, '--js-flags=--expose-gc'],
  })
}

function install(): string {
  if (process.getuid?.() === 0 && existsSync('/etc/debian_version')) {
    const quiet = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const
    execFileSync('apt-get', ['update', '-qq'], quiet)
    execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'], quiet)
  }
  const path = foundChromium()
  if (path === undefined) {
    throw new Error(
      'These tests need Chromium. Run `apt-get install -y chromium`, or set CHROMIUM to its path.',
    )
  }
  return path
}
