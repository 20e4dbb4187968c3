import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rulesetOf, type State } from '@halyard/sdk/core'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createCacheFile } from '../../../sdk/node/cache-file.ts'
import { SURROUNDINGS } from '../../../sdk/node/timing.ts'
import { until } from '../../support/until.ts'
import { FAST, fast, recorder } from './clients.ts'
import { booleanFlag, edit, environment } from './rulesets.ts'
import { startWireServer } from './wire-server.ts'

const on = environment({ a: booleanFlag(true) })
const off = edit(on, [{ key: 'a', definition: booleanFlag(false) }])

async function place(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'halyard-cache-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return join(folder, 'flags.json')
}

function cacheAt(path: string, { key = 'hly_srv_one', clock = Date.now } = {}) {
  const warnings: string[] = []
  const file = createCacheFile({
    path,
    keyId: () => key,
    surroundings: { ...SURROUNDINGS, clock, timing: FAST },
    warn: (message, cause) => warnings.push(`${message}: ${cause instanceof Error ? cause.message : cause}`),
  })
  return { ...file, warnings }
}

async function written(state: State): Promise<string> {
  const path = await place()
  const cache = cacheAt(path)
  cache.keep(state)
  await cache.close()
  return path
}

describe('a cache file', () => {
  test('gives back the state that was kept, pending kills included', async () => {
    const kills = [{ id: 'k"1', by: 'anna\n', at: '2026-01-01T00:00:00Z' }]
    const state = {
      ...edit(on, [
        { key: '__proto__', definition: booleanFlag(true) },
        { kind: 'weather', key: 'x/y', definition: { sun: ['\u2028', 'ü', '😀'] } },
      ]),
      pending: new Map([['a', kills]]),
      endedKills: new Set(['k0']),
    }
    const path = await written(state)
    const read = await cacheAt(path).read()
    expect(rulesetOf(read?.state ?? on)).toEqual(rulesetOf(state))
  })

  test('is for its owner alone, and leaves nothing beside it', async () => {
    const path = await written(on)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readdir(join(path, '..'))).toEqual(['flags.json'])
  })

  test('keeps the newest of many states, without writing each', async () => {
    const path = await place()
    const cache = cacheAt(path)
    let state = on
    for (let edits = 0; edits < 200; edits++) {
      state = edit(state, [{ key: 'a', definition: booleanFlag(edits % 2 === 0) }])
      cache.keep(state)
    }
    await cache.close()
    expect((await cacheAt(path).read())?.state.revision).toBe(201)
  })

  test('of a large state lets the app have its turn while it is written', async () => {
    const text = 'x'.repeat(1_000)
    const flags = Object.fromEntries(
      Array.from({ length: 3_000 }, (_, index) => [
        `f${index}`,
        booleanFlag(true, { type: 'string', variants: { on: text, off: '' } }),
      ]),
    )
    const cache = cacheAt(await place())
    let turns = 0
    const count = (): void => {
      turns += 1
      timer = setImmediate(count)
    }
    let timer = setImmediate(count)
    cache.keep(environment(flags))
    await cache.close()
    clearImmediate(timer)
    expect(turns).toBeGreaterThan(10)
    expect(cache.warnings).toEqual([])
  })

  test('that is not there is nothing to warn of', async () => {
    const cache = cacheAt(await place())
    expect(await cache.read()).toBeUndefined()
    expect(cache.warnings).toEqual([])
  })

  test('tells how long ago its state was confirmed; the clock may jump', async () => {
    const path = await written(on)
    await utimes(path, 1_000, 1_000)
    expect((await cacheAt(path, { clock: () => 1_060_000 }).read())?.ageMs).toBe(60_000)
    expect((await cacheAt(path, { clock: () => 5 }).read())?.ageMs).toBe(0)
  })

  test('is marked as current when its state is confirmed', async () => {
    const path = await written(on)
    await utimes(path, 1_000, 1_000)
    const cache = cacheAt(path)
    await cache.read()
    cache.confirmed()
    await until('it is marked', async () => (await stat(path)).mtimeMs > 2_000_000)
  })

  test('that somebody has tidied away is written again when its state is confirmed', async () => {
    const path = await place()
    const cache = cacheAt(path)
    cache.keep(on)
    await until('it is there', () => existsSync(path))
    await rm(path)
    await until('it is there again', () => {
      cache.confirmed()
      return existsSync(path)
    })
    await cache.close()
    expect((await cacheAt(path).read())?.state.revision).toBe(1)
    expect(cache.warnings).toEqual([])
  })

  test('that could not be written is, once it can be, though nothing has changed since', async () => {
    const folder = join(await place(), 'missing')
    const path = join(folder, 'flags.json')
    const cache = cacheAt(path)
    cache.keep(on)
    await until('it has failed', () => cache.warnings.length > 0)
    await mkdir(folder, { recursive: true })
    await until('it is there', () => {
      cache.confirmed()
      return existsSync(path)
    })
    await cache.close()
    expect(cache.warnings).toHaveLength(1)
  })
})

describe('a file that is not to be trusted is ignored with a warning', () => {
  const sum = (head: string, body: string) => createHash('sha256').update(head).update(body).digest('hex')
  const head = '{"halyardCache":1,"key":"hly_srv_one"}'
  const file = (body: string, given = head) => `${given}\n${body}\n${sum(given, body)}\n`
  const body = JSON.stringify(rulesetOf(on))

  test('(and a whole one is not)', async () => {
    const path = await place()
    await writeFile(path, file(body))
    expect((await cacheAt(path).read())?.state.revision).toBe(1)
  })

  test.each<[string, string, RegExp]>([
    ['empty', '', /not whole/],
    ['cut short', file(body).slice(0, -80), /not whole|checksum/],
    ['with one bit turned in a definition', file(body).replace('"off":false', '"off":true '), /checksum/],
    ['longer than it was', `${file(body)}more`, /not whole/],
    ['some other file', 'a\nb\nc\n', /checksum/],
    ['of another version', file(body, '{"halyardCache":2}'), /another version/],
    [
      'written with another key',
      file(body, '{"halyardCache":1,"key":"hly_srv_two"}'),
      /hly_srv_two, and hly_srv_one is in use/,
    ],
    ['with a digest that does not hold', file(body.replace(/"digest":\d+/, '"digest":1')), /digest/],
    ['no ruleset', file('null'), /JSON object/],
  ])('%s', async (_, text, warning) => {
    const path = await place()
    await writeFile(path, text)
    const cache = cacheAt(path)
    expect(await cache.read()).toBeUndefined()
    expect(cache.warnings).toEqual([expect.stringMatching(warning)])
  })

  test('a folder', async () => {
    const path = await place()
    const cache = cacheAt(join(path, '..'))
    expect(await cache.read()).toBeUndefined()
    expect(cache.warnings).toHaveLength(1)
  })

  test('what is no file, such as a pipe or /dev/null: it is neither waited for nor replaced', async () => {
    const path = await place()
    execFileSync('mkfifo', [path])
    const cache = cacheAt(path)
    // Whoever opens a pipe waits for somebody at its other end.
    expect(await cache.read()).toBeUndefined()
    cache.keep(on)
    await cache.close()
    expect((await stat(path)).isFIFO()).toBe(true)
    expect(cache.warnings).toEqual([
      expect.stringMatching(/is ignored: it is no regular file/),
      expect.stringMatching(/cannot be written: it is no regular file/),
    ])
  })

  test('a place that cannot be written is said once, and harms nothing', async () => {
    const cache = cacheAt(join(await place(), 'missing', 'flags.json'))
    cache.keep(on)
    cache.keep(off)
    await cache.close()
    expect(cache.warnings).toEqual([expect.stringMatching(/cannot be written.*ENOENT/)])
  })

  test('a link in the place of the file is replaced, and what it points to is not written', async () => {
    const path = await place()
    const victim = `${path}.victim`
    await writeFile(victim, 'precious')
    await symlink(victim, path)
    const cache = cacheAt(path)
    cache.keep(on)
    await cache.close()
    expect(await readFile(victim, 'utf8')).toBe('precious')
    expect((await stat(path)).size).toBeGreaterThan(100)
  })
})

describe('a client with a cache file', () => {
  test('starts with the last known good state while no server answers, and catches up when one does', async () => {
    const cacheFile = await place()
    const server = await startWireServer(on)
    const first = await fast({ url: server.url, cacheFile })
    server.edit([{ key: 'a', definition: booleanFlag(false) }])
    await until('the edit arrives', () => !first.boolean('a', true))
    await first.close()
    await server.stop()

    const flags = await fast({ url: server.url, cacheFile, startTimeoutMs: 3_600_000 })
    expect(flags.status()).toMatchObject({ state: 'stale', source: 'cache', revision: 2, connected: false })
    expect(flags.details('a', true)).toMatchObject({ value: false, source: 'cache' })

    const again = await startWireServer(server.state, { port: server.port })
    onTestFinished(() => again.stop())
    await until('it is confirmed', () => flags.status().state === 'ready')
    expect(again.calls[0]).toMatchObject({ path: '/sdk/v1/ruleset', status: 304 })
  })

  test('keeps what a stream brings', async () => {
    const cacheFile = await place()
    const server = await startWireServer(on)
    onTestFinished(() => server.stop())
    const flags = await fast({ url: server.url, cacheFile })
    await until('the stream works', () => flags.status().connected)
    server.edit([{ key: 'a', definition: booleanFlag(false) }])
    await until('it is written', async () => (await cacheAt(cacheFile).read())?.state.revision === 2)
  })

  test.each([
    ['newer', off, on, 'cache'],
    ['older', on, off, 'bootstrap'],
  ] as const)(
    'of a %s state than the bootstrap takes the newer of both',
    async (_, cached, given, source) => {
      const cacheFile = await written(cached)
      const options = { cacheFile, bootstrap: rulesetOf(given), url: 'http://127.0.0.1:9' }
      const flags = await fast(options)
      expect(flags.status()).toMatchObject({ source, revision: 2 })
    },
  )

  test('believes the server where cache and server are of two environments', async () => {
    const cacheFile = await written(environment({ a: booleanFlag(false) }, { name: 'old', epoch: 9_000 }))
    const server = await startWireServer(on)
    onTestFinished(() => server.stop())
    const flags = await fast({ url: server.url, cacheFile })
    expect(flags.status()).toMatchObject({ state: 'ready', source: 'poll', epoch: 1_000 })
  })

  test('does not go back behind its cache', async () => {
    const cacheFile = await written(off)
    const server = await startWireServer(on)
    onTestFinished(() => server.stop())
    const flags = await fast({ url: server.url, cacheFile })
    expect(flags.status()).toMatchObject({ state: 'stale', source: 'cache', revision: 2 })
  })

  test('starts without it where it is damaged, and mends it', async () => {
    const cacheFile = await place()
    await writeFile(cacheFile, '{"half":')
    const server = await startWireServer(on)
    onTestFinished(() => server.stop())
    const { logger, text } = recorder()
    const flags = await fast({ url: server.url, cacheFile, logger })
    expect(flags.boolean('a', false)).toBe(true)
    expect(text()).toMatch(/cache file .* is ignored/)
    await flags.close()
    expect((await cacheAt(cacheFile).read())?.state.revision).toBe(1)
  })

  test('whose key comes from a function reads only a file of that key', async () => {
    const cacheFile = await written(on)
    const options = { cacheFile, url: 'http://127.0.0.1:9', startTimeoutMs: 100 }
    const other = await fast({ ...options, key: async () => 'hly_srv_two_secretsecret' })
    expect(other.status().source).toBe('default')
    const hanging = await fast({ ...options, key: () => new Promise<string>(() => {}) })
    await until('the file is read after all', () => hanging.status().source === 'cache')
  })
})
