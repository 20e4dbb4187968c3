/** Plain pages with `@halyard/sdk/browser`, in a real browser, against a real server. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Dehydrated } from '@halyard/sdk/browser'
import type { BrowserContext, Page } from 'playwright-core'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { DEVELOPMENT } from '../support/rest.ts'
import { until } from '../support/until.ts'
import { rig } from './rig.ts'
import { bundled, html, site } from './site.ts'

const at = rig()
const ADA = { targetingKey: 'ada', plan: 'pro' }
let context: BrowserContext

type Recorded = { readonly texts: readonly (string | null)[]; readonly frames: readonly (string | null)[] }

/** A page that shows whether checkout is on, and goes on showing it. */
const shop = (options: object): ReturnType<typeof html> =>
  html(
    '<b id="variant"></b>',
    `import '/plain.js'
     globalThis.began = performance.now()
     globalThis.flags = await connect(${JSON.stringify({ url: at.server.url, key: at.key, context: ADA, ...options }).replaceAll('<', '\\u003c')})
     globalThis.took = performance.now() - began
     const show = () => { document.getElementById('variant').textContent = flags.boolean('checkout', false) ? 'on' : 'off' }
     show()
     flags.on('change', show)`,
  )

beforeAll(async () => {
  at.site.pages.set('/plain.js', { type: 'text/javascript', body: await bundled('plain.ts') })
  at.site.pages.set('/shop', shop({}))
  at.site.pages.set('/empty', html('', ''))
})
beforeEach(async () => {
  context = await at.browser.newContext()
})
afterEach(async () => {
  await context.close()
  await at.api.must('DELETE', `${DEVELOPMENT}/flags/checkout/kill`).catch(() => {})
})

async function open(path: string, origin = at.site.origin): Promise<Page> {
  const page = await context.newPage()
  await page.goto(origin + path)
  return page
}
const shown = (page: Page) => page.evaluate(() => document.getElementById('variant')?.textContent)
const recorded = (page: Page) => page.evaluate('recorded') as Promise<Recorded>
const status = (page: Page) =>
  page.evaluate('globalThis.flags?.status() ?? {}') as Promise<{
    state: string
    source: string
    connected: boolean
  }>
const connected = (page: Page) =>
  until('a stream tells of changes', async () => (await status(page)).connected)
const kill = () => at.api.must('PUT', `${DEVELOPMENT}/flags/checkout/kill`, { comment: 'INC-481' })

describe('the first paint', () => {
  /** Answers of the server take so long that many frames pass. */
  const slow = (ms: number) =>
    context.route(/evaluate\/flags/, async (route) => {
      await new Promise((resolve) => setTimeout(resolve, ms))
      await route.continue()
    })
  const framesOf = async (page: Page): Promise<Recorded> => {
    await until('the server has answered', async () => (await status(page)).state === 'ready')
    await until('frames passed', async () => (await recorded(page)).frames.length > 20)
    return await recorded(page)
  }

  it('has the right value in every frame, with what a server put into the page', async () => {
    const bootstrap: Dehydrated = at.node.dehydrate(ADA)
    at.site.pages.set('/bootstrapped', shop({ bootstrap }))
    await slow(700)
    const page = await open('/bootstrapped')
    await until('it is shown', () => shown(page))
    const { texts, frames } = await framesOf(page)
    expect(texts.filter((text) => text === 'off')).toEqual([])
    expect(frames.filter((text) => text === 'off')).toEqual([])
    expect(frames).toContain('on')
    console.log(
      `first paint with a bootstrap: ${frames.length} frames, 0 wrong; connect took ${(await page.evaluate('took')) as number} ms`,
    )
  })

  it('has a wrong one without it, where nothing is kept: the recording would see it', async () => {
    at.site.pages.set('/impatient', shop({ startTimeoutMs: 50 }))
    await slow(700)
    const { texts, frames } = await framesOf(await open('/impatient'))
    expect(texts).toContain('off')
    expect(frames.filter((text) => text === 'off').length).toBeGreaterThan(0)
    expect(texts.at(-1)).toBe('on')
  })

  it('has the right value in every frame of the second visit, from what the browser kept', async () => {
    const first = await open('/shop')
    await until('it is shown', async () => (await shown(first)) === 'on')
    await slow(700)
    await first.goto(`${at.site.origin}/shop`)
    await until('it is shown', () => shown(first))
    expect((await status(first)).source).toBe('cache')
    const { texts, frames } = await framesOf(first)
    expect(texts.filter((text) => text === 'off')).toEqual([])
    expect(frames.filter((text) => text === 'off')).toEqual([])
  })
})

describe('a page that is open', () => {
  it('shows a kill, and its end, by the stream', async () => {
    const page = await open('/shop')
    await connected(page)
    expect(await shown(page)).toBe('on')
    await kill()
    await until('it is off', async () => (await shown(page)) === 'off')
    expect(await page.evaluate('flags.details("checkout", true)')).toMatchObject({
      value: false,
      reason: 'DISABLED',
      metadata: { killed: true },
      source: 'stream',
    })
    await at.api.must('DELETE', `${DEVELOPMENT}/flags/checkout/kill`)
    await until('it is on', async () => (await shown(page)) === 'on')
  })

  it('says by its next question that it holds a kill', async () => {
    const page = await open('/shop')
    await connected(page)
    const { status: address } = (await kill()) as { readonly status: string }
    await until('the page is off', async () => (await shown(page)) === 'off')
    type Told = { readonly pollers: { readonly known: number; readonly applied: number } }
    await until('whoever killed knows', async () => {
      const { pollers } = await at.api.must<Told>('GET', address)
      return pollers.known > 0 && pollers.applied > 0
    })
  })

  it('keeps its values offline, and has the news when the network is back', async () => {
    const page = await open('/shop')
    await connected(page)
    await context.setOffline(true)
    await kill()
    await page.evaluate('flags.setContext({ targetingKey: "ada", plan: "pro" })')
    expect(await status(page)).toMatchObject({ state: 'stale' })
    expect(await shown(page)).toBe('on')
    await context.setOffline(false)
    await until('it is off', async () => (await shown(page)) === 'off')
    await connected(page)
  })

  it('works where storage is full, and where it is forbidden', async () => {
    const page = await open('/empty')
    await page.evaluate(() => {
      let piece = 'x'.repeat(1024 * 1024)
      for (let n = 0; piece.length > 0; n++) {
        try {
          localStorage.setItem(`full-${n}`, piece)
        } catch {
          piece = piece.slice(0, piece.length >> 1)
        }
      }
    })
    await page.goto(`${at.site.origin}/shop`)
    await until('it is on', async () => (await shown(page)) === 'on')
    await page.addInitScript(() => {
      Object.defineProperty(globalThis, 'localStorage', {
        get: () => {
          throw new DOMException('forbidden', 'SecurityError')
        },
      })
    })
    await page.goto(`${at.site.origin}/shop`)
    await until('it is on', async () => (await shown(page)) === 'on')
  })

  it('is not answered on a site that the environment does not name', async () => {
    const other = await site('stranger.localhost')
    try {
      other.pages.set('/plain.js', { type: 'text/javascript', body: await bundled('plain.ts') })
      other.pages.set('/shop', shop({ startTimeoutMs: 500 }))
      const page = await open('/shop', other.origin)
      await until('it gave up waiting', () => shown(page))
      expect(await shown(page)).toBe('off')
      expect(await status(page)).toMatchObject({ state: 'starting', source: 'default' })
    } finally {
      other.close()
    }
  })

  it('is refused at once with a secret key, and sends nothing', async () => {
    const page = await open('/empty')
    await page.addScriptTag({ url: '/plain.js', type: 'module' })
    await until('it is loaded', () => page.evaluate('typeof connect === "function"'))
    const requests: string[] = []
    page.on('request', (request) => requests.push(request.url()))
    const failed = await page.evaluate(`(() => {
      try { connect({ url: '${at.server.url}', key: 'hly_srv_abc_def' }) } catch (error) { return error.name }
    })()`)
    expect(failed).toBe('TypeError')
    expect(requests).toEqual([])
  })
})

describe('tabs of one browser', () => {
  it('share one stream, and all hear; another takes over when its tab goes', async () => {
    await until('no stream is left', async () => (await at.streams()) === 0)
    const tabs = [await open('/shop'), await open('/shop'), await open('/shop'), await open('/shop')]
    for (const tab of tabs) await connected(tab)
    expect(await at.streams()).toBe(1)
    await kill()
    for (const tab of tabs) await until('it is off', async () => (await shown(tab)) === 'off')
    await tabs[0]?.close()
    await until('another listens', async () => (await at.streams()) === 1)
    await at.api.must('DELETE', `${DEVELOPMENT}/flags/checkout/kill`)
    for (const tab of tabs.slice(1)) await until('it is on', async () => (await shown(tab)) === 'on')
    expect(await at.streams()).toBe(1)
  })

  it('hidden ones rest, and have the news when they are seen', async () => {
    const page = await open('/shop')
    await connected(page)
    const hide = (hidden: boolean) =>
      page.evaluate((is) => {
        Object.defineProperty(document, 'hidden', { configurable: true, get: () => is })
        document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))
      }, hidden)
    await hide(true)
    await until('no stream is open', async () => (await at.streams()) === 0)
    const requests: string[] = []
    page.on('request', (request) => requests.push(request.url()))
    await kill()
    await new Promise((resolve) => setTimeout(resolve, 1_500)) // longer than a stream and its refetch would take
    expect(requests).toEqual([])
    expect(await shown(page)).toBe('on')
    await hide(false)
    await until('it is off', async () => (await shown(page)) === 'off')
    await connected(page)
  })
})

describe('what a page counted', () => {
  it('arrives at the server when the page goes away', async () => {
    // Of a page that is gone no browser tells: what came is written down on its way to the server.
    const came: { readonly body: string; readonly status: number }[] = []
    const way = createServer(async (request, response) => {
      if (request.url?.includes('/stream')) {
        response.writeHead(503).end()
        return
      }
      const body = await text(request)
      const { method = 'GET', headers } = request
      const passed = ['authorization', 'content-type', 'origin', 'access-control-request-method']
      const answer = await fetch(`${at.server.url}${request.url}`, {
        method,
        headers: passed.flatMap((name) => (headers[name] ? [[name, String(headers[name])]] : [])) as [
          string,
          string,
        ][],
        ...(method === 'POST' && { body }),
      })
      if (request.url?.includes('/telemetry')) came.push({ body, status: answer.status })
      const kept = [...answer.headers].filter(([name]) => /^(access|content-type|etag)/.test(name))
      response.writeHead(answer.status, Object.fromEntries(kept)).end(await answer.text())
    })
    await new Promise<void>((resolve) => way.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = way.address() as AddressInfo
      at.site.pages.set('/counting', shop({ url: `http://127.0.0.1:${port}` }))
      const page = await open('/counting')
      await until('it is ready', async () => (await status(page)).state === 'ready')
      await page.evaluate('for (let n = 0; n < 16; n++) flags.number("limit", 0)')
      await page.evaluate('flags.track("purchase", { value: 19.9 })')
      await page.goto(`${at.site.origin}/empty`)
      await until('it came', () => came.some(({ body }) => body.includes('"limit"')))
      expect(came.map(({ status }) => status)).toEqual(came.map(() => 202))
      const told = came.map(({ body }) => JSON.parse(body))
      expect(told.flatMap(({ counts }) => counts)).toContainEqual(
        expect.objectContaining({ flag: 'limit', variant: 'many', count: 16 }),
      )
      expect(told.flatMap(({ events }) => events)).toContainEqual(
        expect.objectContaining({ event: 'purchase', flag: 'limit', variant: 'many', sum: 19.9 }),
      )
    } finally {
      way.closeAllConnections()
      way.close()
    }
  })
})

describe('memory', () => {
  it('returns after ten thousand connects and closes', async () => {
    const page = await open('/empty')
    await page.addScriptTag({ url: '/plain.js', type: 'module' })
    await until('it is loaded', () => page.evaluate('typeof connect === "function"'))
    const session = await context.newCDPSession(page)
    const bootstrap = JSON.stringify(at.node.dehydrate(ADA))
    await context.route(/telemetry|evaluate/, (route) => route.abort())
    const cycle = (times: number) =>
      page.evaluate(`(async () => {
        for (let n = 0; n < ${times}; n++) {
          const flags = await connect({ url: '${at.server.url}', key: '${at.key}', bootstrap: ${bootstrap} })
          flags.on('change', () => {})
          await flags.close()
        }
      })()`)
    const heap = async (): Promise<number> => {
      await session.send('HeapProfiler.collectGarbage')
      const { usedSize } = await session.send('Runtime.getHeapUsage')
      return usedSize / 1024
    }
    await cycle(500)
    await new Promise((resolve) => setTimeout(resolve, 1_000)) // what was still under way ends
    const before = await heap()
    await cycle(10_000)
    await until('the heap is back', async () => (await heap()) < before + 1_024, 30_000)
    console.log(
      `heap: ${before.toFixed(0)} KiB before, ${(await heap()).toFixed(0)} KiB after 10,000 connects and closes`,
    )
  })
})
