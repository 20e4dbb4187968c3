import { emptyState, type Json, type State } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { createDirectory } from '../../../server/live/directory.ts'
import type { HeldLog } from '../../../server/live/held-log.ts'
import { EPOCH, edited } from './support.ts'

type Edits = Readonly<Record<string, Json>>
const NOTHING = emptyState('shop', '', EPOCH)

function held(log: string, kind: 'system' | 'project', state: State): [string, HeldLog] {
  const { epoch, revision } = state
  const head = { log, kind, parent: null, epoch, revision }
  return [log, { id: log, head, state, compiled: undefined, provenance: new Map(), source: 'database' }]
}

function logsOf(system: Edits, projects: Readonly<Record<string, Edits>>) {
  return new Map([
    held('system', 'system', edited(NOTHING, system)),
    ...Object.entries(projects).map(([id, edits]) => held(id, 'project', edited(NOTHING, edits))),
  ])
}

const settings = { corsOrigins: ['http://localhost:3000'], requireComment: false, confirmBulk: true }
const environment = { id: 'env_1', key: 'production', name: 'Production', settings }
const key = { id: 'k1', kind: 'server', environment: 'env_1', name: 'backend', digest: 'd1', createdAt: 'x' }
const shop = { id: 'prj_1', key: 'shop', name: 'Shop' }

describe('the directory', () => {
  it('knows projects, environments and keys as the logs name them', () => {
    const grants = [{ role: 'viewer' }]
    const directory = createDirectory(() =>
      logsOf(
        {
          'project/shop': shop,
          'api-key/m1': { id: 'm1', name: 'ci', digest: 'd2', grants, createdAt: 'x' },
        },
        { prj_1: { 'environment/production': environment, 'sdk-key/k1': key } },
      ),
    ).current()
    expect(directory.projects).toEqual([shop])
    expect(directory.environment('shop', 'production')).toEqual({ ...environment, project: shop })
    expect(directory.environmentById('env_1')?.key).toBe('production')
    expect(directory.environments('prj_1')).toHaveLength(1)
    expect(directory.key('k1')).toMatchObject({
      kind: 'server',
      digest: 'd1',
      principal: { name: 'backend' },
    })
    expect(directory.key('m1')?.principal).toEqual({ kind: 'management', keyId: 'm1', name: 'ci', grants })
  })

  it('lists the keys that open an environment’s ruleset', () => {
    const other = { ...environment, id: 'env_2', key: 'staging' }
    const keys = [key, { ...key, id: 'k2', kind: 'client' }, { ...key, id: 'k3', environment: 'env_2' }]
    const edits = Object.fromEntries(keys.map((one) => [`sdk-key/${one.id}`, one]))
    const environments = { 'environment/production': environment, 'environment/staging': other }
    const logs = logsOf({ 'project/shop': shop }, { prj_1: { ...environments, ...edits } })
    const directory = createDirectory(() => logs).current()
    expect(directory.serverKeys('env_1')).toEqual(['k1'])
    expect(directory.serverKeys('env_2')).toEqual(['k3'])
    expect(directory.serverKeys('env_3')).toEqual([])
  })

  it('is not complete without the log of every project', () => {
    const edits = { 'environment/production': environment, 'sdk-key/k1': key }
    const system = { 'project/shop': shop, 'project/zoo': { ...shop, id: 'prj_2', key: 'zoo' } }
    const partly = createDirectory(() => logsOf(system, { prj_1: edits })).current()
    expect(partly.complete).toBe(false)
    expect(partly.key('k1')).toBeDefined()
    expect(createDirectory(() => logsOf(system, { prj_1: edits, prj_2: {} })).current().complete).toBe(true)
  })

  it('sorts by key, whatever the order of writing', () => {
    const named = (name: string) => ({ ...environment, id: `env_${name}`, key: name })
    const edits = { 'environment/b': named('b'), 'environment/a': named('a'), 'environment/c': named('c') }
    const directory = createDirectory(() => logsOf({ 'project/shop': shop }, { prj_1: edits })).current()
    expect(directory.environments('prj_1').map((one) => one.key)).toEqual(['a', 'b', 'c'])
  })

  it('finds nothing under names that every object has', () => {
    const directory = createDirectory(() => logsOf({ 'project/shop': shop }, { prj_1: {} })).current()
    for (const name of ['__proto__', 'constructor', 'toString', '']) {
      expect(directory.project(name)).toBeUndefined()
      expect(directory.environment(name, name)).toBeUndefined()
      expect(directory.key(name)).toBeUndefined()
    }
  })

  it('holds no key whose environment is gone: one made again under the same name is another', () => {
    const again = { ...environment, id: 'env_2' }
    const edits = { 'environment/production': again, 'sdk-key/k1': key }
    const directory = createDirectory(() => logsOf({ 'project/shop': shop }, { prj_1: edits })).current()
    expect(directory.key('k1')).toBeUndefined()
  })

  it('passes over documents broken by hand, and keeps the others', () => {
    const directory = createDirectory(() =>
      logsOf(
        { 'project/shop': shop, 'project/odd': 7, 'api-key/x': { id: 'x', digest: 'd', grants: 'all' } },
        {
          prj_1: {
            'environment/production': environment,
            'environment/odd': { id: 'env_9' },
            'environment/bare': { id: 'env_8', key: 'bare', name: 'Bare' },
            'sdk-key/k1': key,
            'sdk-key/k2': { ...key, id: 'k2', kind: 'root' },
            'sdk-key/k3': [],
            'sdk-key/k4': { ...key, id: 'k4', expiresAt: 'whenever' },
          },
        },
      ),
    ).current()
    expect(directory.projects).toHaveLength(1)
    expect(directory.environments('prj_1').map((one) => one.key)).toEqual(['bare', 'production'])
    expect(directory.environment('shop', 'bare')?.settings.corsOrigins).toEqual([])
    expect(directory.key('k1')).toBeDefined()
    for (const id of ['k2', 'k3', 'x']) expect(directory.key(id)).toBeUndefined()
    expect(directory.key('k4')?.expiresAt).toBe(0)
  })

  it('is the same value until a log changes, and then reads only the project that changed', () => {
    const logs = logsOf(
      { 'project/shop': shop, 'project/zoo': { ...shop, id: 'prj_2', key: 'zoo' } },
      {
        prj_1: { 'environment/production': environment, 'sdk-key/k1': key },
        prj_2: { 'environment/production': { ...environment, id: 'env_2' } },
      },
    )
    const reader = createDirectory(() => logs)
    const before = reader.current()
    expect(reader.current()).toBe(before)
    const identity = edited(logs.get('prj_1')!.state, { 'identity/flag': {} })
    logs.set(...held('prj_1', 'project', identity))
    logs.set(
      ...held('prj_2', 'project', edited(logs.get('prj_2')!.state, { 'environment/production': null })),
    )
    reader.stale()
    const after = reader.current()
    expect(after).not.toBe(before)
    expect(after.environments('prj_2')).toEqual([])
    // `edited` copies every kind; what matters is that the values stand.
    expect(after.key('k1')).toEqual(before.key('k1'))
  })
})
