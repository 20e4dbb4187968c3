/** TypeScript's types of JSON values and schemas. */
import { describe, expect, it } from 'vitest'
import { declarationOf, entriesOf, type Known } from '../../../sdk/cli/types/declaration.ts'
import { typeOfObjectSchema, typeOfObjects, typeOfSchemas } from '../../../sdk/cli/types/values.ts'

describe('the type of values that were seen', () => {
  it.each([
    ['nothing', [], '{ [name: string]: unknown }'],
    ['empty objects', [{}], '{ [name: string]: unknown }'],
    ['plain fields', [{ a: 1, b: 'x', c: true, d: null }], '{ a: number; b: string; c: boolean; d: null }'],
    ['fields that some lack', [{ a: 1 }, { a: 2, b: 'x' }], '{ a: number; b?: string }'],
    ['values of several types', [{ a: 1 }, { a: 'x' }, { a: null }], '{ a: number | string | null }'],
    [
      'lists',
      [{ a: [1, 2], b: ['x', 1], c: [], d: [[1]] }],
      '{ a: number[]; b: Array<string | number>; c: unknown[]; d: number[][] }',
    ],
    [
      'what is inside',
      [{ a: { b: 1 } }, { a: { b: 2, 'c-d': [] } }],
      "{ a: { b: number; 'c-d'?: unknown[] } }",
    ],
    ['names with quotes', [{ "it's": 1, 'a"b': 2 }], "{ 'it\\'s': number; 'a\"b': number }"],
  ])('%s', (_, values, type) => {
    expect(typeOfObjects(values)).toBe(type)
  })
})

describe('the type of what a schema lets through', () => {
  it.each([
    [
      {
        type: 'object',
        properties: { a: { type: 'integer' }, b: { type: ['string', 'null'] } },
        required: ['a'],
      },
      '{ a: number; b?: string | null }',
    ],
    [
      { properties: { a: { enum: ['x', 1, null] }, b: { const: 'y' } }, required: ['a', 'b'] },
      '{ a: "x" | 1 | null; b: "y" }',
    ],
    [{ type: 'object', additionalProperties: { type: 'number' } }, '{ [name: string]: number }'],
    [
      {
        type: 'object',
        properties: { a: { $ref: '#/$defs/a' } },
        $defs: { a: { type: 'array', items: { type: 'string' } } },
      },
      '{ a?: string[] }',
    ],
    [
      {
        type: 'object',
        properties: {
          a: { anyOf: [{ type: 'string' }, { type: 'number' }] },
          b: { allOf: [{ type: 'string' }, {}] },
        },
      },
      '{ a?: string | number; b?: string }',
    ],
    [
      { type: 'object', properties: { a: {}, b: { pattern: 'x' }, c: false } },
      '{ a?: unknown; b?: unknown; c?: never }',
    ],
    [{ type: 'string' }, '{ [name: string]: unknown }'],
    [{}, '{ [name: string]: unknown }'],
  ])('%j', (schema, type) => {
    expect(typeOfObjectSchema(schema)).toBe(type)
  })

  it('ends where a schema names itself', () => {
    const schema = { type: 'object', properties: { next: { $ref: '#' } } }
    expect(typeOfObjectSchema(schema)).toMatch(/^\{ next\?: \{ .*unknown/)
  })

  it('is one where environments agree, and any of theirs where not', () => {
    const [a, b] = [{ properties: { a: { type: 'string' } } }, { properties: { a: { type: 'number' } } }]
    expect(typeOfSchemas([a, { ...a }])).toBe('{ a?: string }')
    expect(typeOfSchemas([a, b])).toBe('{ a?: string } | { a?: number }')
  })
})

it('a declaration names flags in order, and can be read again', () => {
  const flag = (key: string, more: Partial<Known> = {}): Known => ({
    key,
    type: 'boolean',
    description: '',
    values: [],
    schemas: [],
    ...more,
  })
  const text = declarationOf(
    [flag('b.c', { description: 'not */ the\nend' }), flag('a', { type: 'string' })],
    false,
  )
  expect(text).toContain("    a: string\n    /** not *\\/ the end */\n    'b.c': boolean\n")
  expect([...entriesOf(text)]).toEqual([
    ['a', 'string'],
    ['b.c', 'boolean'],
  ])
})
