/** A built page in a headless Chromium; the page sends what it found to the server that it came from. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join, normalize } from 'node:path'
import { foundChromium, QUIET } from '../support/chromium.ts'

export const CHROMIUM = foundChromium()
const FLAGS = ['--headless', ...QUIET]
const TYPES: Readonly<Record<string, string>> = { '.html': 'text/html', '.js': 'text/javascript' }
const WITHIN_MS = 60_000

/** @param folder with an `index.html` that POSTs its results to /results */
export async function resultsInChromium(folder: string): Promise<Record<string, string>> {
  if (CHROMIUM === undefined) throw new Error('there is no Chromium')
  const profile = mkdtempSync(join(tmpdir(), 'halyard-chromium-'))
  let take: (text: string) => void = () => {}
  const taken = new Promise<string>((resolve) => {
    take = resolve
  })
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://page')
    if (request.method === 'POST' && pathname === '/results') {
      let body = ''
      for await (const part of request) body += part
      response.end()
      take(body)
      return
    }
    const file = join(folder, normalize(pathname === '/' ? '/index.html' : pathname))
    const content = await readFile(file).catch(() => undefined)
    response.writeHead(content === undefined ? 404 : 200, {
      'content-type': TYPES[extname(file)] ?? 'text/plain',
    })
    response.end(content)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const page = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const browser = spawn(CHROMIUM, [...FLAGS, `--user-data-dir=${profile}`, page], {
    stdio: 'ignore',
    detached: true,
  })
  const gone = new Promise<void>((resolve) => browser.once('exit', () => resolve()))
  const late = AbortSignal.timeout(WITHIN_MS)
  try {
    return JSON.parse(
      await Promise.race([
        taken,
        new Promise<never>((_, reject) => {
          late.addEventListener('abort', () => reject(new Error(`no result within ${WITHIN_MS} ms`)))
        }),
      ]),
    )
  } finally {
    // It has processes of its own, which write to its profile until they end.
    if (browser.pid !== undefined) process.kill(-browser.pid, 'SIGKILL')
    await gone
    server.closeAllConnections()
    server.close()
    rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
  }
}
