/**
 * What the tests of the live room share: states made of documents, held environments, and the far end of a stream.
 */
import {
  advance,
  apply,
  type Compiled,
  compile,
  diff,
  emptyState,
  entryDigest,
  type Json,
  type State,
} from '@halyard/sdk/core'
import type { HeldEnvironment } from '../../../server/live/held-log.ts'
import type { Sink } from '../../../server/live/live.ts'
import { plainFlag } from '../../support/plain-flag.ts'

export const EPOCH = 1_700_000_000

type Edits = Readonly<Record<string, Json>>

/** The state after an edit; names are `kind/key`, null removes. */
export function edited(state: State, edits: Edits): State {
  const entries = new Map([...state.entries].map(([kind, ofKind]) => [kind, new Map(ofKind)]))
  const revision = state.revision + 1
  for (const [name, definition] of Object.entries(edits)) {
    const kind = name.slice(0, name.indexOf('/'))
    const key = name.slice(kind.length + 1)
    const ofKind = entries.get(kind) ?? new Map()
    if (definition === null) ofKind.delete(key)
    else ofKind.set(key, { revision, definition })
    if (ofKind.size > 0) entries.set(kind, ofKind)
    else entries.delete(kind)
  }
  const next = { ...state, revision, entries }
  return { ...next, digest: digestOf(next) }
}

function digestOf(state: State): number {
  let sum = 0
  for (const [kind, ofKind] of state.entries) {
    for (const [key, { revision }] of ofKind) sum = (sum + entryDigest(kind, key, revision)) % 2 ** 32
  }
  return sum
}

export const started = (edits: Edits = {}): State => edited(emptyState('shop', 'production', EPOCH), edits)

export function heldEnvironment(state: State, compiled: Compiled = compile(state), at = 0): HeldEnvironment {
  const { epoch, revision } = state
  return {
    id: 'env_1',
    head: { log: 'env_1', kind: 'environment', parent: 'prj_1', epoch, revision },
    state,
    compiled,
    provenance: new Map([[revision, { at, by: { kind: 'system', id: 'halyard', name: 'halyard' } }]]),
    source: 'database',
  }
}

/** The next held environment, as the hub would make it, with the delta that led there. */
export function moved(before: HeldEnvironment, edits: Edits, at = 0) {
  const delta = diff(before.state, edited(before.state, edits))
  const state = apply(before.state, delta)
  if ('refused' in state) throw new Error(`the test's own delta was refused: ${state.refused}`)
  return { after: heldEnvironment(state, advance(before.compiled, state, delta), at), delta }
}

export type Event = {
  readonly event: string
  readonly id: string
  readonly data: string
  readonly retry: string
}

/** A peer that reads, or does not; what it got is kept as text and as the very buffers. */
export class Peer implements Sink {
  readonly frames: Buffer[] = []
  reads = true
  ended: false | 'gracefully' | 'abruptly' = false
  #unread = 0
  #drained: (() => void)[] = []

  write(frame: Buffer): boolean {
    if (this.ended) throw new Error('write after end')
    this.frames.push(frame)
    if (!this.reads) this.#unread += frame.length
    return this.reads
  }
  onDrain(callback: () => void): void {
    this.#drained.push(callback)
  }
  pendingBytes = (): number => this.#unread
  end(discard?: boolean): void {
    this.ended = discard ? 'abruptly' : 'gracefully'
  }

  /** Takes everything, and says so unless told to keep silent. */
  drain(silently = false): void {
    this.reads = true
    this.#unread = 0
    if (!silently) for (const callback of this.#drained) callback()
  }

  get drainHandlers(): number {
    return this.#drained.length
  }

  get events(): Event[] {
    return Buffer.concat(this.frames)
      .toString()
      .split('\n\n')
      .filter((text) => text !== '')
      .map((text) => {
        const fields = new Map(
          text.split('\n').map((line) => {
            const colon = line.indexOf(':')
            return [line.slice(0, colon), line.slice(colon + 1).trim()]
          }),
        )
        return {
          event: fields.get('event') ?? '',
          id: fields.get('id') ?? '',
          data: fields.get('data') ?? '',
          retry: fields.get('retry') ?? '',
        }
      })
  }

  get names(): string[] {
    return this.events.map(({ event }) => event)
  }
}

/** A clock that stands until it is moved. */
export class Clock {
  time: number
  constructor(time = 1_800_000_000_000) {
    this.time = time
  }
  now = (): number => this.time
}

/** Until everything that was put off to the next turns of the event loop is done. */
export async function settled(turns = 8): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
}

export const boolean = (over: Readonly<Record<string, Json>> = {}): Json =>
  plainFlag({ fallthrough: { variant: 'on' }, ...over }) as unknown as Json
