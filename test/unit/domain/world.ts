/**
 * The logs as a store would keep them, in memory: runs edits and applies their changes. It holds every change to
 * what a store relies on: no entry that changes nothing, and no log without edits.
 */
import { emptyState, entryOf, type FlagConfig, type Members, type State } from '@halyard/sdk/core'
import { expect } from 'vitest'
import {
  type Actor,
  bootstrap,
  type Change,
  canonical,
  type Edit,
  type EntryEdit,
  type EnvironmentDocument,
  type Fault,
  flagOf,
  type Identity,
  identityOf,
  type LogId,
  type LogView,
  type Made,
  type Moment,
  Problem,
  type ProblemType,
  SYSTEM,
} from '../../../server/domain/index.ts'

export const NOW = Date.parse('2026-03-01T12:00:00Z')
const ANNA: Actor = { kind: 'api-key', id: 'anna', name: 'Anna' }
export const ANY = { ifMatch: '*' } as const

export class World {
  readonly logs = new Map<LogId, LogView>()
  now = NOW
  comment: string | undefined
  private minted = 0

  constructor() {
    this.logs.set(SYSTEM, {
      id: SYSTEM,
      kind: 'system',
      parent: null,
      state: emptyState('', '', 1),
      bytes: 0,
    })
  }

  /** A world as after the first start. */
  static started(): World {
    const world = new World()
    world.commit(bootstrap())
    return world
  }

  readonly mint = (): string => {
    this.minted += 1
    return `m${String(this.minted).padStart(19, '0')}`
  }

  /** Runs an edit without applying it. */
  run<R>(edit: Edit<R>, locked: readonly LogId[] = [...this.logs.keys()]): Change<R> {
    const logs = new Map([...this.logs].filter(([id]) => locked.includes(id)))
    const change = edit(logs, this.moment)
    for (const [id, edits] of change.edits) {
      expect(edits.length, `${change.action}: a log without edits`).toBeGreaterThan(0)
      for (const { kind, key, definition } of edits) {
        const current = entryOf(this.view(id).state, kind, key)?.definition ?? null
        expect(canonical(definition), `${change.action}: ${kind}/${key} changes nothing`).not.toBe(
          canonical(current),
        )
      }
    }
    return change
  }

  private get moment(): Moment {
    return { now: this.now, actor: ANNA, comment: this.comment, mint: this.mint }
  }

  /** The answer to an edit that was made before, on the logs as they are, when it wrote `made`. */
  again<R>(edit: Edit<R>, made: Change<unknown>): R {
    const wrote: Made['wrote'] = (log, kind, key) =>
      made.edits.get(log)?.some((one) => one.kind === kind && one.key === key) === true
    return edit(this.logs, { ...this.moment, again: { wrote } }).result
  }

  commit<R>(edit: Edit<R>, locked?: readonly LogId[]): Change<R> {
    const change = this.run(edit, locked)
    for (const [id, edits] of change.edits) this.apply(id, edits)
    for (const { id, kind, parent, project, environment, entries } of change.opens ?? []) {
      this.logs.set(id, { id, kind, parent, state: emptyState(project, environment, 1), bytes: 0 })
      this.apply(id, entries)
    }
    for (const id of change.closes ?? []) this.logs.delete(id)
    for (const [id, epoch] of change.epochs ?? []) {
      const view = this.view(id)
      expect(epoch, `${change.action}: an epoch that is not higher`).toBeGreaterThan(view.state.epoch)
      this.logs.set(id, { ...view, state: { ...view.state, epoch } })
    }
    return change
  }

  /** Writes entries past every check, as by SQL. */
  apply(id: LogId, edits: readonly EntryEdit[]): void {
    const view = this.view(id)
    const revision = view.state.revision + 1
    const entries = new Map([...view.state.entries].map(([kind, map]) => [kind, new Map(map)]))
    for (const { kind, key, definition } of edits) {
      const ofKind = entries.get(kind) ?? new Map()
      if (definition === null) ofKind.delete(key)
      else ofKind.set(key, { revision, definition })
      entries.set(kind, ofKind)
    }
    const state: State = { ...view.state, revision, entries }
    this.logs.set(id, { ...view, state, bytes: bytesOf(state) })
  }

  /** Pretends that a log holds so many bytes. */
  fill(id: LogId, bytes: number): void {
    this.logs.set(id, { ...this.view(id), bytes })
  }

  view(id: LogId): LogView {
    return this.logs.get(id)!
  }
  state(id: LogId): State {
    return this.view(id).state
  }
  get project(): LogId {
    return [...this.logs.values()].find(({ kind }) => kind === 'project')!.id
  }
  environment(key = 'production'): LogId {
    const entry = entryOf(this.state(this.project), 'environment', key)
    return (entry!.definition as unknown as EnvironmentDocument).id
  }
  flag(key: string, environment = 'production'): FlagConfig {
    return flagOf(this.state(this.environment(environment)), key)!
  }
  identity(key: string): Identity | undefined {
    return identityOf(this.state(this.project), key)
  }
  etag(id: LogId, kind: string, key: string): string {
    return `"1-${entryOf(this.state(id), kind, key)?.revision}"`
  }
  members(segment: string, environment = 'production'): { included: string[]; excluded: string[] } {
    const all = { included: [] as string[], excluded: [] as string[] }
    for (const [key, { definition }] of this.state(this.environment(environment)).entries.get('members') ??
      []) {
      if (!key.startsWith(`${segment}/`)) continue
      const { included, excluded } = definition as unknown as Members
      all.included.push(...included)
      all.excluded.push(...excluded)
    }
    return { included: all.included.sort(), excluded: all.excluded.sort() }
  }
}

function bytesOf(state: State): number {
  let bytes = 0
  for (const ofKind of state.entries.values()) {
    for (const { definition } of ofKind.values()) bytes += Buffer.byteLength(canonical(definition))
  }
  return bytes
}

/** The Problem that something throws; fails where it throws none. */
export function problemOf(action: () => unknown): Problem {
  try {
    action()
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
  throw new Error('No problem was thrown.')
}

/** The faults of a refusal of that type, as `pointer: message`. */
export function faultsOf(action: () => unknown, type: ProblemType = 'invalid-document'): string[] {
  const problem = problemOf(action)
  expect(problem.type).toBe(type)
  return (problem.details.errors ?? []).map(({ pointer, message }: Fault) => `${pointer}: ${message}`)
}

/** The pointers alone. */
export function pointersOf(action: () => unknown, type: ProblemType = 'invalid-document'): string[] {
  const problem = problemOf(action)
  expect(problem.type).toBe(type)
  return (problem.details.errors ?? []).map(({ pointer }) => pointer)
}
