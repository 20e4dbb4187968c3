/** JSON of any depth as text: what `JSON.stringify` would give, had it the stack. */
import { type Json, jsonText } from '@halyard/sdk/core'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { anyJson } from './arbitraries.ts'

const LEVELS = 20_000

it('is what JSON.stringify gives, and what it would give of a value that is too deep for it', () => {
  fc.assert(
    fc.property(anyJson, (value) => {
      const text = JSON.stringify(value)
      expect(jsonText(value)).toBe(text)
      // As a list among others, and as an object with a member left out.
      let lists = value
      let objects = value
      for (let level = 0; level < LEVELS; level += 1) {
        lists = [0, lists, value]
        objects = { 'a"': objects, gone: undefined as unknown as Json, z: null }
      }
      expect(() => JSON.stringify(lists)).toThrow(RangeError)
      expect(jsonText(lists)).toBe('[0,'.repeat(LEVELS) + text + `,${text}]`.repeat(LEVELS))
      expect(jsonText(objects)).toBe('{"a\\"":'.repeat(LEVELS) + text + ',"z":null}'.repeat(LEVELS))
    }),
    { numRuns: 10 },
  )
})

it('throws what JSON.stringify throws of what is no JSON', () => {
  const circle: { inner?: unknown } = {}
  circle.inner = circle
  expect(() => jsonText(circle as unknown as Json)).toThrow(TypeError)
})
