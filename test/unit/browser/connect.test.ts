import { connect } from '@halyard/sdk/browser'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { until } from '../../support/until.ts'
import { type Asked, flag, KEY, memoryStorage, page } from './page.ts'

const ON = [
  flag('checkout', true, 'on'),
  flag('theme', 'dark'),
  flag('limit', 5),
  flag('banner', { parts: [1] }),
]
const answerOn = (asked: Asked) => asked.flags(ON)
const bootstrap = { context: { targetingKey: 'ada' }, etag: '"4-12"', flags: ON }

describe('a key', () => {
  test('that is secret is refused at once, without a request', () => {
    for (const key of ['hly_srv_abc_def', 'hly_api_abc_def', '', 'nonsense']) {
      expect(() => connect({ url: 'http://127.0.0.1:1', key })).toThrow(TypeError)
    }
  })

  test('that the server refuses ends the wait, and is tried again', async () => {
    const at = await page()
    at.reply = (asked) => asked.status(401)
    const flags = await at.connect({ startTimeoutMs: 60_000 })
    expect(flags.status()).toMatchObject({ state: 'refused', source: 'default' })
    expect(flags.status().error?.message).toContain('401')
    expect(flags.boolean('checkout', true)).toBe(true)
    at.reply = answerOn
    await until('it is ready', () => flags.status().state === 'ready')
  })
})

describe('evaluations', () => {
  test('give values, and defaults for what is unknown or of another type', async () => {
    const at = await page()
    at.reply = answerOn
    const flags = await at.connect({ context: { targetingKey: 'ada' }, app: { name: 'a b', version: '1' } })
    expect(flags.boolean('checkout', false)).toBe(true)
    expect(flags.string('theme', '')).toBe('dark')
    expect(flags.number('limit', 0)).toBe(5)
    expect(flags.object('banner', {})).toEqual({ parts: [1] })
    for (const key of ['theme', 'unknown', '__proto__']) expect(flags.boolean(key, true)).toBe(true)
    const fallback = {}
    expect(flags.object('theme', fallback)).toBe(fallback)
    expect(at.asked[0]?.context).toEqual({ targetingKey: 'ada' })
    expect(at.asked[0]?.headers).toMatchObject({ authorization: `Bearer ${KEY}`, 'halyard-app': 'a%20b/1' })
  })

  test('say why', async () => {
    const at = await page()
    at.reply = (asked) =>
      asked.flags([
        ...ON,
        { key: 'quiet', reason: 'DEFAULT' },
        { key: 'short', errorCode: 'TARGETING_KEY_MISSING', errorDetails: 'Send account.' },
      ])
    const flags = await at.connect()
    expect(flags.details('checkout', false)).toEqual({
      value: true,
      variant: 'on',
      reason: 'STATIC',
      metadata: { version: 3 },
      revision: 7,
      ageMs: expect.any(Number),
      source: 'poll',
    })
    expect(flags.details('theme', 1)).toMatchObject({ value: 1, reason: 'ERROR', errorCode: 'TYPE_MISMATCH' })
    expect(flags.details('unknown', 1)).toMatchObject({ value: 1, errorCode: 'FLAG_NOT_FOUND' })
    expect(flags.details('quiet', 1)).toMatchObject({ value: 1, reason: 'DEFAULT' })
    expect(flags.details('quiet', 1).errorCode).toBeUndefined()
    expect(flags.details('short', 1)).toMatchObject({
      value: 1,
      errorCode: 'TARGETING_KEY_MISSING',
      errorDetails: 'Send account.',
    })
  })

  test('cannot be changed by one caller for all others', async () => {
    const at = await page()
    const flags = await at.connect({ bootstrap })
    expect(() => {
      flags.object<{ parts: number[] }>('banner', { parts: [] }).parts[0] = 2
    }).toThrow(TypeError)
  })

  test('give defaults, and say so, while there is no answer', async () => {
    const at = await page()
    const flags = await at.connect({ startTimeoutMs: 5 })
    expect(flags.details('checkout', false)).toMatchObject({
      errorCode: 'PROVIDER_NOT_READY',
      source: 'default',
    })
    expect(flags.status().state).toBe('starting')
  })
})

describe('a bootstrap', () => {
  test('is there at once, for its own context, and the server is asked for no older state', async () => {
    const at = await page()
    const flags = await at.connect({ bootstrap, startTimeoutMs: 60_000 })
    expect(flags.details('checkout', false)).toMatchObject({
      value: true,
      variant: 'on',
      source: 'bootstrap',
    })
    const [asked] = await until('it asks', () => at.asked[0] && at.asked)
    expect(asked?.context).toEqual({ targetingKey: 'ada' })
    expect(asked?.query.get('flagConfigEtag')).toBe('"4-12"')
    expect(asked?.headers['if-none-match']).toBeUndefined()
    asked?.flags([flag('checkout', false, 'off')])
    await until('the answer counts', () => !flags.boolean('checkout', true))
  })

  test('for another context is not used; nor is one that is damaged', async () => {
    const at = await page()
    at.reply = (asked) => asked.flags([flag('checkout', false, 'off')])
    const other = await at.connect({ bootstrap, context: { targetingKey: 'bob' } })
    expect(other.boolean('checkout', true)).toBe(false)
    // The last one is what a page without the server's script has in its place: an element of that id.
    for (const damaged of [{ ...bootstrap, flags: null }, {}, { id: 'flags' }]) {
      const broken = await at.connect({ bootstrap: damaged as never })
      expect(broken.boolean('checkout', true)).toBe(false)
    }
  })
})

describe('what the browser has kept', () => {
  test('is there at once for its context, and asked about', async () => {
    const at = await page({ storage: memoryStorage() })
    at.reply = answerOn
    await (await at.connect({ context: { targetingKey: 'ada', plan: 'pro' } })).close()
    at.reply = undefined
    const flags = await at.connect({ context: { plan: 'pro', targetingKey: 'ada' }, startTimeoutMs: 60_000 })
    expect(flags.details('checkout', false)).toMatchObject({ value: true, source: 'cache', revision: 7 })
    const asked = await until('it asks', () => at.asked[1])
    expect(asked.headers['if-none-match']).toBe('"one"')
    asked.status(304)
    await until('it is confirmed', () => flags.status().state === 'ready')
    expect(flags.boolean('checkout', false)).toBe(true)
    const stranger = await at.connect({ context: { targetingKey: 'bob' }, startTimeoutMs: 5 })
    expect(stranger.boolean('checkout', false)).toBe(false)
  })

  test('holds no context in the clear, and few of them', async () => {
    const storage = memoryStorage()
    const at = await page({ storage })
    at.reply = answerOn
    for (let n = 0; n < 9; n++) await at.connect({ context: { targetingKey: `somebody-${n}` } })
    expect(storage.items.size).toBe(1)
    const [text = ''] = storage.items.values()
    expect(text).not.toContain('somebody')
    expect(JSON.parse(text)).toHaveLength(4)
  })

  test('may be absent, forbidden, full or damaged', async () => {
    const forbidden = new Proxy(
      {},
      {
        get: () => {
          throw new DOMException('no', 'SecurityError')
        },
      },
    )
    for (const storage of [undefined, forbidden, memoryStorage(10)]) {
      const at = await page(storage === undefined ? {} : { storage })
      at.reply = answerOn
      expect((await at.connect()).boolean('checkout', false)).toBe(true)
    }
    const storage = memoryStorage()
    const at = await page({ storage })
    at.reply = answerOn
    await (await at.connect()).close()
    const [[name, text]] = [...storage.items] as [[string, string]]
    for (const damaged of [text.slice(0, 40), '{}', '[null]', '[[]]', text.replace('flags', 'flagged')]) {
      storage.items.set(name, damaged)
      const flags = await at.connect()
      expect(flags.boolean('checkout', false), damaged).toBe(true)
      expect(flags.status().state, damaged).toBe('ready')
      await flags.close()
    }
  })
})

describe('a new context', () => {
  test('late answers and failures of earlier ones are dropped', async () => {
    const at = await page()
    const flags = await at.connect({ bootstrap })
    const errors: Error[] = []
    flags.on('error', (error) => errors.push(error))
    const settled: string[] = []
    for (const name of ['a', 'b', 'c']) {
      void flags.setContext({ targetingKey: name }).then(() => settled.push(name))
      await until('it asks', () => at.asked.at(-1)?.context.targetingKey === name)
    }
    const [first, a, b, c] = at.asked
    c?.flags([flag('who', 'c')])
    await until('c is served', () => flags.string('who', '') === 'c')
    a?.flags([flag('who', 'a')])
    b?.status(500)
    first?.cut()
    await until('all have settled', () => settled.length === 3)
    expect(flags.string('who', '')).toBe('c')
    expect(flags.status().state).toBe('ready')
    expect(errors).toEqual([])
  })

  test('that cannot be asked for leaves the values, is stale, and is asked for again', async () => {
    const at = await page()
    at.reply = answerOn
    const flags = await at.connect()
    const stale = new Promise((resolve) => flags.on('stale', resolve))
    at.reply = (asked) => asked.cut()
    await flags.setContext({ targetingKey: 'bob' })
    await stale
    expect(flags.boolean('checkout', false)).toBe(true)
    at.reply = (asked) => asked.flags([flag('who', String(asked.context.targetingKey))])
    await until('it is served', () => flags.string('who', '') === 'bob')
  })
})

test('a context of objects that have no text, but JSON, is one like any other', async () => {
  const { groups } = /(?<region>eu)/.exec('eu') ?? {}
  const at = await page()
  at.reply = answerOn
  const flags = await at.connect({ context: { targetingKey: 'ada', groups: { ...groups } } })
  expect(flags.boolean('checkout', false)).toBe(true)
  await flags.setContext({ targetingKey: 'ada', groups })
  expect(at.asked.at(-1)?.context).toEqual({ targetingKey: 'ada', groups: { region: 'eu' } })
})

describe('a context that has no JSON', () => {
  const cycle: Record<string, unknown> = {}
  cycle.self = cycle

  test('is refused by connect, which leaves nothing behind', async () => {
    const at = await page()
    const begun = vi.spyOn(globalThis, 'setInterval')
    const heard = vi.spyOn(globalThis, 'addEventListener')
    const channels = vi.spyOn(globalThis, 'BroadcastChannel')
    onTestFinished(() => void vi.restoreAllMocks())
    await expect(at.connect({ context: cycle })).rejects.toThrow(TypeError)
    for (const made of [begun, heard, channels]) expect(made).not.toHaveBeenCalled()
  })

  test.each([
    ['a BigInt', { account: 1n }],
    ['a cycle', cycle],
  ])('is refused, and the one before it stands: %s', async (_, context) => {
    const at = await page()
    at.reply = (asked) => asked.flags([flag('who', String(asked.context.targetingKey))])
    const flags = await at.connect({ context: { targetingKey: 'ada' } })
    await expect(flags.setContext(context)).rejects.toThrow(TypeError)
    await until('the stream is open', () => flags.status().connected)
    const before = at.asked.length
    at.tell({ type: 'refetchEvaluation', etag: '"1-9"' })
    await until('it is asked', () => at.asked.length > before)
    expect(at.asked.at(-1)?.context).toEqual({ targetingKey: 'ada' })
    expect(flags.status()).toMatchObject({ state: 'ready' })
    await flags.setContext({ targetingKey: 'bob' })
    expect(flags.string('who', '')).toBe('bob')
  })
})

describe('changes', () => {
  test('are told by flag, and leave objects that did not change as they are', async () => {
    const at = await page()
    at.reply = answerOn
    const flags = await at.connect()
    const banner = flags.object('banner', {})
    await until('the stream is open', () => flags.status().connected)
    const changes: unknown[] = []
    flags.on('change', (change) => changes.push(change))
    at.reply = (asked) =>
      asked.flags([flag('checkout', false, 'off'), ...ON.slice(2), flag('new', 1)], '"two"')
    at.tell({ type: 'somethingElse', etag: '"1-1"' })
    at.tell({ type: 'refetchEvaluation', etag: '"1-9"' })
    await until('it is told', () => changes.length > 0)
    expect(changes).toEqual([{ keys: expect.arrayContaining(['checkout', 'theme', 'new']), revision: 7 }])
    expect(flags.object('banner', {})).toBe(banner)
    expect(at.asked.at(-1)?.query.get('flagConfigEtag')).toBe('"1-9"')
    expect(flags.details('checkout', true).source).toBe('stream')
  })

  test('many in a row are few questions', async () => {
    const at = await page()
    at.reply = answerOn
    const flags = await at.connect()
    await until('the stream is open', () => flags.status().connected)
    const before = at.asked.length
    for (let n = 0; n < 200; n++) at.tell({ type: 'refetchEvaluation', etag: `"1-${n}"` })
    await until('the last is asked for', () => at.asked.at(-1)?.query.get('flagConfigEtag') === '"1-199"')
    expect(at.asked.length - before).toBeLessThan(100)
  })

  test('a listener that throws harms nobody', async () => {
    const at = await page()
    const flags = await at.connect({ bootstrap, overrides: true })
    const unheard: unknown[] = []
    const hear = (cause: unknown) => unheard.push(cause)
    const others = process.listeners('unhandledRejection')
    process.removeAllListeners('unhandledRejection').on('unhandledRejection', hear)
    try {
      let heard = 0
      flags.on('change', () => {
        throw new Error('mine')
      })
      flags.on('change', () => {
        heard += 1
      })
      const off = flags.on('change', () => {
        heard += 1
      })
      flags.override('checkout', false)
      off()
      flags.override('checkout', true)
      expect(heard).toBe(3)
      await until('both are reported', () => unheard.length === 2)
    } finally {
      process.off('unhandledRejection', hear)
      for (const other of others) process.on('unhandledRejection', other)
    }
  })
})

describe('a server that fails', () => {
  test('is asked for ever, and what is held serves on', async () => {
    const at = await page()
    at.reply = answerOn
    const flags = await at.connect()
    let answers = 0
    const ways: ((asked: Asked) => void)[] = [
      (asked) => asked.cut(),
      (asked) => asked.status(503, { 'retry-after': '0' }),
      (asked) => asked.text('<html>'),
      (asked) => asked.text('{}'),
    ]
    at.reply = (asked) => {
      ways[answers % ways.length]?.(asked)
      answers += 1
    }
    await until('it was asked often', () => answers > 8)
    expect(flags.status().state).toBe('stale')
    expect(flags.boolean('checkout', false)).toBe(true)
    at.reply = answerOn
    await until('it is ready', () => flags.status().state === 'ready')
    expect(flags.status().error).toBeUndefined()
  })
})

describe('a page that is hidden', () => {
  test('rests, and asks again when it is seen', async () => {
    const at = await page()
    at.reply = answerOn
    const flags = await at.connect()
    await until('the stream is open', () => at.streams() === 1)
    at.hide(true)
    await until('the stream is closed', () => at.streams() === 0)
    const before = at.asked.length
    await new Promise((resolve) => setTimeout(resolve, 500)) // some polls, at this pace
    expect(at.asked.length).toBe(before)
    at.reply = (asked) => asked.flags([flag('checkout', false, 'off')])
    at.hide(false)
    await until('it has the news', () => !flags.boolean('checkout', true))
    await until('the stream is open again', () => at.streams() === 1)
  })

  test('asks for a context that it is given, and rests on', async () => {
    const at = await page()
    at.reply = answerOn
    const flags = await at.connect({ context: { targetingKey: 'ada' } })
    await until('the stream is open', () => at.streams() === 1)
    at.hide(true)
    at.reply = (asked) => asked.flags([flag('checkout', false, 'off')])
    await flags.setContext({ targetingKey: 'bob' })
    expect(flags.boolean('checkout', true)).toBe(false)
    const before = at.asked.length
    await new Promise((resolve) => setTimeout(resolve, 500)) // some polls, at this pace
    expect([at.asked.length, at.streams()]).toEqual([before, 0])
  })

  test('tells what it counted as it goes', async () => {
    const at = await page()
    at.reply = answerOn
    const flags = await at.connect()
    flags.boolean('checkout', false)
    at.hide(true)
    const told = [...at.beacons, ...at.batches.map((batch) => JSON.stringify(batch))].map((text) =>
      JSON.parse(text),
    )
    expect(told.flatMap(({ counts }) => counts)).toContainEqual(
      expect.objectContaining({ flag: 'checkout', variant: 'on', version: 3, count: 1 }),
    )
    expect(told[0]).toMatchObject({ key: KEY, sdk: expect.stringContaining('browser/') })
  })
})

describe('a question that is overtaken', () => {
  /** What has become of a promise by now. */
  const waits = (promise: Promise<unknown>) =>
    Promise.race([promise.then(() => false), new Promise((resolve) => setTimeout(() => resolve(true), 50))])
  const off = [flag('checkout', false, 'off')]

  test('by that of a page that is seen: connect waits for the newer answer', async () => {
    const at = await page()
    at.hide(true)
    const connecting = at.connect({ startTimeoutMs: 60_000 })
    await until('it asks', () => at.asked.length === 1)
    at.hide(false)
    await until('it asks anew', () => at.asked.length === 2)
    at.asked[0]?.flags(off)
    expect(await waits(connecting)).toBe(true)
    at.asked[1]?.flags(ON)
    expect((await connecting).boolean('checkout', false)).toBe(true)
  })

  test('of a context: it is not said to be there before its answers are', async () => {
    const at = await page()
    at.reply = answerOn
    const flags = await at.connect({ context: { targetingKey: 'ada' } })
    at.reply = undefined
    const before = at.asked.length
    const changes = [flags.setContext({ targetingKey: 'bob' })]
    await until('it asks', () => at.asked.length === before + 1)
    at.hide(true)
    at.hide(false)
    await until('it asks anew', () => at.asked.length === before + 2)
    changes.push(flags.setContext({ targetingKey: 'eve' }))
    await until('it asks for the next', () => at.asked.length === before + 3)
    for (const asked of at.asked.slice(before, -1)) asked.flags(ON)
    for (const change of changes) expect(await waits(change)).toBe(true)
    at.asked.at(-1)?.flags(off)
    await Promise.all(changes)
    expect(flags.boolean('checkout', true)).toBe(false)
  })

  test('by closing: nobody waits for it', async () => {
    const at = await page()
    at.reply = answerOn
    const flags = await at.connect()
    at.reply = undefined
    const before = at.asked.length
    const change = flags.setContext({ targetingKey: 'bob' })
    await until('it asks', () => at.asked.length > before)
    await flags.close()
    at.asked.at(-1)?.flags(off)
    await change
    expect(flags.boolean('checkout', false)).toBe(true)
  })
})

describe('telemetry', () => {
  test('counts reads once, and events for the flags that were read', async () => {
    const at = await page()
    at.reply = answerOn
    const flags = await at.connect({ context: { targetingKey: 'somebody' } })
    for (let n = 0; n < 41; n++) flags.boolean('checkout', false)
    flags.details('theme', '')
    flags.peek('limit', 0)
    flags.track('purchase', { value: 19.9 })
    flags.track('seen')
    await flags.close()
    const counts = at.batches.flatMap((batch) => batch.counts)
    const events = at.batches.flatMap((batch) => batch.events)
    const total = (key: string) =>
      counts.filter((row) => row.flag === key).reduce((sum, row) => sum + Number(row.count), 0)
    expect([total('checkout'), total('theme'), total('limit')]).toEqual([41, 1, 0])
    expect(events.filter(({ event }) => event === 'purchase')).toEqual(
      ['checkout', 'theme'].map((key) => ({
        event: 'purchase',
        flag: key,
        variant: expect.any(String),
        version: 3,
        minute: expect.any(Number),
        count: 1,
        sum: 19.9,
      })),
    )
    expect(JSON.stringify(at.batches)).not.toContain('somebody')
    expect(new Set(at.batches.map(({ batch }) => batch)).size).toBe(at.batches.length)
  })

  test('a batch that failed comes again once, as the same', async () => {
    const at = await page()
    at.reply = answerOn
    const flags = await at.connect()
    at.batchStatus = 0
    flags.boolean('checkout', false)
    await until('it came twice', () => at.batches.length === 2)
    expect(at.batches[1]).toEqual(at.batches[0])
    flags.boolean('theme', false)
    await until('the next is another', () => at.batches.length === 3)
    expect(at.batches[2]?.counts).toEqual([expect.objectContaining({ flag: 'theme' })])
  })
})

describe('overrides', () => {
  test('come from the address and from code, where they are allowed', async () => {
    const search =
      '?halyard.checkout=off&halyard.theme=light&halyard.limit=9&halyard.banner=%7B%22a%22%3A1%7D&x=1'
    const at = await page({ search })
    const flags = await at.connect({ bootstrap, overrides: true })
    expect(flags.details('checkout', true)).toMatchObject({ value: false, metadata: { override: true } })
    expect([flags.string('theme', ''), flags.number('limit', 0)]).toEqual(['light', 9])
    expect(flags.object('banner', {})).toEqual({ a: 1 })
    flags.override('limit', 3)
    expect(flags.number('limit', 0)).toBe(3)
    flags.override('limit', undefined)
    expect(flags.number('limit', 0)).toBe(5)
  })

  test('are refused elsewhere', async () => {
    const at = await page({ search: '?halyard.checkout=off' })
    const flags = await at.connect({ bootstrap })
    expect(flags.boolean('checkout', false)).toBe(true)
    expect(() => flags.override('checkout', false)).toThrow('overrides')
  })
})

test('closing is for good, may be done twice, and leaves what is held', async () => {
  const at = await page()
  at.reply = answerOn
  const flags = await at.connect()
  await until('the stream is open', () => at.streams() === 1)
  await Promise.all([flags.close(), flags.close()])
  await until('the stream is closed', () => at.streams() === 0)
  const before = at.asked.length
  await flags.setContext({ targetingKey: 'bob' })
  at.hide(true)
  at.hide(false)
  await new Promise((resolve) => setTimeout(resolve, 400)) // some polls, at this pace
  expect(at.asked.length).toBe(before)
  expect(flags.status().state).toBe('closed')
  expect(flags.boolean('checkout', false)).toBe(true)
})
