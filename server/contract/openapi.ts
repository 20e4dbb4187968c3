/**
 * The contract as an OpenAPI 3.1 document. Every schema becomes a component, every problem an example of the
 * answers that can carry it; nothing is written here that the endpoints do not say.
 */
import { z } from 'zod'
import { PROBLEMS, type ProblemType } from '../domain/problem.ts'
import * as cohorts from './cohorts.ts'
import * as documents from './documents.ts'
import type { Access, Endpoint } from './endpoint.ts'
import { GROUPS } from './endpoint.ts'
import * as explanations from './explanations.ts'
import * as flags from './flags.ts'
import * as histories from './histories.ts'
import { allEndpoints } from './index.ts'
import * as keys from './keys.ts'
import * as kills from './kills.ts'
import * as moves from './moves.ts'
import { PROBLEM_DOCS, ProblemBody, problemUri } from './problems.ts'
import * as projects from './projects.ts'
import * as resources from './resources.ts'

/** A part of the document. */
export type Node = { [field: string]: unknown }

const componentUri = (id: string) => `#/components/schemas/${id}`
const pascal = (id: string) => id.replace(/(?:^|[.-])(\w)/g, (_, letter: string) => letter.toUpperCase())

/** Every schema under a name: the documents' own, and one made of the endpoint's id for the others. */
export function describeSchemas(): {
  readonly schemas: Readonly<Record<string, Node>>
  readonly ref: (schema: z.ZodType) => Node
} {
  const registry = z.registry<{ id: string }>()
  const ids = new Map<z.ZodType, string>()
  const add = (schema: z.ZodType, id: string) => {
    if (ids.has(schema)) return
    ids.set(schema, id)
    registry.add(schema, { id })
  }
  for (const [id, value] of Object.entries({
    ...documents,
    ...resources,
    ...projects,
    ...flags,
    ...kills,
    ...cohorts,
    ...keys,
    ...moves,
    ...histories,
    ...explanations,
  })) {
    if (value instanceof z.ZodType && id !== 'Json') add(value, id)
  }
  add(ProblemBody, 'Problem')
  for (const { id, body, answers } of allEndpoints) {
    if (body !== undefined) add(body.json, `${pascal(id)}Body`)
    for (const [status, answer] of Object.entries(answers)) {
      if (answer.body !== undefined) add(answer.body, `${pascal(id)}Answer${status}`)
    }
  }
  const { schemas } = z.toJSONSchema(registry, { io: 'input', unrepresentable: 'any', uri: componentUri })
  for (const schema of Object.values(schemas)) {
    // The document's dialect and the component's place say these already.
    Reflect.deleteProperty(schema, '$schema')
    Reflect.deleteProperty(schema, '$id')
  }
  const ref = (schema: z.ZodType): Node => ({ $ref: componentUri(ids.get(schema) ?? 'Problem') })
  return { schemas: schemas as Record<string, Node>, ref }
}

/** Parameters of one place, from an object schema. */
export function parameters(place: 'path' | 'query' | 'header', object: z.ZodObject): Node[] {
  const { properties = {}, required = [] } = z.toJSONSchema(object, { io: 'input' })
  return Object.entries(properties).map(([name, property]) => {
    const schema = property as Node
    const { description, ...rest } = schema
    return {
      name,
      in: place,
      required: place === 'path' || required.includes(name),
      ...(description === undefined ? {} : { description }),
      schema: rest,
    }
  })
}

function security(access: Access): Node[] {
  if (access.by === 'anyone' || access.by === 'stream-token' || access.by === 'kill-link') return []
  return [{ bearer: [] }, { apiKey: [] }]
}

/** An example of a problem, as it stands on the wire. */
function problemExample(type: ProblemType): Node {
  const { status, title } = PROBLEMS[type]
  return { summary: title, description: PROBLEM_DOCS[type], value: { type: problemUri(type), title, status } }
}

function described(headers: Readonly<Record<string, string>>): Node {
  return Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [name, { description, schema: { type: 'string' } }]),
  )
}

function responses(endpoint: Endpoint, ref: (schema: z.ZodType) => Node): Node {
  const byStatus = new Map<number, Node>()
  for (const [status, answer] of Object.entries(endpoint.answers)) {
    const { description, body, mediaType = 'application/json', headers, example } = answer
    const content =
      body === undefined
        ? {}
        : { [mediaType]: { schema: ref(body), ...(example === undefined ? {} : { example }) } }
    byStatus.set(Number(status), {
      description,
      ...(headers === undefined ? {} : { headers: described(headers) }),
      ...(body === undefined ? {} : { content }),
    })
  }
  for (const type of endpoint.problems) {
    const { status, title } = PROBLEMS[type]
    const answer = byStatus.get(status) ?? { description: title }
    const content = (answer.content ?? {}) as Node
    const problem = (content['application/problem+json'] ?? { schema: ref(ProblemBody), examples: {} }) as {
      examples: Node
    }
    problem.examples[type] = problemExample(type)
    byStatus.set(status, { ...answer, content: { ...content, 'application/problem+json': problem } })
  }
  return Object.fromEntries([...byStatus].sort(([a], [b]) => a - b))
}

function requestBody(endpoint: Endpoint, ref: (schema: z.ZodType) => Node): Node {
  const { body } = endpoint
  if (body === undefined) return {}
  const json = { schema: ref(body.json), ...(body.example === undefined ? {} : { example: body.example }) }
  const lines = [...(body.lines ?? []), ...(body.texts ?? [])].map(
    (type) => [type, { schema: { type: 'string' } }] as const,
  )
  return {
    requestBody: {
      required: body.optional !== true,
      content: { 'application/json': json, ...Object.fromEntries(lines) },
    },
  }
}

/**
 * The document of `GET /openapi.json`.
 * @param version of the service, as it stands in `info.version`
 */
export function openapi(version: string): Node {
  const { schemas, ref } = describeSchemas()
  const paths: Record<string, Node> = {}
  for (const endpoint of allEndpoints) {
    const path = endpoint.path.replace(/:(\w+)/g, '{$1}')
    paths[path] = {
      ...paths[path],
      [endpoint.method.toLowerCase()]: {
        operationId: endpoint.id,
        tags: [endpoint.group],
        summary: endpoint.summary,
        ...(endpoint.description === '' ? {} : { description: endpoint.description }),
        parameters: [
          ...parameters('path', endpoint.params),
          ...parameters('query', endpoint.query),
          ...parameters('header', endpoint.headers),
        ],
        ...requestBody(endpoint, ref),
        responses: responses(endpoint, ref),
        security: security(endpoint.access),
      },
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Halyard',
      version,
      license: { name: 'MIT', identifier: 'MIT' },
      description:
        'Feature flags that on-call people trust. Errors are RFC 9457 problem details; management answers are never cached.',
    },
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    servers: [{ url: '/' }],
    tags: GROUPS.map((name) => ({ name })),
    paths,
    components: {
      schemas,
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'A key: hly_api_… for management, hly_srv_… or hly_pub_… for SDKs',
        },
        apiKey: {
          type: 'apiKey',
          in: 'header',
          name: 'X-API-Key',
          description: 'The same key, in a header of its own',
        },
      },
    },
  }
}
