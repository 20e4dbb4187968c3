/** The page of a kill link in a real browser, as a phone has it: two taps without a script, and no text of others runs. */
import type { BrowserContext, Page } from 'playwright-core'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { DEVELOPMENT } from '../support/rest.ts'
import { rig } from './rig.ts'

const at = rig()
const PHONE = { width: 360, height: 740 }

let context: BrowserContext
afterEach(async () => {
  await context?.close()
  await at.api.must('DELETE', `${DEVELOPMENT}/flags/checkout/kill`).catch(() => {})
})

const linkOf = async (comment: string): Promise<string> =>
  (await at.api.must<{ url: string }>('POST', `${DEVELOPMENT}/kill-links`, { flag: 'checkout', comment })).url
const killed = async (): Promise<boolean> =>
  (await at.api.must<{ kill: object | null }>('GET', `${DEVELOPMENT}/flags/checkout`)).kill !== null

type Options = NonNullable<Parameters<typeof at.browser.newContext>[0]>
async function open(url: string, options: Options = {}): Promise<Page> {
  context = await at.browser.newContext({ viewport: PHONE, ...options })
  const page = await context.newPage()
  await page.goto(url)
  return page
}

describe('the page of a kill link', () => {
  let link: string
  beforeAll(async () => {
    link = await linkOf('INC-481')
  })

  it('kills after two taps without any script, and stays as it is when it is loaded again or left', async () => {
    const page = await open(link, { javaScriptEnabled: false })
    await page.getByRole('button', { name: 'Kill checkout' }).click()
    expect(await killed()).toBe(false)
    await page.getByRole('heading', { name: /^Really kill checkout/ }).waitFor()
    await page.getByRole('button', { name: 'Yes, kill checkout now' }).click()
    await page.getByRole('heading', { name: 'checkout is killed in development.' }).waitFor()
    expect(await killed()).toBe(true)
    expect(await page.getByRole('button').count()).toBe(0)

    // Somebody un-kills it; whatever the browser does with its tabs kills it no more.
    await at.api.must('DELETE', `${DEVELOPMENT}/flags/checkout/kill`)
    await page.reload()
    await page.getByRole('button', { name: 'Kill checkout' }).waitFor()
    await page.goBack()
    await page.getByRole('heading', { name: /^Really kill checkout/ }).waitFor()
    await page.goForward()
    await page.getByRole('heading', { name: /^Kill checkout/ }).waitFor()
    expect(await killed()).toBe(false)
  })

  it('leads back from the question, and says no more than it did', async () => {
    const page = await open(link)
    await page.getByRole('button').click()
    await page.getByRole('link', { name: 'No, go back' }).click()
    await page.getByRole('heading', { name: /^Kill checkout/ }).waitFor()
    expect(await killed()).toBe(false)
  })

  it('is not for another site’s form to send', async () => {
    const form = `<form method="post" action="${link}"><input name="step" value="kill"><button>Win</button></form>`
    at.site.pages.set('/prize', { type: 'text/html', body: `<!doctype html>${form}` })
    const page = await open(`${at.site.origin}/prize`)
    await page.getByRole('button').click()
    await page.getByRole('heading', { name: /another site/ }).waitFor()
    expect(await killed()).toBe(false)
  })

  it('breaks no rule of its own policy, fits a phone, and can be read in light and dark', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await open(link, { colorScheme })
      const complaints: string[] = []
      page.on('console', (message) => complaints.push(message.text()))
      await page.reload()
      expect(complaints).toEqual([])
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(PHONE.width)
      const button = await page.getByRole('button').boundingBox()
      expect(button?.height).toBeGreaterThanOrEqual(48)
      for (const ratio of await page.evaluate(CONTRASTS)) expect(ratio).toBeGreaterThanOrEqual(4.5)
      await context.close()
    }
  })

  const NASTY = [
    '<script>document.title="owned"</script>',
    '"><img src=x onerror=\'document.title="owned"\'>',
    '</title></style></dl><svg onload=document.title="owned">',
    '<form action=https://evil.example><button>owned</button></form>',
    'javascript:document.title="owned"',
    '<style>body{display:none}</style><meta http-equiv=refresh content="0;url=https://evil.example">',
  ]
  it.each(NASTY)('shows others’ texts as texts: %s', async (text) => {
    const url = await linkOf(text)
    const page = await open(url)
    const requests: string[] = []
    page.on('request', (request) => requests.push(request.url()))
    const shown = async (): Promise<void> => {
      expect(await page.locator('dd', { hasText: text }).count()).toBe(1)
      expect(await page.title()).not.toContain('owned')
    }
    await page.reload()
    await shown()
    await page.getByRole('button').click()
    await shown()
    await fetch(url, {
      method: 'POST',
      body: JSON.stringify({ title: text }),
      headers: { 'content-type': 'application/json' },
    })
    await page.goto(url)
    await shown()
    expect(requests.filter((request) => !request.startsWith(at.server.url))).toEqual([])
  })
})

/** The contrast (WCAG 2.2) of each text on the page with what is behind it. */
const CONTRASTS = () => {
  const parts = (colour: string) => (colour.match(/[\d.]+/g) ?? []).map(Number)
  const luminance = (colour: string) => {
    const [r = 0, g = 0, b = 0] = parts(colour).map((part) => {
      const share = part / 255
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const behind = (element: Element | null): string => {
    if (element === null) return 'rgb(255, 255, 255)'
    const { backgroundColor } = getComputedStyle(element)
    return parts(backgroundColor)[3] === 0 ? behind(element.parentElement) : backgroundColor
  }
  return [...document.querySelectorAll('h1, p, dt, dd, button, a')].map((element) => {
    const [a, b] = [luminance(getComputedStyle(element).color), luminance(behind(element))]
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
  })
}
