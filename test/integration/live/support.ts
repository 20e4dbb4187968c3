/**
 * What the live room's integration tests share: a real store, edits of it in one line, and a bus of notices between
 * instances that loses, delays and reorders as the test decides.
 */
import { randomBytes } from 'node:crypto'
import type { Json } from '@halyard/sdk/core'
import type { Actor, Change, LogId, Opening } from '../../../server/domain/change.ts'
import { SYSTEM } from '../../../server/domain/change.ts'
import { digestOfKey, mintKey } from '../../../server/domain/keys.ts'
import { minter } from '../../../server/domain/mint.ts'
import { Problem } from '../../../server/domain/problem.ts'
import type { Log } from '../../../server/live/conditions.ts'
import { createLive, type LiveDeps } from '../../../server/live/create.ts'
import type { Live } from '../../../server/live/live.ts'
import { openEmbedded } from '../../../server/store/embedded.ts'
import type { CommitRequest, Committed, Store } from '../../../server/store/store.ts'
import { preparedEmbedded, temporaryFolder } from '../../support/postgres-embedded.ts'
import { boolean } from '../../unit/live/support.ts'

export const ACTOR: Actor = { kind: 'system', id: 'test', name: 'test' }

type Committer = { commit<R>(request: Omit<CommitRequest<R>, 'known'>): Promise<Committed<R>> }
type Edits = Readonly<Record<string, Json>>

const listed = (edits: Edits) =>
  Object.entries(edits).map(([name, definition]) => {
    const kind = name.slice(0, name.indexOf('/'))
    return { kind, key: name.slice(kind.length + 1), definition }
  })

/** Writes documents of one log; names are `kind/key`, null removes. */
export function put(at: Committer, log: LogId, edits: Edits, dryRun = false): Promise<Committed<undefined>> {
  return at.commit({
    scope: { path: [log] },
    actor: ACTOR,
    dryRun,
    edit: (): Change<undefined> => ({
      action: 'test.put',
      edits: new Map([[log, listed(edits)]]),
      warnings: [],
      result: undefined,
    }),
  })
}

let count = 0

/** A project with one environment, `shop<n>/production`. */
export async function openProject(
  at: Committer,
): Promise<{ project: LogId; environment: LogId; key: string }> {
  const n = `${process.pid}x${count++}`
  const [project, environment, key] = [`prj_${n}`, `env_${n}`, `shop${n}`]
  await at.commit({
    scope: { path: [SYSTEM] },
    actor: ACTOR,
    edit: (): Change<undefined> => ({
      action: 'test.open',
      edits: new Map([[SYSTEM, listed({ [`project/${key}`]: { id: project, key, name: key } })]]),
      opens: [
        opening(project, 'project', SYSTEM, key, '', {
          'environment/production': { id: environment, key: 'production', name: 'Production', settings: {} },
        }),
        opening(environment, 'environment', project, key, 'production', {}),
      ],
      warnings: [],
      result: undefined,
    }),
  })
  return { project, environment, key }
}

function opening(
  id: LogId,
  kind: 'project' | 'environment',
  parent: LogId,
  project: string,
  environment: string,
  edits: Edits,
): Opening {
  return { id, kind, parent, project, environment, entries: listed(edits) }
}

/** Closes an environment, as its deletion does. */
export function closeEnvironment(
  at: Committer,
  project: LogId,
  environment: LogId,
): Promise<Committed<undefined>> {
  return at.commit({
    scope: { path: [project, environment] },
    actor: ACTOR,
    edit: (): Change<undefined> => ({
      action: 'test.close',
      edits: new Map([[project, listed({ 'environment/production': null })]]),
      closes: [environment],
      warnings: [],
      result: undefined,
    }),
  })
}

/** A key's text, and the document that makes it known. */
export function keyFor(environment: LogId, id: string, kind: 'server' | 'client' = 'server') {
  const text = mintKey(kind, new Uint8Array(32).fill(id.length), id)
  const document = {
    id,
    kind,
    environment,
    name: id,
    digest: digestOfKey(text),
    createdAt: '2027-01-01T00:00:00Z',
  }
  return { text, document }
}

export const silent: Log = { info: () => {}, warn: () => {}, error: () => {} }

export function openLive(store: Store, over: Partial<LiveDeps> = {}): Live {
  return createLive({
    store,
    clock: { now: () => Date.now() },
    random: Math.random,
    secret: Buffer.alloc(32, 1),
    killLinkSecret: Buffer.alloc(32, 2),
    snapshots: { shelves: [], key: Buffer.alloc(32, 2) },
    self: { id: 'this', version: '0.0.0' },
    killing: {
      journal: { put: async () => {}, all: async () => [], remove: async () => {} },
      spreads: [],
      keys: { journal: Buffer.alloc(32, 3), peers: Buffer.alloc(32, 4) },
      mint: minter(randomBytes),
    },
    log: silent,
    limits: { maxStreams: 100 },
    pollMs: 20,
    ...over,
  })
}

/** A store on a new embedded database. */
export async function embeddedStore(): Promise<{ store: Store; close(): Promise<void> }> {
  const folder = temporaryFolder()
  const store = await openEmbedded({ dir: folder.dir, prepared: await preparedEmbedded() })
  return {
    store,
    async close() {
      await store.close()
      folder.remove()
    },
  }
}

/** The same with a project whose environment has the flag `a`, and the key `k1` of that environment. */
export async function storeWithFlag() {
  const { store, close } = await embeddedStore()
  const { environment, project } = await openProject(store)
  const key = keyFor(environment, 'k1')
  await put(store, environment, { 'flag/a': boolean() })
  await put(store, project, { 'sdk-key/k1': key.document })
  return { store, close, environment, project, key }
}

/** The real store behind a switch: while it is off, every call fails as with a database that is away. */
export function switched(store: Store) {
  const faults: { all: boolean; only: ((call: string, log: unknown) => boolean) | undefined } = {
    all: false,
    only: undefined,
  }
  const guard =
    <A extends unknown[], T>(name: string, call: (...args: A) => Promise<T>) =>
    async (...args: A): Promise<T> => {
      const logs = Array.isArray(args[0]) ? args[0] : [args[0]]
      if (faults.all || logs.some((log) => faults.only?.(name, log)))
        throw new Problem('unavailable', 'The database is away.')
      return call(...args)
    }
  const guarded: Store = {
    ...store,
    commit: store.commit,
    heads: guard('heads', store.heads),
    load: guard('load', store.load),
    newer: guard('newer', store.newer),
    listen: guard('listen', store.listen),
    ping: guard('ping', store.ping),
  }
  return { faults, store: guarded }
}
