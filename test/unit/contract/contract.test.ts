import { readdirSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { docsPage } from '../../../server/contract/docs.ts'
import {
  type Access,
  allEndpoints,
  endpoints,
  PROBLEM_DOCS,
  PROBLEM_TYPES,
  problemUri,
} from '../../../server/contract/index.ts'
import { openapi } from '../../../server/contract/openapi.ts'
import { withoutReadOnly } from '../../../server/contract/resources.ts'
import { PROBLEMS } from '../../../server/domain/problem.ts'
import { READ_ONLY_FIELDS } from '../../../server/domain/read-only.ts'

// biome-ignore lint/suspicious/noExplicitAny: the document is looked at as its readers do, as JSON.
const document: any = JSON.parse(JSON.stringify(openapi('1.2.3')))

/** Every node of the document, with its pointer. */
function* nodes(node: unknown, pointer = '#'): Iterable<[string, Record<string, unknown>]> {
  if (typeof node !== 'object' || node === null) return
  if (!Array.isArray(node)) yield [pointer, node as Record<string, unknown>]
  for (const [name, value] of Object.entries(node)) {
    yield* nodes(value, `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`)
  }
}
const at = (pointer: string) =>
  pointer
    .slice(2)
    .split('/')
    .reduce((node, step) => node?.[step.replaceAll('~1', '/').replaceAll('~0', '~')], document)

describe('the endpoints', () => {
  it('stand under their own id, at an address of their own', () => {
    for (const [id, endpoint] of Object.entries(endpoints)) expect(endpoint.id).toBe(id)
    const addresses = allEndpoints.map(({ method, path }) => `${method} ${path}`)
    expect(new Set(addresses).size).toBe(addresses.length)
  })

  it.each(allEndpoints.map((endpoint) => [endpoint.id, endpoint] as const))(
    '%s names its parameters, its problems once each, and an example that it would take',
    (_, { path, params, problems, body, answers, summary }) => {
      const named = [...path.matchAll(/:(\w+)/g)].map(([, name]) => name)
      expect(Object.keys(params.shape).sort()).toEqual(named.sort())
      expect(new Set(problems).size).toBe(problems.length)
      if (body?.example !== undefined) expect(body.json.safeParse(body.example).error).toBeUndefined()
      if (body !== undefined && !body.optional) expect(body.example).toBeDefined()
      for (const { body: shape, example } of Object.values(answers)) {
        if (example !== undefined) expect(shape?.safeParse(example).error).toBeUndefined()
      }
      expect(summary).not.toBe('')
    },
  )

  const onlyReads = ({ to, named = {} }: Extract<Access, { by: 'management' }>): boolean =>
    [to, ...Object.values(named)].every((power) => power === 'read' || power === 'read-kills')

  it('keep the roles apart: only reading endpoints are for viewers', () => {
    // Their questions need a body.
    const asking = ['members.check', 'flags.explain', 'flags.compare']
    for (const { id, method, access } of allEndpoints) {
      if (access.by !== 'management') continue
      const reads = onlyReads(access)
      // Whose management keys there are is an administrator's matter.
      expect(reads, id).toBe((method === 'GET' && !id.startsWith('api-keys.')) || asking.includes(id))
    }
  })

  it('that write can be tried without writing, and that change what exists take If-Match', () => {
    for (const { id, method, query, headers, access } of allEndpoints) {
      if (access.by !== 'management' || onlyReads(access)) continue
      if (method === 'GET') continue
      expect(Object.keys(query.shape), id).toContain('dryRun')
      expect(Object.keys(headers.shape), id).toContain('halyard-comment')
      const free = /^(kills|keys|api-keys|commits|members)\./.test(id) || method === 'POST'
      if (!free) expect(Object.keys(headers.shape), id).toContain('if-match')
    }
  })

  it('a body that was read loses its read-only fields, and nothing else', () => {
    const fields = Object.fromEntries(READ_ONLY_FIELDS.map((name) => [name, 1]))
    expect(withoutReadOnly({ ...fields, enabled: true, variants: {} })).toEqual({
      enabled: true,
      variants: {},
    })
  })
})

describe('the problems', () => {
  it('are all explained, and none is explained that does not exist', () => {
    expect(Object.keys(PROBLEM_DOCS).sort()).toEqual(Object.keys(PROBLEMS).sort())
    for (const type of PROBLEM_TYPES) expect(PROBLEM_DOCS[type].length).toBeGreaterThan(20)
  })
  it('have absolute URIs as types', () => {
    expect(problemUri('stale')).toBe('https://halyard.dev/problems/stale')
  })
})

describe('the OpenAPI document', () => {
  it('is of 3.1 and has every endpoint under its method, with a unique operationId', () => {
    expect(document.openapi).toBe('3.1.0')
    expect(document.info).toMatchObject({ title: 'Halyard', version: '1.2.3' })
    const operations = Object.values(document.paths).flatMap((path) => Object.values(path as object))
    const ids = operations.map(({ operationId }: { operationId: string }) => operationId)
    expect(ids.sort()).toEqual(allEndpoints.map(({ id }) => id).sort())
  })

  it('has no reference that leads nowhere', () => {
    const references = [...nodes(document)].flatMap(([, { $ref }]) =>
      typeof $ref === 'string' ? [$ref] : [],
    )
    expect(references.length).toBeGreaterThan(100)
    for (const reference of references) expect(at(reference), reference).toBeDefined()
  })

  it('declares each parameter that its path names, and answers for every operation', () => {
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const operation of Object.values(methods as object)) {
        const inPath = operation.parameters
          .filter(
            (parameter: { in: string; required: boolean }) => parameter.in === 'path' && parameter.required,
          )
          .map(({ name }: { name: string }) => name)
        expect(inPath.sort()).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort())
        for (const [status, answer] of Object.entries(operation.responses)) {
          expect(status).toMatch(/^[1-5]\d\d$/)
          expect((answer as { description: string }).description).not.toBe('')
        }
        for (const scheme of operation.security.flatMap(Object.keys)) {
          expect(document.components.securitySchemes).toHaveProperty(scheme)
        }
      }
    }
  })

  it('gives every shape the name that it has in the contract, wherever there it stands', async () => {
    const folder = new URL('../../../server/contract/', import.meta.url)
    const unnamed: string[] = []
    let named = 0
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.ts') && name !== 'parts.ts')) {
      for (const [name, value] of Object.entries(await import(new URL(file, folder).href))) {
        // Any JSON is written where it stands, and a problem's body is called by what it is.
        if (!(value instanceof z.ZodType) || name === 'Json' || name === 'ProblemBody') continue
        if (document.components.schemas[name] === undefined) unnamed.push(`${name} of ${file}`)
        named++
      }
    }
    expect(unnamed).toEqual([])
    expect(named).toBeGreaterThan(60)
  })

  it('has schemas that a validator of its dialect compiles, and that take the examples', () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false })
    ajv.addSchema({ $id: 'https://halyard.test/openapi', components: document.components })
    const check = (pointer: string) => ajv.compile({ $ref: `https://halyard.test/openapi${pointer}` })
    for (const name of Object.keys(document.components.schemas)) check(`#/components/schemas/${name}`)
    let examples = 0
    for (const [, { requestBody }] of nodes(document.paths)) {
      const json = (
        requestBody as { content: Record<string, { schema: { $ref: string }; example?: unknown }> }
      )?.content?.['application/json']
      if (json?.example === undefined) continue
      const valid = check(json.schema.$ref)
      expect(valid(json.example), JSON.stringify(valid.errors)).toBe(true)
      examples++
    }
    expect(examples).toBeGreaterThan(15)
  })

  it('shows every problem of an endpoint as an example of its status', () => {
    for (const endpoint of allEndpoints) {
      const path = endpoint.path.replace(/:(\w+)/g, '{$1}')
      const { responses } = document.paths[path][endpoint.method.toLowerCase()]
      for (const type of endpoint.problems) {
        const { examples } = responses[PROBLEMS[type].status].content['application/problem+json']
        expect(examples[type].value).toMatchObject({ type: problemUri(type), status: PROBLEMS[type].status })
      }
    }
  })
})

describe('the docs page', () => {
  const page = docsPage('1.2.3')
  it('has every endpoint and every problem, and links that lead somewhere', () => {
    const anchors = new Set([...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id))
    for (const { id } of allEndpoints)
      expect(anchors).toContain(id.replace(/[^A-Za-z0-9]+/g, '-').toLowerCase())
    for (const type of PROBLEM_TYPES) expect(anchors).toContain(`problem-${type}`)
    for (const [, target] of page.matchAll(/href="#([^"]+)"/g)) expect(anchors).toContain(target)
  })

  it('runs nothing and loads nothing', () => {
    expect(page).not.toMatch(/<script|<img|<link|<iframe|\son\w+=|\sstyle=|src=|url\(|@import/)
    expect([...page.matchAll(/href="([^#"][^"]*)"/g)].map(([, target]) => target)).toEqual(['/openapi.json'])
  })
})
