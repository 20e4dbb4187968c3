/** Where a Chromium is, and how it is kept from doing anything but showing the page. */
import { existsSync } from 'node:fs'

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** The one that CHROMIUM names, or that this machine has; undefined where it has none. */
export const foundChromium = (): string | undefined => process.env.CHROMIUM ?? PLACES.find(existsSync)

export const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
