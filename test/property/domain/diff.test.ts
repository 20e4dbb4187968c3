import type { Json } from '@halyard/sdk/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { boundedDiffOf, canonical, type DiffLine, diffOf, sameJson } from '../../../server/domain/index.ts'
import { anything, configuration, damaged, stored } from './documents.ts'

type Container = { [step: string]: Json }

const unescaped = (pointer: string): string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))

/** What a pointer finds. */
const find = (document: unknown, pointer: string): unknown =>
  unescaped(pointer).reduce<unknown>((value, step) => {
    expect(Object.hasOwn(value as object, step), pointer).toBe(true)
    return (value as Container)[step]
  }, document)

function put(container: Container | Json[], step: string, value: Json): void {
  if (Array.isArray(container)) container.splice(Number(step), 0, value)
  else Object.defineProperty(container, step, { value, enumerable: true, configurable: true, writable: true })
}

const GONE = Symbol('gone') as never
const compacted = (value: unknown): void => {
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    const kept = value.filter((element) => element !== GONE)
    value.splice(0, value.length, ...kept)
  }
  for (const inner of Object.values(value)) compacted(inner)
}

/** Makes the document after from the one before and the lines, as `DiffLine` says. */
function applied(before: Json | null, lines: readonly DiffLine[]): unknown {
  const root = { '': structuredClone(before) } as { '': Json }
  const parentOf = (pointer: string): [container: Container | Json[], step: string] => {
    const steps = ['', ...unescaped(pointer)]
    const last = steps.pop() as string
    const container = steps.reduce<unknown>((value, step) => (value as Container)[step], root)
    return [container as Container, last]
  }
  const taken = new Map<string, Json>()
  // What went is marked first: the pointers are into the document before, whose lists must keep their places.
  const leaving: { readonly container: Container | Json[]; readonly step: string }[] = []
  for (const { pointer, from, after } of lines) {
    if (from === undefined && after !== undefined) continue
    const [container, step] = parentOf(from ?? pointer)
    if (from !== undefined) taken.set(pointer, (container as Container)[step] as Json)
    leaving.push({ container, step })
  }
  for (const { container, step } of leaving) {
    if (Array.isArray(container)) container[Number(step)] = GONE
    else delete container[step]
  }
  compacted(root)
  for (const element of taken.values()) compacted(element)

  const places = lines.filter(({ from, after }) => from !== undefined || after !== undefined)
  const steps = new Map(places.map(({ pointer }) => [pointer, unescaped(pointer)]))
  const order = (a: DiffLine, b: DiffLine): number => {
    const [left, right] = [steps.get(a.pointer)!, steps.get(b.pointer)!]
    return left.length - right.length || Number(left.at(-1)) - Number(right.at(-1)) || 0
  }
  for (const { pointer, before: replaced, after } of places.sort(order)) {
    const [container, step] = parentOf(pointer)
    if (replaced === undefined) put(container, step, taken.get(pointer) ?? (after as Json))
    else (container as Container)[step] = after as Json
  }
  return root['']
}

const longList = fc
  .tuple(fc.shuffledSubarray(Array.from({ length: 14 }, (_, index) => `u${index}`)), anything)
  .map(([units, last]): Json => [...units, last])
const list = fc
  .shuffledSubarray(['a', 'b', 'c', 'd', 'e', 'f'])
  .chain((ids) =>
    fc.tuple(...ids.map((id) => fc.oneof(anything, longList).map((content): Json => ({ id, content })))),
  ) as fc.Arbitrary<Json>
/** Documents that have something in common more often than chance has them. */
const document = stored(
  fc.oneof(anything, configuration, damaged, list, longList, fc.record({ rules: list, units: longList })),
)
const pair = fc.oneof(
  fc.tuple(document, document),
  fc.tuple(stored(list), stored(list)),
  fc.tuple(stored(longList), stored(longList)),
  fc.tuple(stored(configuration), stored(configuration)),
)

describe('the diff of any two documents', () => {
  it('makes the one after of the one before', () => {
    fc.assert(
      fc.property(pair, ([before, after]) => {
        const lines = diffOf(before, after)
        expect(canonical(applied(before, lines) ?? null)).toBe(canonical(after))
      }),
      { numRuns: 1_000 },
    )
  })

  it('says what stands where its pointers point', () => {
    fc.assert(
      fc.property(pair, ([before, after]) => {
        for (const line of diffOf(before, after)) {
          if (line.from !== undefined) {
            find(before, line.from)
            find(after, line.pointer)
          } else if (line.after !== undefined) {
            expect(line.pointer === '' ? after : find(after, line.pointer)).toEqual(line.after)
          } else {
            expect(line.pointer === '' ? before : find(before, line.pointer)).toEqual(line.before)
          }
        }
      }),
    )
  })

  it('is empty exactly where they have the same canonical text', () => {
    const shuffled = (json: Json): Json => {
      if (typeof json !== 'object' || json === null) return json
      if (Array.isArray(json)) return json.map(shuffled)
      const members = Object.entries(json).reverse()
      return JSON.parse(
        `{${members.map(([name, inner]) => `${JSON.stringify(name)}:${JSON.stringify(shuffled(inner))}`)}}`,
      )
    }
    fc.assert(
      fc.property(document, (json) => {
        expect(diffOf(json, shuffled(json))).toEqual([])
      }),
    )
    fc.assert(
      fc.property(pair, ([before, after]) => {
        const same = canonical(before) === canonical(after)
        expect(diffOf(before, after).length === 0).toBe(same)
        expect(sameJson(before, after)).toBe(same)
      }),
    )
  })

  it('is cut to the first lines, with the number of the others', () => {
    fc.assert(
      fc.property(pair, fc.nat(5), ([before, after], limit) => {
        const all = diffOf(before, after)
        const { lines, leftOff } = boundedDiffOf(before, after, limit)
        expect(lines).toEqual(all.slice(0, limit))
        expect(lines.length + leftOff).toBe(all.length)
      }),
    )
  })
})
