/** TypeScript's types of JSON: out of values that were seen, or of a JSON Schema that keeps them. One line each. */
import { alike } from '../code/compact.ts'
import type { Json } from '../shapes.ts'

type Fields = { readonly [name: string]: Json }
const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const DEEPEST = 8
const ANY_OBJECT = '{ [name: string]: unknown }'

/** A property's name as it stands in an interface. */
export function nameOf(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key)
    ? key
    : `'${JSON.stringify(key).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`
}

/** The type that all of these objects have: a field that some lack may be missing. */
export function typeOfObjects(values: readonly Json[]): string {
  const objects = values.filter(isFields)
  return objects.length === 0 ? ANY_OBJECT : typeOfValues(objects)
}

function typeOfValues(values: readonly Json[]): string {
  const types: string[] = []
  const add = (type: string): void => {
    if (!types.includes(type)) types.push(type)
  }
  for (const value of values) if (typeof value !== 'object') add(typeof value)
  const lists = values.filter((value): value is readonly Json[] => Array.isArray(value))
  if (lists.length > 0) add(listOf(lists.flat().length === 0 ? 'unknown' : typeOfValues(lists.flat())))
  const objects = values.filter(isFields)
  if (objects.length > 0) {
    const names = [...new Set(objects.flatMap((object) => Object.keys(object)))]
    const fields = names.map((name) => {
      const having = objects.filter((object) => Object.hasOwn(object, name))
      const type = typeOfValues(having.map((object) => object[name] ?? null))
      return `${nameOf(name)}${having.length < objects.length ? '?' : ''}: ${type}`
    })
    add(fields.length === 0 ? ANY_OBJECT : `{ ${fields.join('; ')} }`)
  }
  if (values.includes(null)) add('null')
  return types.join(' | ')
}

const listOf = (type: string): string => (/[|&]/.test(type) ? `Array<${type}>` : `${type}[]`)

/** The type of an object flag's values that such a schema lets through; loose where the schema says more than types can. */
export function typeOfObjectSchema(schema: Fields): string {
  const type = typeOfSchema(schema, schema, 0)
  return type.startsWith('{') ? type : ANY_OBJECT
}

function typeOfSchema(schema: Json | undefined, root: Fields, depth: number): string {
  if (schema === false) return 'never'
  if (!isFields(schema) || depth > DEEPEST) return 'unknown'
  const inner = (part: Json | undefined): string => typeOfSchema(part, root, depth + 1)
  const { $ref, type, properties, items, anyOf, oneOf, allOf } = schema
  if ('const' in schema) return literal(schema.const)
  if (Array.isArray(schema.enum)) return union(schema.enum.map(literal))
  if (typeof $ref === 'string') return inner(resolved($ref, root))
  const choices = anyOf ?? oneOf
  if (Array.isArray(choices)) return union(choices.map(inner))
  if (Array.isArray(allOf) && type === undefined && properties === undefined)
    return intersection(allOf.map(inner))
  if (Array.isArray(type)) return union(type.map((one) => inner({ ...schema, type: one })))
  if (type === 'object' || (type === undefined && properties !== undefined)) return objectOf(schema, inner)
  if (type === 'array') return listOf(items === undefined ? 'unknown' : inner(items))
  if (type === 'integer' || type === 'number') return 'number'
  return type === 'string' || type === 'boolean' || type === 'null' ? type : 'unknown'
}

function objectOf(
  { properties, required, additionalProperties }: Fields,
  inner: (part: Json | undefined) => string,
): string {
  const needed = Array.isArray(required) ? required : []
  const fields = Object.entries(isFields(properties) ? properties : {}).map(
    ([name, part]) => `${nameOf(name)}${needed.includes(name) ? '' : '?'}: ${inner(part)}`,
  )
  // Beside named fields an index signature would have to allow all of their types.
  if (fields.length > 0) return `{ ${fields.join('; ')} }`
  return isFields(additionalProperties) ? `{ [name: string]: ${inner(additionalProperties)} }` : ANY_OBJECT
}

/** Within the document alone, as the server takes it. */
function resolved(ref: string, root: Fields): Json | undefined {
  if (!ref.startsWith('#')) return undefined
  let found: Json | undefined = root
  for (const part of ref.slice(1).split('/').slice(1)) {
    const name = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')
    found = isFields(found) ? found[name] : undefined
  }
  return found
}

function literal(value: Json | undefined): string {
  if (value === undefined || (typeof value === 'object' && value !== null)) return 'unknown'
  return JSON.stringify(value)
}

function union(types: readonly string[]): string {
  const different = [...new Set(types)]
  return different.includes('unknown') ? 'unknown' : different.join(' | ') || 'never'
}

function intersection(types: readonly string[]): string {
  const different = [...new Set(types)].filter((type) => type !== 'unknown')
  return different.map((type) => (type.includes(' | ') ? `(${type})` : type)).join(' & ') || 'unknown'
}

/** One type of several environments' schemas: theirs where they agree. */
export function typeOfSchemas(schemas: readonly Fields[]): string {
  const different = schemas.filter((schema, at) => schemas.findIndex((other) => alike(schema, other)) === at)
  return [...new Set(different.map(typeOfObjectSchema))].join(' | ')
}
