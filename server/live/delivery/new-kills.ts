/** Which kills a state brings: pure. */
import type { Delta, State } from '@halyard/sdk/core'
import { isObject } from '../../domain/reading.ts'
import type { Position } from './roster.ts'

export type NewKill = {
  readonly id: string
  /** Epoch milliseconds. */
  readonly acceptedAt: number
  readonly at: Position | undefined
}

/**
 * Kills that the state has and the one before it had not, those without a revision among them; of each sort in the
 * order of their flags' keys, as whoever killed several names them.
 */
export function newKills(
  after: State,
  before: State | undefined,
  delta: Delta | undefined,
): readonly NewKill[] {
  // What a start finds was killed long ago.
  if (before === undefined) return []
  const at = { epoch: after.epoch, revision: after.revision }
  const logged: (readonly [flag: string, definition: unknown])[] =
    delta === undefined
      ? [...(after.entries.get('kill') ?? [])].flatMap(([flag, { definition }]) =>
          isSame(before.entries.get('kill')?.get(flag)?.definition, definition) ? [] : [[flag, definition]],
        )
      : delta.entries.flatMap(({ kind, key, definition }) => (kind === 'kill' ? [[key, definition]] : []))
  const known = new Set([...before.pending.values()].flat().map(({ id }) => id))
  const pending = after.pending === before.pending ? [] : [...after.pending]
  const late = pending.map(([flag, kills]) => [flag, kills.filter(({ id }) => !known.has(id))] as const)
  return [
    ...byFlag(logged)
      .flatMap(killsIn)
      .map((kill) => ({ ...kill, at })),
    ...byFlag(late)
      .flat()
      .flatMap(killsIn)
      .map((kill) => ({ ...kill, at: undefined })),
  ]
}

const byFlag = <T>(all: readonly (readonly [flag: string, of: T])[]): readonly T[] =>
  all.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one)

const isSame = (one: unknown, other: unknown): boolean =>
  killsIn(one)[0]?.id === killsIn(other)[0]?.id && killsIn(one).length === killsIn(other).length

/** A kill, and those that it took up. */
function killsIn(definition: unknown): readonly { readonly id: string; readonly acceptedAt: number }[] {
  if (!isObject(definition) || typeof definition.id !== 'string') return []
  const also: readonly unknown[] = Array.isArray(definition.also) ? definition.also : []
  return [{ id: definition.id, acceptedAt: Date.parse(String(definition.at)) }, ...also.flatMap(killsIn)]
}
