/**
 * The newest snapshot of each log that can be believed, whichever shelf it stands on. One that can't be is passed
 * over, reported, and the next newest tried. A shelf that fails or hangs is only one rung fewer.
 */
import type { Loaded } from '../../store/store.ts'
import { within } from '../../waiting.ts'
import { forged, garbage, isSigned, unseal } from './form.ts'
import type { Reports } from './reports.ts'
import { logOf, markIn, type Shelf } from './shelf.ts'

/** `on`: the shelves that have it; the first is the one that it was read from. */
export type Found = { readonly loaded: Loaded; readonly on: readonly [Shelf, ...Shelf[]] }

type Candidate = { readonly shelf: Shelf; readonly bytes: Buffer }

/** Milliseconds that a shelf has to give out everything: a start waits for it. */
const READ_WITHIN_MS = 1_000
/** Read at the same time from one shelf. */
const ABREAST = 16

/**
 * @param shelves in the order in which they are believed to be newer: one that is behind a later one is reported
 * @param only the one name that is asked for; all of them where absent
 */
export async function findNewest(
  shelves: readonly Shelf[],
  key: Buffer,
  reports: Reports,
  only?: string,
): Promise<readonly Found[]> {
  const byName = new Map<string, Candidate[]>()
  for (const [shelf, read] of await Promise.all(
    shelves.map(async (one) => [one, await readAll(one)] as const),
  )) {
    for (const [name, bytes] of read) {
      byName.set(name, [...(byName.get(name) ?? []), { shelf, bytes }])
    }
  }
  const found: Found[] = []
  for (const [name, candidates] of byName) {
    const newest = await believed(name, candidates)
    if (newest !== undefined) found.push(newest)
  }
  return found

  async function readAll(shelf: Shelf): Promise<ReadonlyMap<string, Buffer>> {
    try {
      const read = await within(
        everythingOn(shelf, only === undefined ? shelf.names() : [only]),
        READ_WITHIN_MS,
      )
      reports.works(shelf)
      return read
    } catch (cause) {
      reports.fails(shelf, cause)
      return new Map()
    }
  }

  async function believed(name: string, candidates: readonly Candidate[]): Promise<Found | undefined> {
    for (const candidate of [...candidates].sort(byMark)) {
      const { shelf, bytes } = candidate
      try {
        const loaded = await unseal(name, bytes, key)
        return { loaded, on: [shelf, ...alike(name, candidate, candidates)] }
      } catch (cause) {
        reports.refused(shelf, name, cause)
      }
    }
    return undefined
  }

  /** The other shelves that have the same. What is nothing, or is behind and should not be, is reported. */
  function alike(name: string, found: Candidate, candidates: readonly Candidate[]): Shelf[] {
    const place = candidates.indexOf(found)
    return candidates.flatMap((other, index) => {
      const order = byMark(other, found)
      if (other === found || order < 0) return []
      if (order === 0 && isSigned(other.bytes, key)) return [other.shelf]
      if (order === 0) reports.refused(other.shelf, name, forged())
      else if (markIn(other.bytes) === '') reports.refused(other.shelf, name, garbage())
      else if (index < place) reports.older(other.shelf, name)
      return []
    })
  }
}

/** Newest first; what has no mark comes last. */
function byMark(a: Candidate, b: Candidate): number {
  const [one, other] = [markIn(a.bytes), markIn(b.bytes)]
  return one === other ? 0 : one > other ? -1 : 1
}

async function everythingOn(
  shelf: Shelf,
  asked: Promise<readonly string[]> | readonly string[],
): Promise<ReadonlyMap<string, Buffer>> {
  const names = (await asked).filter((name) => logOf(name) !== undefined).values()
  const read = new Map<string, Buffer>()
  const reading = async (): Promise<void> => {
    for (const name of names) {
      const bytes = await shelf.get(name)
      if (bytes !== undefined) read.set(name, bytes)
    }
  }
  await Promise.all(Array.from({ length: ABREAST }, reading))
  return read
}
