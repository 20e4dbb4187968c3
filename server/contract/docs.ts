/**
 * The contract as a page for people: rendered here from the same data as everything else. It runs no script and
 * loads nothing.
 */
import { PROBLEMS } from '../domain/problem.ts'
import { DOCS_STYLE } from './docs-style.ts'
import { type Access, type Answer, type Endpoint, GROUPS } from './endpoint.ts'
import { escaped } from './html.ts'
import { allEndpoints } from './index.ts'
import { describeSchemas, type Node, parameters } from './openapi.ts'
import { PROBLEM_DOCS, PROBLEM_TYPES } from './problems.ts'

/** Prose of the contract: what stands in backticks is code. */
const prose = (text: string) => escaped(text).replace(/`([^`]+)`/g, '<code>$1</code>')
const anchor = (text: string) => text.replace(/[^A-Za-z0-9]+/g, '-').toLowerCase()
const json = (value: unknown) => `<pre>${escaped(JSON.stringify(value, null, 2))}</pre>`

/** A schema in a few words, with links to the documents that it names. */
function typeOf(schema: Node): string {
  const { $ref, type, items, anyOf, additionalProperties } = schema as {
    $ref?: string
    type?: string | string[]
    items?: Node
    anyOf?: Node[]
    additionalProperties?: Node | boolean
  }
  if ($ref !== undefined) {
    const name = $ref.split('/').at(-1) ?? ''
    return `<a href="#document-${anchor(name)}">${escaped(name)}</a>`
  }
  if (schema.const !== undefined) return escaped(JSON.stringify(schema.const))
  if (Array.isArray(schema.enum)) return schema.enum.map((one) => escaped(JSON.stringify(one))).join(' | ')
  if (anyOf !== undefined) return anyOf.map(typeOf).join(' | ')
  if (type === 'array') return `${typeOf(items ?? {})}[]`
  if (type === 'object' && typeof additionalProperties === 'object')
    return `{name: ${typeOf(additionalProperties)}}`
  return escaped(Array.isArray(type) ? type.join(' | ') : (type ?? 'any JSON'))
}

function row(name: string, schema: Node, required: boolean, description: unknown): string {
  const needed = required ? '<span class="needed">required</span>' : ''
  const about = typeof description === 'string' ? prose(description) : ''
  return `<tr><td><code>${escaped(name)}</code>${needed}</td><td class="type">${typeOf(schema)}</td><td>${about}</td></tr>`
}

function table(rows: readonly string[]): string {
  if (rows.length === 0) return ''
  return `<div class="scroll"><table><thead><tr><th>Name</th><th>Type</th><th>Meaning</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`
}

function fields(schema: Node): string {
  const {
    properties,
    required = [],
    anyOf,
  } = schema as {
    properties?: Record<string, Node>
    required?: string[]
    anyOf?: Node[]
  }
  if (properties === undefined) {
    return anyOf?.some((branch) => branch.properties !== undefined)
      ? `<p>One of:</p>${anyOf.map(fields).join('')}`
      : `<p class="type">${typeOf(schema)}</p>`
  }
  return table(
    Object.entries(properties).map(([name, property]) =>
      row(name, property, required.includes(name), property.description),
    ),
  )
}

function accessOf(access: Access): string {
  if (access.by === 'anyone') return 'No key needed.'
  if (access.by === 'stream-token' || access.by === 'kill-link') return 'Opened by the token in its address.'
  if (access.by === 'sdk') return `A ${access.keys.join(' or ')} key.`
  if (access.by === 'self') return `Any ${access.keys.join(' or ')} key, for itself.`
  const where = { service: 'the service', project: 'the project', environment: 'the environment' }[access.on]
  const roles = {
    read: 'viewer, editor or admin',
    'read-kills': 'viewer, editor, admin or killer',
    kill: 'killer, editor or admin',
    unkill: 'killer (of its own kills), editor or admin',
    edit: 'editor or admin',
    administer: 'admin',
  }
  const named = Object.entries(access.named ?? {}).map(
    ([field, power]) => `, and ${roles[power]} of the environment in <code>${escaped(field)}</code>`,
  )
  return `A management key: ${roles[access.to]} of ${where}${named.join('')}.`
}

function parameterTable(endpoint: Endpoint): string {
  const rows = [
    ...parameters('path', endpoint.params),
    ...parameters('query', endpoint.query),
    ...parameters('header', endpoint.headers),
  ].map(({ name, in: place, required, description, schema }) =>
    row(String(name), schema as Node, required === true, `${description ?? ''} (${String(place)})`.trim()),
  )
  return rows.length === 0 ? '' : `<h4>Parameters</h4>${table(rows)}`
}

function answerRow(
  [status, { description, body, mediaType, headers = {} }]: [string, Answer],
  ref: Ref,
): string {
  const type = body === undefined ? '' : mediaType === undefined ? typeOf(ref(body)) : escaped(mediaType)
  const said = Object.entries(headers).map(
    ([name, text]) => `<br><code>${escaped(name)}</code>: ${prose(text)}`,
  )
  return `<tr><td class="status">${status}</td><td class="type">${type}</td><td>${prose(description)}${said.join('')}</td></tr>`
}

type Ref = ReturnType<typeof describeSchemas>['ref']

function article(endpoint: Endpoint, ref: Ref): string {
  const { id, method, path, summary, description, body, answers, problems } = endpoint
  const bodyPart =
    body === undefined
      ? ''
      : `<h4>Body</h4><p class="type">${typeOf(ref(body.json))}${body.optional ? ', may be left out' : ''}${[...(body.lines ?? []), ...(body.texts ?? [])].map((type) => ` or ${escaped(type)}`).join('')}</p>${body.example === undefined ? '' : json(body.example)}`
  const answerRows = Object.entries(answers).map((answer) => answerRow(answer, ref))
  const links = [...new Set(problems)].map(
    (type) =>
      `<li><a href="#problem-${type}">${type}</a> <span class="status">${PROBLEMS[type].status}</span></li>`,
  )
  return `<article id="${anchor(id)}"><h3>${escaped(summary)}</h3>
<p class="route"><span class="method ${method}">${method}</span><code>${escaped(path.replace(/:(\w+)/g, '{$1}'))}</code></p>
<p class="access">${accessOf(endpoint.access)}</p>${description === '' ? '' : `<p>${prose(description)}</p>`}
${parameterTable(endpoint)}${bodyPart}
<h4>Answers</h4><div class="scroll"><table><tbody>${answerRows.join('')}</tbody></table></div>
<details><summary>Problems</summary><ul class="problems">${links.join('')}</ul></details></article>`
}

function documentArticle([name, schema]: [string, Node]): string {
  const about = typeof schema.description === 'string' ? `<p>${prose(schema.description)}</p>` : ''
  return `<article id="document-${anchor(name)}"><h3>${escaped(name)}</h3>${about}${fields(schema)}</article>`
}

function problemArticle(type: (typeof PROBLEM_TYPES)[number]): string {
  const { status, title } = PROBLEMS[type]
  return `<article id="problem-${type}"><h3>${escaped(title)}</h3><p><code>${type}</code> <span class="status">${status}</span></p><p>${prose(PROBLEM_DOCS[type])}</p></article>`
}

const EXAMPLE = `curl -s http://127.0.0.1:4000/api/v1/projects/default/flags \\
  -H "Authorization: Bearer $HALYARD_API_KEY" -H "Content-Type: application/json" \\
  -d '{"key": "checkout", "type": "boolean"}'`

/** The page of `GET /docs`. @param version of the service, as shown */
export function docsPage(version: string): string {
  const { schemas, ref } = describeSchemas()
  const grouped = GROUPS.map((group) => ({
    group,
    members: allEndpoints.filter((endpoint) => endpoint.group === group),
  }))
  const navigation = grouped
    .map(
      ({ group, members }) =>
        `<h2>${escaped(group)}</h2><ul>${members.map(({ id, summary }) => `<li><a href="#${anchor(id)}">${escaped(summary)}</a></li>`).join('')}</ul>`,
    )
    .join('')
  const sections = grouped
    .map(
      ({ group, members }) =>
        `<section id="group-${anchor(group)}"><h2>${escaped(group)}</h2>${members.map((member) => article(member, ref)).join('')}</section>`,
    )
    .join('')
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Halyard: the interface</title><style>${DOCS_STYLE}</style></head>
<body><a class="skip" href="#top">Skip to the text</a><div class="page">
<nav aria-label="Endpoints"><a class="name" href="#top">Halyard</a><span class="version">${escaped(version)}</span>
<h2>Start</h2><ul><li><a href="#top">How it works</a></li><li><a href="#documents">Documents</a></li><li><a href="#problems">Problems</a></li></ul>${navigation}</nav>
<main id="top"><h1>The interface of Halyard</h1>
<p class="lead">Everything that can be asked of the service, described once: the routes, their checks, <a href="/openapi.json">OpenAPI 3.1</a> and this page are made of the same data.</p>
<pre>${escaped(EXAMPLE)}</pre>
<ul>
<li>Send a key as <code>Authorization: Bearer …</code> or <code>X-API-Key</code>, never in an address.</li>
<li>Errors are <code>application/problem+json</code> (RFC 9457) with a <code>type</code> of the <a href="#problems">catalogue</a>; <code>errors</code> point into the body.</li>
<li>Reading a document answers an <code>ETag</code>; changing it needs that as <code>If-Match</code>, so that nobody’s change is overwritten unseen.</li>
<li>What a read shows can be put back: read-only fields are accepted and ignored. Unknown fields are refused.</li>
<li><code>?dryRun=true</code> on a write answers what would happen, and changes nothing. Every write answers <code>warnings</code>.</li>
<li>Say who calls, in <code>Halyard-App: name/version</code>: keys show which apps used them last.</li>
<li>Lists come in pages: give <code>cursor</code> back until it is null.</li>
</ul>
${sections}
<section id="documents"><h2>Documents</h2>${Object.entries(schemas).map(documentArticle).join('')}</section>
<section id="problems"><h2>Problems</h2>${PROBLEM_TYPES.map(problemArticle).join('')}</section>
</main></div></body></html>`
}
