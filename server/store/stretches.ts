/** Parsing much at a time without holding everyone up: after some milliseconds of it others get their turn. */
import { setImmediate } from 'node:timers/promises'

/** Characters of JSON that are parsed at a stretch. */
const STRETCH = 512 * 1024

/** Told of each text, it says where to wait. */
export function inStretches(): (characters: number) => Promise<void> | undefined {
  let parsed = 0
  return (characters) => {
    parsed += characters
    if (parsed <= STRETCH) return undefined
    parsed = 0
    return setImmediate()
  }
}
