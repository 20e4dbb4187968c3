/**
 * What must hold of any JSON before anything looks at its meaning: bounded depth, finite numbers, and strings
 * without NUL or lone surrogates. Iterative, so that no nesting is too deep to be refused.
 */
import { at, type Faults, refuse } from './faults.ts'

/** As deep as a request's body may be. */
export const DEPTH = 64
const NUL_OR_LONE_SURROGATE = /[\0\p{Cs}]/u

type Place = {
  readonly value: object
  readonly depth: number
  readonly step: string | number
  readonly parent: Place | undefined
}

/** Whether a string can be kept: no NUL, no lone surrogate. */
export const isText = (text: string): boolean => !NUL_OR_LONE_SURROGATE.test(text)

/** The text with whatever cannot be kept replaced by U+FFFD. */
export const asText = (text: string): string => text.replace(/[\0\p{Cs}]/gu, '\uFFFD')

/**
 * Adds a fault for each string or name that cannot be kept.
 * @throws Problem at once for what is no JSON or too deep: nothing can be read of it.
 */
export function checkJson(json: unknown, faults: Faults): void {
  const open: Place[] = []
  const look = (value: unknown, step: string | number, parent: Place | undefined): void => {
    if (typeof value === 'string') {
      if (!isText(value))
        faults.add(pointerOf(step, parent), 'NUL and lone surrogates cannot be kept; remove them.')
    } else if (typeof value === 'object' && value !== null) {
      const depth = (parent?.depth ?? 0) + 1
      if (depth > DEPTH) refuse(pointerOf(step, parent), `Nested more than ${DEPTH} levels deep.`)
      open.push({ value, depth, step, parent })
    } else if (
      typeof value === 'number' ? !Number.isFinite(value) : typeof value !== 'boolean' && value !== null
    ) {
      refuse(
        pointerOf(step, parent),
        'Not a JSON value: only finite numbers, strings, booleans, null, lists and objects are.',
      )
    }
  }

  look(json, '', undefined)
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    const { value } = place
    if (Array.isArray(value)) {
      for (let index = 0; index < value.length; index += 1) look(value[index], index, place)
      continue
    }
    for (const [name, inner] of Object.entries(value)) {
      if (!isText(name))
        faults.add(pointerOf(name, place), 'NUL and lone surrogates cannot be kept in a name; remove them.')
      if (inner !== undefined) look(inner, name, place)
    }
  }
}

function pointerOf(step: string | number, parent: Place | undefined): string {
  const steps: (string | number)[] = []
  let last = step
  for (let place = parent; place !== undefined; place = place.parent) {
    steps.push(last)
    last = place.step
  }
  return steps.reverse().reduce<string>(at, '')
}
