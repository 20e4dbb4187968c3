import { describe, expect, it } from 'vitest'
import { digestOfKey, mintKey } from '../../../server/domain/keys.ts'
import { createAuthenticate } from '../../../server/live/authenticate.ts'
import type { Directory, KnownKey } from '../../../server/live/directory.ts'
import type { Environment } from '../../../server/live/live.ts'
import { Clock } from './support.ts'

const environment = { id: 'env_1', key: 'production' } as Environment
const textOf = (id: string, fill = 1) => mintKey('server', new Uint8Array(32).fill(fill), id)

function known(id: string, over: Partial<KnownKey> = {}): [string, KnownKey] {
  const principal = { kind: 'server', keyId: id, name: id, environment } as const
  return [id, { kind: 'server', digest: digestOfKey(textOf(id)), expiresAt: undefined, principal, ...over }]
}

/** A directory that the tests change, and a store whose reads they count. */
function house(...keys: [string, KnownKey][]) {
  const clock = new Clock()
  const state = {
    keys: new Map(keys),
    loaded: true,
    confirmed: true,
    answers: true,
    complete: true,
    reads: 0,
    fails: false,
    arriving: [] as typeof keys,
  }
  const directoryOf = (key: Directory['key']) =>
    ({
      key,
      get complete() {
        return state.complete
      },
    }) as Directory
  let directory = directoryOf((id) => state.keys.get(id))
  const authenticate = createAuthenticate({
    directory: () => directory,
    adminKey: 'a configured key of thirty-two characters',
    clock,
    loaded: () => state.loaded,
    confirmed: () => state.confirmed,
    storeAnswers: () => state.answers,
    async refresh() {
      state.reads++
      await Promise.resolve()
      if (state.fails) throw new Error('down')
      state.keys = new Map([...state.keys, ...state.arriving])
    },
  })
  const change = (...next: [string, KnownKey][]) => {
    state.keys = new Map(next)
    const keysNow = state.keys
    directory = directoryOf((id) => keysNow.get(id))
  }
  return { authenticate, state, clock, change }
}

describe('authenticating a key', () => {
  it('gives the principal of a key in force, again and again', async () => {
    const { authenticate, state } = house(known('k1'))
    for (let time = 0; time < 3; time++)
      expect(await authenticate(textOf('k1'))).toMatchObject({ keyId: 'k1' })
    expect(state.reads).toBe(0)
  })

  it('refuses another secret under a known id, another kind, and what is no key, without asking the store', async () => {
    const { authenticate, state } = house(known('k1'))
    expect(await authenticate(textOf('k1', 2))).toBe('unknown')
    expect(await authenticate(mintKey('client', new Uint8Array(32).fill(1), 'k1'))).toBe('unknown')
    for (const text of ['', 'nonsense', `${textOf('k1')}x`, textOf('k1').slice(0, -1)]) {
      expect(await authenticate(text)).toBe('unknown')
    }
    expect(state.reads).toBe(0)
  })

  it('knows the configured admin key, but lets it see no empty service while no truth is held', async () => {
    const { authenticate, state } = house()
    const admin = await authenticate('a configured key of thirty-two characters')
    expect(admin).toMatchObject({ kind: 'management', keyId: 'admin', grants: [{ role: 'admin' }] })
    state.loaded = false
    expect(await authenticate('a configured key of thirty-two characters')).toBe('unloaded')
  })

  it('says unloaded, never unknown, while no truth is held', async () => {
    const { authenticate, state } = house()
    state.loaded = false
    expect(await authenticate(textOf('k1'))).toBe('unloaded')
  })

  it('forgets a key as soon as the directory does', async () => {
    const { authenticate, change } = house(known('k1'))
    await authenticate(textOf('k1'))
    change()
    expect(await authenticate(textOf('k1'))).toBe('unknown')
    change(known('k1', { digest: digestOfKey(textOf('k1', 9)) }))
    expect(await authenticate(textOf('k1'))).toBe('unknown')
  })

  it('goes on knowing a key over changes of the directory that are not its own', async () => {
    const { authenticate, change, state } = house(known('k1'))
    await authenticate(textOf('k1'))
    change(known('k1'), known('k2'))
    expect(await authenticate(textOf('k1'))).toBe(state.keys.get('k1')?.principal)
  })

  it('does not say that a key is unknown that may be newer than a snapshot', async () => {
    const { authenticate, state } = house(known('k1'))
    Object.assign(state, { confirmed: false, answers: false })
    expect(await authenticate(textOf('k1'))).toMatchObject({ keyId: 'k1' })
    const management = mintKey('management', new Uint8Array(32).fill(1), 'k3')
    expect([await authenticate(textOf('k2')), await authenticate(management)]).toEqual([
      'unloaded',
      'unloaded',
    ])
    expect(await authenticate('no key')).toBe('unknown')
    state.confirmed = true
    expect(await authenticate(textOf('k2'))).toBe('unknown')
  })

  it('refuses a key from the moment that it expires', async () => {
    const { authenticate, clock } = house(known('k1', { expiresAt: 1_800_000_000_500 }))
    expect(await authenticate(textOf('k1'))).toMatchObject({ keyId: 'k1' })
    clock.time = 1_800_000_000_500
    expect(await authenticate(textOf('k1'))).toBe('unknown')
  })

  it('finds a key that another instance has just made, by one fresh read', async () => {
    const { authenticate, state } = house()
    state.arriving = [known('k1')]
    expect(await authenticate(textOf('k1'))).toMatchObject({ keyId: 'k1' })
    expect(state.reads).toBe(1)
  })

  it('lets a flood of unknown keys cost a few reads, not one each', async () => {
    const { authenticate, state } = house()
    const answers = await Promise.all(Array.from({ length: 500 }, (_, at) => authenticate(textOf(`x${at}`))))
    expect(new Set(answers)).toEqual(new Set(['unknown']))
    expect(state.reads).toBeLessThanOrEqual(2)
    expect(await authenticate(textOf('x7'))).toBe('unknown')
    expect(state.reads).toBeLessThanOrEqual(2)
  })

  it('answers from what it holds where the store fails, and does not take that for an answer', async () => {
    const { authenticate, state, clock } = house()
    state.fails = true
    expect(await authenticate(textOf('k1'))).toBe('unknown')
    state.fails = false
    state.arriving = [known('k1')]
    clock.time += 1_000
    expect(await authenticate(textOf('k1'))).toMatchObject({ keyId: 'k1' })
  })

  it('keeps nobody waiting for a store that is known not to answer', async () => {
    const { authenticate, state } = house()
    state.answers = false
    expect(await authenticate(textOf('k1'))).toBe('unknown')
    expect(state.reads).toBe(0)
  })

  it('refuses no key that may be of a project whose log is not held', async () => {
    for (const answers of [true, false]) {
      const { authenticate, state } = house(known('k1'))
      state.complete = false
      state.answers = answers
      expect(await authenticate(textOf('k1'))).toMatchObject({ keyId: 'k1' })
      expect(await authenticate(textOf('k2'))).toBe('unloaded')
      expect(await authenticate(textOf('k1', 2))).toBe('unknown')
      expect(await authenticate(mintKey('management', new Uint8Array(32).fill(1), 'k2'))).toBe('unknown')
      expect(await authenticate('no key')).toBe('unknown')
    }
  })
})

describe('finding a key by its id', () => {
  it('finds those in force, and tells one that has ended from one that cannot be known yet', async () => {
    const expiresAt = new Clock().now() + 5_000
    const { authenticate, state, clock, change } = house(known('k1'), known('k2', { expiresAt }))
    expect(await authenticate.find('k1')).toMatchObject({ digest: digestOfKey(textOf('k1')) })
    expect(await authenticate.find('k2')).toMatchObject({ expiresAt })
    clock.time = expiresAt
    expect(await authenticate.find('k2')).toBe('unknown')
    change()
    expect(await authenticate.find('k1')).toBe('unknown')
    state.answers = false
    expect(await authenticate.find('k3')).toBe('unloaded')
    state.loaded = false
    expect(await authenticate.find('k1')).toBe('unloaded')
    expect(await authenticate.find('admin')).toBe('unloaded')
  })

  it('looks once for one that is not known here, and believes no read that failed', async () => {
    const { authenticate, state } = house()
    state.arriving = [known('k1')]
    expect(await authenticate.find('k1')).toMatchObject({ principal: { keyId: 'k1' } })
    expect(await authenticate.find('k2')).toBe('unknown')
    const { reads } = state
    expect(await authenticate.find('k2')).toBe('unknown')
    expect(state.reads).toBe(reads)
    state.fails = true
    expect(await authenticate.find('k3')).toBe('unloaded')
  })

  it('knows the configured key by its id, with the digest of its text', async () => {
    const { authenticate } = house()
    const digest = digestOfKey('a configured key of thirty-two characters')
    expect(await authenticate.find('admin')).toMatchObject({ digest, principal: { keyId: 'admin' } })
  })
})
