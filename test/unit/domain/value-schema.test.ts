import { describe, expect, it } from 'vitest'
import { collectFaults } from '../../../server/domain/faults.ts'
import { createFlag, patchConfiguration, putConfiguration } from '../../../server/domain/index.ts'
import { checkValues } from '../../../server/domain/value-schema.ts'
import { ANY, faultsOf, pointersOf, World } from './world.ts'

const check = (schema: unknown, variants: Record<string, unknown> = { a: {} }) => {
  const faults = collectFaults()
  checkValues(schema, variants, '', faults)
  return faults.count === 0 ? [] : faultsOf(() => faults.refuse())
}
const many = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index))

describe('a value schema', () => {
  it('is kept with a flag whose variants satisfy it, and checked again only when it matters', () => {
    const world = World.started()
    const valueSchema = { type: 'object', required: ['limit'], properties: { limit: { type: 'integer' } } }
    world.commit(
      createFlag(world.project, {
        key: 'a',
        type: 'object',
        variants: { low: { limit: 1 } },
        offVariant: null,
        valueSchema,
      }),
    )
    const env = world.environment()
    expect(world.flag('a').valueSchema).toEqual(valueSchema)
    expect(world.commit(patchConfiguration(env, 'a', { enabled: true }, ANY)).result.valueSchema).toEqual(
      valueSchema,
    )
    const add = () => world.run(patchConfiguration(env, 'a', { variants: { high: { limit: 'x' } } }, ANY))
    expect(faultsOf(add)).toEqual(['/variants/high/limit: Not what valueSchema asks for: must be integer.'])
    const put = () =>
      world.run(putConfiguration(env, 'a', { variants: { a: {} }, valueSchema: 7 as never }, ANY))
    expect(pointersOf(put)).toEqual(['/valueSchema'])
  })

  it.each<[string, object, unknown, string]>([
    ['type', { type: ['string', 'null'] }, 7, 'must be string or null'],
    ['null', { type: 'null' }, 7, 'must be null'],
    ['array', { type: 'array' }, {}, 'must be array'],
    ['boolean', { type: 'boolean' }, 'true', 'must be boolean'],
    ['pattern', { pattern: '^a+$' }, 'b', 'must match pattern "^a+$"'],
    ['uniqueItems', { uniqueItems: true }, [{ x: 1 }, { x: 1 }], 'must NOT have duplicate items'],
    ['const', { const: { a: 1, b: 2 } }, { a: 1 }, 'must be equal to the constant'],
    ['enum', { enum: [1, 2] }, 3, 'must be equal to one of the allowed values'],
    [
      'an unevaluated property',
      { allOf: [{ properties: { a: {} } }], unevaluatedProperties: false },
      { b: 1 },
      'must NOT have unevaluated properties',
    ],
    ['prefixItems', { prefixItems: [{ type: 'string' }], items: false }, [7], 'must be string'],
    [
      'a dependent schema',
      { dependentSchemas: { a: { required: ['b'] } } },
      { a: 1 },
      "must have required property 'b'",
    ],
    ['patternProperties', { patternProperties: { '^n': { type: 'number' } } }, { n: 'x' }, 'must be number'],
    ['a reference', { $ref: '#/$defs/a~1b', $defs: { 'a/b': { type: 'string' } } }, 7, 'must be string'],
    ['an anchor', { $ref: '#x', $defs: { a: { $anchor: 'x', type: 'string' } } }, 7, 'must be string'],
  ])('refuses by %s', (_what, property, value, message) => {
    const { $defs, ...schema } = property as { $defs?: object }
    const whole = { properties: { p: schema }, ...($defs && { $defs }) }
    expect(check(whole, { a: { p: value } })[0]).toContain(message)
  })

  it.each<[string, object, unknown]>([
    ['a reference to the whole', { properties: { next: { $ref: '#' } } }, { next: { next: {} } }],
    ['a boolean schema', { properties: { a: true } }, { a: 1 }],
    ['formats as annotations', { properties: { a: { format: 'email' } } }, { a: 'x' }],
    [
      'words of other dialects',
      { id: 'x', nullable: true, $async: true, discriminator: { a: 1 }, 'x-y': { $ref: 7 } },
      {},
    ],
    [
      'an identifier at its root',
      { $id: 'https://example.com/s', $schema: 'https://json-schema.org/draft/2020-12/schema' },
      {},
    ],
    [
      'unique items',
      { properties: { a: { uniqueItems: true }, b: { uniqueItems: false } } },
      { a: [1, '1'], b: [1, 1] },
    ],
    [
      'values with names of methods',
      { properties: { a: { enum: [1, { valueOf: 1, toString: 2 }] } } },
      { a: { toString: 2, valueOf: 1 } },
    ],
    ['an integer', { properties: { a: { type: ['integer'] } } }, { a: 1 }],
  ])('takes %s', (_what, schema, value) => {
    expect(check(schema, { a: value })).toEqual([])
  })

  it.each<[string, unknown, string]>([
    ['a reference with names of methods', { $ref: { toString: '' } }, '/valueSchema/$ref: Not a JSON Schema'],
    ['what is no object', true, '/valueSchema: A JSON Schema is an object.'],
    ['what is no schema', { type: 'objekt' }, '/valueSchema/type: Not a JSON Schema of draft 2020-12'],
    ['a keyword of another shape', { properties: 7, allOf: {} }, '/valueSchema'],
    [
      'another draft',
      { $schema: 'http://json-schema.org/draft-07/schema#' },
      '/valueSchema/$schema: Only draft 2020-12',
    ],
    [
      'keywords of other drafts',
      { dependencies: {} },
      '/valueSchema/dependencies: dependencies is not taken.',
    ],
    [
      'a dynamic reference',
      { $dynamicRef: '#x' },
      '/valueSchema/$dynamicRef: $dynamicRef is not taken. Use $ref.',
    ],
    ['a nested identifier', { properties: { a: { $id: 'x' } } }, '/valueSchema/properties/a/$id'],
    [
      'a remote reference',
      { $ref: 'https://example.com/s' },
      '/valueSchema/$ref: "https://example.com/s" is no reference',
    ],
    ['a reference to what is no subschema', { $ref: '#/enum/0', enum: [{}] }, '/valueSchema/$ref'],
    ['a reference that cannot be decoded', { $ref: '#%' }, '/valueSchema/$ref'],
    ['a reference that is no string', { properties: { a: { $ref: 7 } } }, '/valueSchema/properties/a/$ref'],
    ['an anchor that is unknown', { $ref: '#x' }, '/valueSchema: The JSON Schema cannot be used'],
    ['a reference that leads in a circle', { anyOf: [{ $ref: '#' }] }, 'its references lead in a circle'],
    [
      'a pattern that is none',
      { properties: { a: { pattern: '(' } } },
      '/valueSchema/properties/a/pattern: Not a pattern',
    ],
    [
      'a look-ahead',
      { patternProperties: { '(?=a)': true } },
      '/valueSchema/patternProperties/(?=a): Not a pattern',
    ],
    ['a pattern that is no string', { pattern: 7 }, '/valueSchema/pattern'],
    [
      'too many patterns',
      { properties: Object.fromEntries(many(101, (i) => [`p${i}`, { pattern: 'a' }])) },
      'at most 100 patterns',
    ],
    ['too many subschemas', { anyOf: many(500, () => ({})) }, 'at most 500 subschemas; this has 501'],
    ['too many bytes', { description: 'x'.repeat(65_536) }, 'at most 65536 bytes'],
  ])('is refused where it is %s', (_what, schema, fault) => {
    expect(check(schema)[0]).toContain(fault)
  })

  it('tells no more than five faults of a variant', () => {
    const schema = { anyOf: many(20, (index) => ({ required: [`p${index}`] })) }
    expect(check(schema)).toHaveLength(5)
  })
})

describe('a value schema that would take for ever', () => {
  const tooMuch = 'it takes too much work to evaluate'
  it('by doubling references is stopped', () => {
    const $defs: Record<string, unknown> = { n40: { type: 'string' } }
    for (let level = 0; level < 40; level += 1) {
      const next = { $ref: `#/$defs/n${level + 1}` }
      $defs[`n${level}`] = { anyOf: [next, next] }
    }
    expect(check({ $ref: '#/$defs/n0', $defs })[0]).toContain(tooMuch)
  })

  it('by looking at many items with many schemas is stopped', () => {
    const schema = {
      properties: { a: { anyOf: many(200, (index) => ({ contains: { const: index + 1 } })) } },
    }
    expect(check(schema, { a: { a: many(20_000, () => 0) } })[0]).toContain(tooMuch)
  })

  it('by matching many patterns with long names is stopped', () => {
    const patternProperties = Object.fromEntries(many(100, (index) => [`x${index}$`, {}]))
    const names = Object.fromEntries(many(500, (index) => ['y'.repeat(100) + index, 1]))
    expect(check({ patternProperties }, { a: names })[0]).toContain(tooMuch)
  })

  it('by backtracking does not, since patterns are RE2’s', () => {
    const schema = { properties: { a: { pattern: '^(a+)+$' } } }
    expect(check(schema, { a: { a: `${'a'.repeat(10_000)}b` } })[0]).toContain('must match pattern')
  })

  it('by comparing every two items does not', () => {
    const items = many(15_000, (index) => [index])
    expect(check({ properties: { a: { uniqueItems: true } } }, { a: { a: items } })).toEqual([])
  })
})
