/** What every client that evaluates in a process owes its callers: the connected one, and the one for tests. */
import type { Context, Json } from '@halyard/sdk/core'
import type { Client } from '@halyard/sdk/node'
import { afterEach, describe, expect, it } from 'vitest'

export type Values = Readonly<Record<string, Json>>
export type Subject = {
  readonly flags: Client
  /** One more state, in which the flag has another value, or is gone. */
  readonly change: (key: string, value: Json | undefined) => void | Promise<void>
}

const VALUES: Values = {
  checkout: true,
  dark: false,
  theme: '',
  limit: 0,
  banner: { title: 'Sale', parts: [1, { two: null }] },
}

export function flagsContract(open: (values: Values) => Promise<Subject>): void {
  let subject: Subject
  const begin = async (): Promise<Client> => {
    subject = await open(VALUES)
    return subject.flags
  }
  afterEach(() => subject.flags.close())

  it('gives values of all types, the falsy ones too', async () => {
    const flags = await begin()
    expect(flags.boolean('checkout', false)).toBe(true)
    expect(flags.boolean('dark', true)).toBe(false)
    expect(flags.string('theme', 'x')).toBe('')
    expect(flags.number('limit', 1)).toBe(0)
    expect(flags.object('banner', {})).toEqual(VALUES.banner)
  })

  it('gives the default for a flag that is unknown, and for one of another type', async () => {
    const flags = await begin()
    expect(flags.boolean('chekout', true)).toBe(true)
    expect(flags.boolean('theme', true)).toBe(true)
    expect(flags.string('checkout', 'x')).toBe('x')
    expect(flags.number('theme', 7)).toBe(7)
    expect(flags.object('checkout', { a: 1 })).toEqual({ a: 1 })
    expect(flags.details('chekout', true)).toMatchObject({
      value: true,
      reason: 'ERROR',
      errorCode: 'FLAG_NOT_FOUND',
    })
    expect(flags.details('checkout', 'x')).toMatchObject({ value: 'x', errorCode: 'TYPE_MISMATCH' })
    expect(flags.details('banner', [])).toMatchObject({ value: [], errorCode: 'TYPE_MISMATCH' })
  })

  it('says where a value comes from', async () => {
    const flags = await begin()
    const { epoch, revision, source } = flags.status()
    expect(flags.details('checkout', false)).toMatchObject({
      value: true,
      variant: 'on',
      reason: 'STATIC',
      epoch,
      revision,
      source,
      flagSetId: expect.stringContaining('/'),
      ageMs: expect.any(Number),
    })
    expect(flags.details('checkout', false).errorCode).toBeUndefined()
    expect(flags.explain('checkout').decision).toMatchObject({ value: true, reason: 'STATIC' })
    expect(flags.explain('chekout').decision).toMatchObject({ errorCode: 'FLAG_NOT_FOUND' })
  })

  it('gives objects that nobody can change', async () => {
    const flags = await begin()
    const banner = flags.object<{ title: string; parts: Json[] }>('banner', { title: '', parts: [] })
    expect(() => Object.assign(banner, { title: 'x' })).toThrow(TypeError)
    expect(() => banner.parts.push(2)).toThrow(TypeError)
    expect(flags.object('banner', {})).toEqual(VALUES.banner)
  })

  it('never throws, whatever it is given', async () => {
    const flags = await begin()
    const odd = [null, 1, 'x', [], () => 1, Object.create(null)] as unknown as Context[]
    for (const context of odd) {
      expect(flags.boolean('checkout', false, context)).toBe(true)
      expect(flags.for(context).for(context).boolean('checkout', false, context)).toBe(true)
    }
    for (const key of ['', '__proto__', 'constructor', undefined as unknown as string]) {
      expect(flags.boolean(key, true)).toBe(true)
    }
    expect(flags.details('checkout', undefined as unknown as boolean).errorCode).toBe('TYPE_MISMATCH')
  })

  describe('a page gets the context as JSON has it, and what has none is left out:', () => {
    const cycle: Record<string, unknown> = { name: 'Acme' }
    cycle.owner = { company: cycle }
    const unreadable = {
      plan: 'pro',
      get region(): never {
        throw new Error('not now')
      },
    }
    const { proxy: revoked, revoke } = Proxy.revocable({}, {})
    revoke()
    it.each<[string, unknown, Context]>([
      ['a BigInt', { account: { id: 1n, size: 3 }, ids: [1n, 2] }, { account: { size: 3 }, ids: [null, 2] }],
      ['a cycle', { plan: 'pro', company: cycle }, { plan: 'pro' }],
      ['what cannot be read', unreadable, { plan: 'pro' }],
      ['a symbol, and a function', { plan: Symbol('pro'), of: () => 1, region: 'eu' }, { region: 'eu' }],
      ['all of what is no object', ['pro'], {}],
      ['all of what is gone', revoked, {}],
      ['nothing of a date', { born: new Date(0) }, { born: '1970-01-01T00:00:00.000Z' }],
    ])('%s', async (_, given, context) => {
      const flags = await begin()
      const page = flags.dehydrate(given as Context)
      expect(page.context).toEqual(context)
      expect(JSON.parse(page.toScript())).toEqual({ ...page })
    })
  })

  it('answers the same with a context already in it', async () => {
    const flags = await begin()
    const ada = flags.for({ targetingKey: 'ada' })
    expect(ada.boolean('checkout', false)).toBe(true)
    expect(ada.details('limit', 1).value).toBe(0)
  })

  describe('events', () => {
    it('tells which flags changed, until the subscription ends', async () => {
      const flags = await begin()
      const heard: (readonly string[])[] = []
      const end = flags.on('change', ({ keys, revision }) => {
        expect(revision).toBe(flags.status().revision)
        heard.push(keys)
      })
      await subject.change('checkout', false)
      expect(flags.boolean('checkout', true)).toBe(false)
      await subject.change('limit', undefined)
      expect(flags.number('limit', 5)).toBe(5)
      expect(heard).toEqual([['checkout'], ['limit']])
      end()
      end()
      await subject.change('checkout', true)
      expect(heard).toHaveLength(2)
    })

    it('refuses names that are no events', async () => {
      const flags = await begin()
      expect(() => flags.on('changed' as 'change', () => {})).toThrow('There is no event "changed"')
    })
  })

  it('answers on after it was closed, twice too', async () => {
    const flags = await begin()
    await flags.close()
    await flags[Symbol.asyncDispose]()
    expect(flags.status()).toMatchObject({ state: 'closed', connected: false })
    expect(flags.boolean('checkout', false)).toBe(true)
  })
}
