/** React pages, rendered by a server and hydrated in a real browser, with React 18 and 19, in StrictMode. */
import type { BrowserContext, Page } from 'playwright-core'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { DEVELOPMENT } from '../support/rest.ts'
import { until } from '../support/until.ts'
import type { Props } from './pages/react.ts'
import { rig } from './rig.ts'
import { bundled, html, type ReactVersion, renderer } from './site.ts'

const at = rig()
const ADA = { targetingKey: 'ada', plan: 'pro' }
let context: BrowserContext

beforeEach(async () => {
  context = await at.browser.newContext()
})
afterEach(async () => {
  await context.close()
  await at.api.must('DELETE', `${DEVELOPMENT}/flags/checkout/kill`).catch(() => {})
})

describe.each<ReactVersion>([18, 19])('React %i', (version) => {
  let render: (props: Props) => Promise<string>
  const script = `/react-${version}.js`

  beforeAll(async () => {
    render = await renderer(version)
    const body = await bundled('react-browser.ts', version)
    at.site.pages.set(script, { type: 'text/javascript', body })
  })

  /** A page with these contents, whose script knows `options` of `connect`. */
  async function open(
    name: string,
    body: string,
    code: string,
  ): Promise<{ page: Page; complaints: string[] }> {
    const options = JSON.stringify({ url: at.server.url, key: at.key, context: ADA })
    at.site.pages.set(`/${name}`, html(body, `import '${script}'\nconst options = ${options}\n${code}`))
    const page = await context.newPage()
    const complaints: string[] = []
    page.on('console', (message) => {
      if (message.type() === 'error' && !/404|429|503/.test(message.text())) complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(error.message))
    await page.goto(`${at.site.origin}/${name}`)
    return { page, complaints }
  }
  const text = (page: Page, id: string) =>
    page.evaluate((name) => document.getElementById(name)?.textContent, id)
  const recorded = (page: Page) =>
    page.evaluate('recorded') as Promise<{ texts: (string | null)[]; frames: (string | null)[] }>

  it('hydrates what the server rendered, without a wrong frame', async () => {
    const data = at.node.dehydrate(ADA)
    const rendered = await render({ bootstrap: data })
    expect(rendered).toContain('<b id="variant">on</b>')
    await context.route(/evaluate\/flags/, async (route) => {
      await new Promise((resolve) => setTimeout(resolve, 500))
      await route.continue()
    })
    const { page, complaints } = await open(
      `hydrated-${version}`,
      `<div id="root">${rendered}</div><script>window.data = ${data.toScript()}</script>`,
      `const client = () => connect({ ...options, bootstrap: data }).then((flags) => (globalThis.flags = flags))
       hydrateRoot(document.getElementById('root'), createElement(App, { bootstrap: data, client }))`,
    )
    await until('it is current', () => page.evaluate('globalThis.flags?.status().state === "ready"'))
    await until('it hears', () => page.evaluate('flags.status().connected'))
    const { texts, frames } = await recorded(page)
    expect(texts.filter((shown) => shown !== null)).toEqual(['on'])
    expect(frames.filter((shown) => shown !== 'on' && shown !== null)).toEqual([])
    expect(frames.length).toBeGreaterThan(5)
    expect(await text(page, 'theme')).toBe('#000 TARGETING_MATCH')
    expect(await text(page, 'late')).toBe('12.5')
    expect(complaints).toEqual([])
    console.log(`React ${version}: ${frames.length} frames while hydrating, 0 wrong`)

    const before = (await page.evaluate('({ ...renders })')) as Record<string, number>
    await at.api.must('PUT', `${DEVELOPMENT}/flags/checkout/kill`)
    await until('it is off', async () => (await text(page, 'variant')) === 'off')
    const after = (await page.evaluate('({ ...renders })')) as Record<string, number>
    expect(after.variant).toBeGreaterThan(before.variant ?? 0)
    expect(after.theme, 'a component whose flag did not change').toBe(before.theme)
    expect(complaints).toEqual([])
  })

  it('hydrates what the server sent even where the page knows better, and then shows that', async () => {
    const data = at.node.dehydrate({ targetingKey: 'bob' })
    const rendered = await render({ bootstrap: data })
    expect(rendered).toContain('<b id="variant">off</b>')
    const { page, complaints } = await open(
      `behind-${version}`,
      `<div id="root">${rendered}</div><script>window.data = ${data.toScript()}</script>`,
      `const flags = await connect(options)
       hydrateRoot(document.getElementById('root'), createElement(App, { bootstrap: data, client: flags }))`,
    )
    await until('it is on', async () => (await text(page, 'variant')) === 'on')
    expect(complaints).toEqual([])
  })

  it('suspends where nothing is at hand, until there is a client; the others show defaults', async () => {
    const rendered = await render({})
    expect(rendered).toContain('off')
    for (const client of ['connect(options)', '() => connect(options)']) {
      const { page, complaints } = await open(
        `suspended-${version}-${client.length}`,
        '<div id="root"></div>',
        `createRoot(document.getElementById('root')).render(createElement(App, { client: ${client} }))`,
      )
      await until('it is there', async () => (await text(page, 'late')) === '12.5')
      expect(await text(page, 'waiting')).toBeUndefined()
      await until('it is on', async () => (await text(page, 'variant')) === 'on')
      expect(complaints).toEqual([])
    }
  })

  it('takes what is no bootstrap for none', async () => {
    const { page, complaints } = await open(
      `damaged-${version}`,
      '<div id="root"></div><div id="flags"></div>',
      `const bootstrap = window.flags
       const client = () => connect({ ...options, bootstrap })
       createRoot(document.getElementById('root')).render(createElement(App, { bootstrap, client }))`,
    )
    await until('it is on', async () => (await text(page, 'variant')) === 'on')
    expect(complaints).toEqual([])
  })

  it.each([
    ['a promise that rejects', 'Promise.reject(new TypeError("there is none"))', 'there is none'],
    [
      'a function whose promise rejects',
      '() => Promise.reject(new TypeError("there is none"))',
      'there is none',
    ],
    [
      'a function that throws',
      '() => connect({ ...options, key: "hly_srv_a_b" })',
      'key must be a client key',
    ],
  ])('shows the defaults where no client can be had, and says why once: %s', async (_, client, why) => {
    for (const [place, tree] of Object.entries({
      outside: 'createElement(App, { client })',
      inside: 'createElement(Suspense, null, createElement(App, { client }))',
    })) {
      const { page, complaints } = await open(
        `refused-${version}-${place}-${client.length}`,
        '<div id="root"></div>',
        `const client = ${client}
         createRoot(document.getElementById('root')).render(${tree})`,
      )
      await until('it shows the default', async () => (await text(page, 'late')) === '0')
      expect(await text(page, 'waiting')).toBeUndefined()
      expect(await text(page, 'variant')).toBe('off')
      expect(await text(page, 'theme')).toBe('none ERROR')
      const before = (await page.evaluate('({ ...renders })')) as Record<string, number>
      await page.evaluate('new Promise((done) => setTimeout(done, 100))')
      expect(await page.evaluate('({ ...renders })'), 'nobody tries for ever').toEqual(before)
      expect(complaints).toEqual([expect.stringContaining(why)])
      await page.close()
    }
  })

  it('closes the client that it opened, and no other', async () => {
    const { page } = await open(
      `gone-${version}`,
      '<div id="root"></div>',
      `globalThis.opened = []
       const client = () => { const flags = connect(options); flags.then((one) => opened.push(one)); return flags }
       globalThis.root = createRoot(document.getElementById('root'))
       root.render(createElement(App, { client }))`,
    )
    await until('it is on', async () => (await text(page, 'variant')) === 'on')
    await page.evaluate('root.unmount()')
    await until('all are closed', () =>
      page.evaluate('opened.every((one) => one.status().state === "closed")'),
    )
    await page.evaluate(`(async () => {
      globalThis.mine = await connect(${JSON.stringify({ url: at.server.url, key: at.key })})
      const root = createRoot(document.body.appendChild(document.createElement('div')))
      root.render(createElement(App, { client: mine }))
      await new Promise((resolve) => setTimeout(resolve, 50))
      root.unmount()
    })()`)
    expect(await page.evaluate('mine.status().state')).not.toBe('closed')
  })
})
