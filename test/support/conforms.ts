/** Holds an answer against what the contract says of its endpoint: status, body, and which problems may appear. */
import {
  allEndpoints,
  type Endpoint,
  PROBLEM_TYPES,
  ProblemBody,
  problemUri,
} from '../../server/contract/index.ts'

const PATTERNS = allEndpoints.map((endpoint) => ({
  endpoint,
  pattern: new RegExp(`^${endpoint.path.replaceAll('.', '\\.').replace(/:\w+/g, '[^/]+')}$`),
}))

/** The endpoint that a request is for. */
function endpointOf(method: string, url: string): Endpoint | undefined {
  const path = url.split('?', 1)[0] ?? ''
  return PATTERNS.find(({ endpoint, pattern }) => endpoint.method === method && pattern.test(path))?.endpoint
}

/** What the contract does not say of this answer; empty where all is as described. */
export function contradictions(
  method: string,
  url: string,
  status: number,
  contentType: string,
  body: unknown,
): readonly string[] {
  const endpoint = endpointOf(method, url)
  if (contentType.startsWith('application/problem+json')) return problemContradictions(endpoint, status, body)
  if (endpoint === undefined) return []
  const answer = endpoint.answers[status]
  if (answer === undefined) return [`the status ${status} is not described`]
  if (answer.body === undefined || answer.mediaType !== undefined) return []
  const parsed = answer.body.safeParse(body)
  return parsed.success ? [] : [`the body is another one: ${parsed.error.message}`]
}

function problemContradictions(
  endpoint: Endpoint | undefined,
  status: number,
  body: unknown,
): readonly string[] {
  const parsed = ProblemBody.safeParse(body)
  if (!parsed.success) return [`this is no problem as described: ${parsed.error.message}`]
  const { type } = parsed.data
  const known = PROBLEM_TYPES.find((one) => problemUri(one) === type)
  if (known === undefined) return [`the catalogue has no ${type}`]
  if (parsed.data.status !== status) return [`the body says ${parsed.data.status}`]
  if (endpoint !== undefined && !endpoint.problems.includes(known)) {
    return [`${endpoint.id} does not declare ${known}`]
  }
  return []
}
