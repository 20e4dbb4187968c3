/**
 * Members as lines, CSV (RFC 4180) or NDJSON, read as they arrive: a line that can't be used is noted with its
 * number and left out. Holds one line of text at a time, and the units.
 */
import { StringDecoder } from 'node:string_decoder'
import { LIMITS, unitOf } from '@halyard/sdk/core'
import { isText } from '../domain/json-text.ts'
import { Problem } from '../domain/problem.ts'
import type { Lines } from './call.ts'
import { UNFIT_TEXT } from './json-body.ts'

export type MemberLines = {
  readonly included: readonly string[]
  readonly excluded: readonly string[]
  readonly invalid: readonly { readonly line: number; readonly message: string }[]
  readonly invalidCount: number
  /** A problem whose pointers lead into the lists, with the numbers of the lines instead. */
  readonly inLines: (problem: Problem) => Problem
}

type Read = { readonly unit: string; readonly list: 'included' | 'excluded' } | { readonly message: string }

const MOST_BYTES = 128 * 1024 * 1024
const MOST_LINE = 8_192
const MOST_INVALID = 1_000

/** @throws Problem `too-large` for more lines than a segment can have members, or more bytes than they need */
export async function readMembers({ mediaType, bytes }: Lines): Promise<MemberLines> {
  const lists = { included: [] as string[], excluded: [] as string[] }
  const lineOf = { included: [] as number[], excluded: [] as number[] }
  const invalid: { line: number; message: string }[] = []
  let invalidCount = 0
  let line = 0
  const read = mediaType === 'text/csv' ? readCsv : readNdjson

  for await (const text of linesOf(bytes)) {
    line++
    const trimmed = line === 1 ? text.replace(/^\ufeff/, '') : text
    if (trimmed.trim() === '' || (line === 1 && read === readCsv && isHeading(trimmed))) continue
    const found = text.length > MOST_LINE ? { message: 'The line is too long.' } : read(trimmed)
    if ('unit' in found) {
      lists[found.list].push(found.unit)
      lineOf[found.list].push(line)
      if (lists.included.length + lists.excluded.length > LIMITS.members) {
        throw new Problem('too-large', `A segment has at most ${LIMITS.members} members.`)
      }
    } else if (++invalidCount <= MOST_INVALID) {
      invalid.push({ line, message: found.message })
    }
  }
  return { ...lists, invalid, invalidCount, inLines: (problem) => withLines(problem, lineOf) }
}

function withLines(
  problem: Problem,
  lineOf: Readonly<Record<'included' | 'excluded', readonly number[]>>,
): Problem {
  const { errors } = problem.details
  if (errors === undefined) return problem
  const named = errors.map((fault) => {
    const [, list, at] = /^\/(included|excluded)(?:\/add)?\/(\d+)$/.exec(fault.pointer) ?? []
    const line = list === undefined ? undefined : lineOf[list as 'included' | 'excluded'][Number(at)]
    return line === undefined ? fault : { pointer: '', message: `Line ${line}: ${fault.message}` }
  })
  return new Problem(problem.type, problem.message, { ...problem.details, errors: named })
}

/** The lines of a body. Of one that is too long, its beginning. */
async function* linesOf(bytes: AsyncIterable<Buffer>): AsyncIterable<string> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  let total = 0
  for await (const chunk of bytes) {
    total += chunk.length
    if (total > MOST_BYTES) throw new Problem('too-large', `The lines are more than ${MOST_BYTES} bytes.`)
    const parts = (rest + decoder.write(chunk)).split('\n')
    rest = (parts.pop() ?? '').slice(0, MOST_LINE + 2)
    for (const part of parts) yield part.endsWith('\r') ? part.slice(0, -1) : part
  }
  rest += decoder.end()
  if (rest !== '') yield rest.endsWith('\r') ? rest.slice(0, -1) : rest
}

const FIELD = /^\s*(?:"((?:[^"]|"")*)"|([^",]*))\s*(?:,|$)/

function isHeading(text: string): boolean {
  return /^\s*"?(unit|targetingKey)"?\s*(,\s*"?list"?\s*)?$/i.test(text)
}

function readCsv(text: string): Read {
  const first = FIELD.exec(text)
  if (first === null) return { message: 'This is not CSV: check its quotes.' }
  const rest = text.slice(first[0].length)
  const second = rest === '' ? undefined : FIELD.exec(rest)
  if (second === null || (second !== undefined && second[0].length < rest.length)) {
    return { message: 'A line is a unit, and at most included or excluded.' }
  }
  return member(fieldOf(first), second === undefined ? 'included' : fieldOf(second) || 'included')
}

function fieldOf([, quoted, plain]: RegExpExecArray): string {
  return quoted === undefined ? (plain ?? '').trim() : quoted.replaceAll('""', '"')
}

function readNdjson(text: string): Read {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { message: 'This is not JSON.' }
  }
  if (typeof value !== 'object' || value === null) return member(value, 'included')
  const { unit, list = 'included', ...others } = value as Record<string, unknown>
  const [other] = Object.keys(others)
  if (other !== undefined)
    return { message: `There is no field ${JSON.stringify(other.slice(0, 64))}: send unit and list.` }
  return member(unit, list)
}

function member(value: unknown, list: unknown): Read {
  const unit = unitOf(value)
  if (unit === undefined) return { message: 'A unit is a text that is not empty, or a number.' }
  if (!isText(unit)) return { message: UNFIT_TEXT }
  if (list !== 'included' && list !== 'excluded') return { message: 'The list is included or excluded.' }
  return { unit, list }
}
