/**
 * Flags as code, read: YAML or JSON, its frame checked with lines and columns. What a configuration may say is the
 * server's to judge; `placeOf` finds the place again of what it refuses.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Document, isNode, LineCounter, type Node, parseDocument } from 'yaml'
import { type Edge, EXIT, Refusal } from '../command.ts'
import { nearest } from '../nearest.ts'
import { FLAG_TYPES, type FlagType, type Json } from '../shapes.ts'

export type Fields = { readonly [name: string]: Json }
/** A flag's identity: all of it; what is left out is the default. */
export type FlagInFile = {
  readonly type: FlagType
  readonly description?: string
  readonly tags?: readonly string[]
  readonly owner?: string | null
  readonly temporary?: boolean
  readonly expiresAt?: string | null
}
export type EnvironmentInFile = {
  readonly flags: ReadonlyMap<string, Fields>
  /** undefined: nothing is said of segments, and none is pruned. */
  readonly segments: ReadonlyMap<string, Fields> | undefined
}
export type Path = readonly (string | number)[]
export type CodeFile = {
  readonly project: string | undefined
  /** undefined: nothing is said of identities. */
  readonly flags: ReadonlyMap<string, FlagInFile> | undefined
  readonly environments: ReadonlyMap<string, EnvironmentInFile>
  /** `flags.yaml:12:5`, of the nearest place that is there. */
  readonly placeOf: (path: Path) => string
}

const IDENTITY_FIELDS = ['type', 'description', 'tags', 'owner', 'temporary', 'expiresAt'] as const

export function readCode(edge: Pick<Edge, 'folder'>, name: string): CodeFile {
  let text: string
  try {
    text = readFileSync(resolve(edge.folder, name), 'utf8')
  } catch (error) {
    throw new Refusal(`${name} cannot be read: ${(error as Error).message}.`, EXIT.usage)
  }
  return parseCode(text, name)
}

/** @throws Refusal with every fault of the frame, each with its place */
export function parseCode(text: string, name: string): CodeFile {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const placeOf = (path: Path): string => {
    const { line, col } = lines.linePos(offsetOf(document, path))
    return `${name}:${line}:${col}`
  }
  if (document.errors.length > 0) {
    const said = document.errors.map(({ message, pos: [start] }) => {
      const { line, col } = lines.linePos(start)
      return `${name}:${line}:${col}: ${message}`
    })
    throw new Refusal(said.join('\n'))
  }
  const faults: string[] = []
  const fault = (path: Path, message: string): void => void faults.push(`${placeOf(path)}: ${message}`)
  let content: unknown
  try {
    content = document.toJS() ?? {}
  } catch (error) {
    throw new Refusal(`${name}: ${(error as Error).message}`)
  }
  refuseWhatIsNoJson(content, [], fault)
  const file = framed(content, fault)
  if (faults.length > 0) throw new Refusal(faults.join('\n'))
  return { ...file, placeOf }
}

function offsetOf(document: Document, path: Path): number {
  for (let length = path.length; length > 0; length -= 1) {
    const inner = path.slice(0, length)
    const parent: unknown = document.getIn(inner.slice(0, -1), true)
    const key = keyNode(parent, inner.at(-1))
    if (key !== undefined) return key.range?.[0] ?? 0
    const node: unknown = document.getIn(inner, true)
    if (isNode(node)) return node.range?.[0] ?? 0
  }
  return document.contents?.range?.[0] ?? 0
}

/** The key of a map is a better place than its value, which may begin lines later. */
function keyNode(parent: unknown, name: string | number | undefined): Node | undefined {
  const items: unknown = (parent as { items?: unknown } | undefined)?.items
  if (!Array.isArray(items)) return undefined
  for (const item of items) {
    const key: unknown = (item as { key?: unknown } | null)?.key
    if (isNode(key) && (key as { value?: unknown }).value === name) return key
  }
  return undefined
}

type Fault = (path: Path, message: string) => void

function refuseWhatIsNoJson(value: unknown, path: Path, fault: Fault): void {
  if (typeof value === 'number' && !Number.isFinite(value)) fault(path, 'JSON has no such number.')
  else if (Array.isArray(value)) {
    for (const [at, item] of value.entries()) refuseWhatIsNoJson(item, [...path, at], fault)
  } else if (typeof value === 'object' && value !== null) {
    if (Object.getPrototypeOf(value) !== Object.prototype) fault(path, 'This is no plain value.')
    for (const [name, inner] of Object.entries(value)) refuseWhatIsNoJson(inner, [...path, name], fault)
  }
}

function framed(content: unknown, fault: Fault): Omit<CodeFile, 'placeOf'> {
  const top = fieldsOf(content, [], fault, ['project', 'flags', 'environments'])
  const { project } = top
  if (project !== undefined && typeof project !== 'string')
    fault(['project'], 'The key of a project is expected.')
  const identities = top.flags === undefined ? undefined : mapOf(top.flags, ['flags'], fault, identityOf)
  const environments = mapOf(top.environments ?? {}, ['environments'], fault, environmentOf)
  return { project: typeof project === 'string' ? project : undefined, flags: identities, environments }
}

function environmentOf(value: unknown, path: Path, fault: Fault): EnvironmentInFile {
  const { flags, segments } = fieldsOf(value, path, fault, ['segments', 'flags'])
  const definition = (inner: unknown, at: Path) => fieldsOf(inner, at, fault)
  return {
    flags: mapOf(flags ?? {}, [...path, 'flags'], fault, definition),
    segments: segments === undefined ? undefined : mapOf(segments, [...path, 'segments'], fault, definition),
  }
}

function identityOf(value: unknown, path: Path, fault: Fault): FlagInFile {
  const fields = fieldsOf(value, path, fault, IDENTITY_FIELDS)
  if (!FLAG_TYPES.some((type) => type === fields.type)) {
    fault('type' in fields ? [...path, 'type'] : path, `A flag has a type: ${FLAG_TYPES.join(', ')}.`)
  }
  return fields as FlagInFile
}

function mapOf<T>(
  value: unknown,
  path: Path,
  fault: Fault,
  read: (value: unknown, path: Path, fault: Fault) => T,
): ReadonlyMap<string, T> {
  const fields = fieldsOf(value, path, fault)
  return new Map(Object.entries(fields).map(([key, inner]) => [key, read(inner, [...path, key], fault)]))
}

/** @param known without them any field may stand here. An empty place, as YAML has it, holds no field */
function fieldsOf(value: unknown, path: Path, fault: Fault, known?: readonly string[]): Fields {
  if (value === null || value === undefined) return {}
  if (typeof value !== 'object' || Array.isArray(value)) {
    fault(path, 'Fields are expected here, each with its name.')
    return {}
  }
  for (const name of Object.keys(value)) {
    if (known === undefined || known.includes(name)) continue
    const meant = nearest(name, known)
    fault(
      [...path, name],
      `There is no field ${JSON.stringify(name)} here: there are ${known.join(', ')}.${meant === undefined ? '' : ` Did you mean ${meant}?`}`,
    )
  }
  return value as Fields
}
