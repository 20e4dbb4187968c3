/** The Chromium of the tests: named by CHROMIUM, found, or installed where that is allowed (root, on a Debian). */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

export async function launchChromium(): Promise<Browser> {
  return await chromium.launch({
    executablePath: found() ?? install(),
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--js-flags=--expose-gc',
    ],
  })
}

const found = (): string | undefined => process.env.CHROMIUM ?? PLACES.find(existsSync)

function install(): string {
  if (process.getuid?.() === 0 && existsSync('/etc/debian_version')) {
    const quiet = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const
    execFileSync('apt-get', ['update', '-qq'], quiet)
    execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'], quiet)
  }
  const path = found()
  if (path === undefined) {
    throw new Error(
      'These tests need Chromium. Run `apt-get install -y chromium`, or set CHROMIUM to its path.',
    )
  }
  return path
}
