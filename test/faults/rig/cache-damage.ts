/** All that can become of an SDK's cache file between two starts of its app, each in a place of its own. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export type Place = {
  readonly what: string
  readonly path: string
  /** Whether there is a state in it that may be served. */
  readonly whole: boolean
  /** Whether a file can be kept there, so that the next start has one. */
  readonly mends: boolean
}

export type CacheDamageOptions = {
  /** Where the places are made. */
  readonly folder: string
  /** A whole file, an older one, and one that another key wrote. */
  readonly current: string
  readonly older: string
  readonly foreign: string
  /** A folder on a disk without a byte left; undefined where no small disk can be had. */
  readonly full: string | undefined
  /** Uniform over [0, 1). */
  readonly random: () => number
}

const FLIPS = 12
const CUTS_IN_RULESET = 5
/** Bytes; a hole, so that no disk has to hold it. */
const HUGE = 2 ** 40

export function damagedPlaces(options: CacheDamageOptions): readonly Place[] {
  const { folder, current, older, foreign, full, random } = options
  const bytes = readFileSync(current)
  const places: Place[] = []
  const place = (what: string, make: (path: string) => void, { whole = false, mends = true } = {}): void => {
    const path = join(folder, `cache-${places.length}.json`)
    make(path)
    places.push({ what, path, whole, mends })
  }

  place('nothing there', () => {})
  place('whole', (path) => copyFileSync(current, path), { whole: true })
  place('an older state', (path) => copyFileSync(older, path), { whole: true })
  place('another key’s', (path) => copyFileSync(foreign, path))

  const [head, body] = [bytes.indexOf('\n'), bytes.indexOf('\n', bytes.indexOf('\n') + 1)]
  const inRuleset = Array.from(
    { length: CUTS_IN_RULESET },
    () => head + 1 + Math.floor(random() * (body - head)),
  )
  for (const end of [
    0,
    1,
    head >> 1,
    head,
    head + 1,
    ...inRuleset,
    body,
    body + 1,
    body + 9,
    bytes.length - 2,
  ])
    place(`cut after ${end} of ${bytes.length} bytes`, (path) => writeFileSync(path, bytes.subarray(0, end)))
  place('without its last newline', (path) => writeFileSync(path, bytes.subarray(0, -1)), { whole: true })

  const anywhere = Array.from({ length: FLIPS }, () => Math.floor(random() * (bytes.length - 1)))
  for (const at of [0, head, head + 1, body, bytes.length - 2, ...anywhere])
    place(`byte ${at} changed`, (path) => {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ (1 + Math.floor(random() * 255))
      writeFileSync(path, changed)
    })
  place('twice in one file', (path) => writeFileSync(path, Buffer.concat([bytes, bytes])))
  place('nulls, as after a power failure', (path) => writeFileSync(path, Buffer.alloc(bytes.length)))
  place('an HTML page', (path) => writeFileSync(path, '<!doctype html>\n<title>Log in</title>\n'))
  place('larger than any ruleset', (path) => {
    writeFileSync(path, '')
    truncateSync(path, HUGE)
  })
  place('a directory', (path) => mkdirSync(path), { mends: false })
  place('a named pipe that nobody writes to', (path) => execFileSync('mkfifo', [path]), { mends: false })
  const away = (what: string, path: string) => places.push({ what, path, whole: false, mends: false })
  away('in a folder that is not there', join(folder, 'not-there', 'cache.json'))
  away('below a file', join(current, 'cache.json'))
  if (full !== undefined) away('on a full disk', join(full, 'cache.json'))
  return places
}
