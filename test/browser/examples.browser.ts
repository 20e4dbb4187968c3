/** The examples that are pages, run as their README says, in a real browser. */
import { join } from 'node:path'
import type { BrowserContext, Page } from 'playwright-core'
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { ROOT } from '../support/build.ts'
import { freePort } from '../support/postgres-process.ts'
import { DEVELOPMENT, sdkKey } from '../support/rest.ts'
import { until } from '../support/until.ts'
import { rig } from './rig.ts'

const at = rig()
const CHECKOUT = `${DEVELOPMENT}/flags/checkout`
let context: BrowserContext
let secret: string

beforeAll(async () => {
  secret = await sdkKey(at.api, 'server')
})
beforeEach(async () => {
  context = await at.browser.newContext()
})
afterEach(async () => {
  await context.close()
  await at.api.ask('DELETE', `${CHECKOUT}/kill`)
})

/** Starts an example. @returns its address, once it answers */
async function started(
  script: string,
  args: (port: string) => readonly string[] = () => [],
): Promise<string> {
  const port = String(await freePort())
  const settings = {
    PORT: port,
    HALYARD_URL: at.server.url,
    HALYARD_SDK_KEY: secret,
    HALYARD_CLIENT_KEY: at.key,
    VITE_HALYARD_URL: at.server.url,
    VITE_HALYARD_KEY: at.key,
  }
  const running = at.all.startScript(join(ROOT, script), settings, args(port))
  await until(`${script} says where it is`, () => {
    if (running.child.exitCode !== null) throw new Error(running.stderr())
    return running.stdout().includes(port)
  })
  return `http://127.0.0.1:${port}/`
}

async function open(address: string): Promise<{ page: Page; complaints: string[] }> {
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    // Chromium asks for an icon.
    if (message.type() === 'error' && !/404/.test(message.text())) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  await page.goto(address)
  return { page, complaints }
}

/** The page shows the flag as it is, and a kill and its end without a reload. */
async function follows({ page, complaints }: Awaited<ReturnType<typeof open>>): Promise<void> {
  const shows = (text: string) => page.locator('#checkout', { hasText: text }).waitFor({ timeout: 15_000 })
  await shows('new checkout')
  await at.api.must('PUT', `${CHECKOUT}/kill`)
  await shows('old checkout')
  await at.api.must('DELETE', `${CHECKOUT}/kill`)
  await shows('new checkout')
  expect(complaints).toEqual([])
}

it('page: a plain page, without a bundler', async () => {
  await follows(await open(await started('examples/page/serve.js')))
})

it('react: a page of Vite and React', async () => {
  const vite = 'node_modules/vite/bin/vite.js'
  const address = await started(vite, (port) => ['examples/react', '--port', port, '--host', '127.0.0.1'])
  await follows(await open(address))
})

it('ssr: what the server renders is the flag, and the page follows it', async () => {
  const address = await started('examples/ssr/server.js')
  expect(await (await fetch(address)).text()).toContain('<p id="checkout">old checkout</p>')
  const sent = await (await fetch(`${address}?plan=pro`)).text()
  expect(sent).toContain('<p id="checkout">new checkout</p>')
  expect(sent).not.toContain('canary')
  await follows(await open(`${address}?plan=pro`))
})
