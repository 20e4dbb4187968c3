import { setFlagsFromString } from 'node:v8'

/**
 * Whether V8 knows these objects by one hidden class. Those that do not share any are some twenty times as slow to read
 * and to make, as each object is that is written as `{ ...some, more }` with fields that `some` does not have.
 */
export function haveOneShape(objects: readonly object[]): boolean {
  setFlagsFromString('--allow-natives-syntax')
  const same = new Function('a', 'b', 'return %HaveSameMap(a, b)') as (a?: object, b?: object) => boolean
  setFlagsFromString('--no-allow-natives-syntax')
  return objects.every((one) => same(one, objects[0]))
}
