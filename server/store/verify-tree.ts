/**
 * Whether the logs are those that their parents speak of: no log is without the document that made it, none is missing,
 * and none is open that was deleted, or the other way round.
 */
import { type LogId, SYSTEM } from '../domain/change.ts'
import type { Fault, Named } from './verify-log.ts'
import type { LogRow } from './verify-reads.ts'

export type Family = {
  /** Each version of each document, as it is met. */
  see(log: LogId, version: Named, text: string | null, current: boolean): void
  /** What does not agree, once everything was met. */
  faults(): Iterable<Fault & { readonly log: LogId }>
}

/** Documents that stand for a log: their key is its key, and their `id` its id. */
const PARENTAL: ReadonlySet<string> = new Set(['project', 'environment'])

type Naming = { readonly parent: LogId; readonly key: string; current: boolean }

export function familyOf(logs: readonly LogRow[]): Family {
  const named = new Map<LogId, Naming>()
  /** Logs some of whose documents are not there any more to be asked. */
  const forgetful = new Set<LogId>()
  return {
    see(log, { kind, key, digest }, text, current) {
      if (!PARENTAL.has(kind)) return
      const id = text === null ? undefined : idIn(text)
      if (id !== undefined) named.set(id, { parent: log, key, current })
      else if (digest !== null) forgetful.add(log)
    },
    *faults() {
      const byId = new Map(logs.map((log) => [log.id, log]))
      for (const [id, { parent, key }] of named) {
        if (!byId.has(id)) yield { log: parent, what: `the log of ${key} (${id}) is missing` }
      }
      for (const log of logs) {
        if (log.id === SYSTEM) continue
        const parent = log.parent === null ? undefined : byId.get(log.parent)
        const document = named.get(log.id)
        if (parent === undefined) yield { log: log.id, what: 'the log that it belongs to is missing' }
        else if (document !== undefined) yield* disagreements(log, parent, document)
        else if (!forgetful.has(parent.id)) yield { log: log.id, what: 'no document ever named this log' }
      }
    },
  }
}

function* disagreements(log: LogRow, parent: LogRow, document: Naming): Iterable<Fault & { log: LogId }> {
  const key = log.kind === 'project' ? log.project : log.environment
  if (document.parent !== parent.id || document.key !== key) {
    yield { log: log.id, what: `it is named ${key}, and the document that made it says ${document.key}` }
  }
  if (log.kind === 'environment' && log.project !== parent.project) {
    yield { log: log.id, what: `it is said to belong to ${log.project}, and belongs to ${parent.project}` }
  }
  const open = document.current && !parent.closed
  if (open === log.closed) {
    yield {
      log: log.id,
      what: open ? 'it is closed, and was never deleted' : 'it is open, and was deleted',
    }
  }
}

function idIn(text: string): LogId | undefined {
  try {
    const { id } = JSON.parse(text) as { readonly id?: unknown }
    return typeof id === 'string' ? id : undefined
  } catch {
    return undefined
  }
}
