/** A site on localhost whose pages load the SDK from its sources, bundled as an app would. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'vite'
import { ROOT } from '../support/build.ts'
import type { Props } from './pages/react.ts'

export type ReactVersion = 18 | 19

const aliases = (version: ReactVersion) =>
  version === 19
    ? []
    : [
        { find: /^react-dom(?=\/|$)/, replacement: 'react-dom-18' },
        { find: /^react(?=\/|$)/, replacement: 'react-18' },
      ]

/** One of `pages`, in one file. */
export async function bundled(page: string, version: ReactVersion = 19, server = false): Promise<string> {
  const built = await build({
    configFile: false,
    root: ROOT,
    logLevel: 'error',
    mode: 'development',
    define: server ? {} : { 'process.env.NODE_ENV': '"development"' },
    resolve: { conditions: ['source', 'module', 'import', 'default'], alias: aliases(version) },
    ssr: { noExternal: true, resolve: { conditions: ['source', 'node', 'import', 'default'] } },
    build: {
      write: false,
      minify: false,
      modulePreload: false,
      target: 'es2022',
      ssr: server,
      rollupOptions: {
        input: join(ROOT, 'test/browser/pages', page),
        onLog: (level, log, handler) => log.code !== 'MODULE_LEVEL_DIRECTIVE' && handler(level, log),
      },
    },
  })
  if (!('output' in built)) throw new Error('one build was expected')
  return built.output[0].code
}

/** What renders the React page on a server. */
export async function renderer(version: ReactVersion): Promise<(props: Props) => Promise<string>> {
  const cache = join(ROOT, 'node_modules/.cache')
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, 'halyard-pages-'))
  try {
    const file = join(folder, 'server.mjs')
    writeFileSync(file, await bundled('react-server.ts', version, true))
    return (await import(pathToFileURL(file).href)).render
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export type Site = {
  readonly origin: string
  /** By path. */
  readonly pages: Map<string, { readonly type: string; readonly body: string }>
  close(): void
}

/** @param host whose pages are they? Every name of localhost is a secure context. */
export async function site(host = 'localhost'): Promise<Site> {
  const pages: Site['pages'] = new Map()
  const server = createServer((request, response) => {
    const page = pages.get(new URL(request.url ?? '', 'http://site').pathname)
    if (page === undefined) response.writeHead(404).end()
    else response.writeHead(200, { 'content-type': `${page.type}; charset=utf-8` }).end(page.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://${host}:${(server.address() as AddressInfo).port}`,
    pages,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** Keeps every text that `#variant` ever had, and what it was in each frame. */
const RECORDER = `
  const recorded = { texts: [], frames: [] }
  const text = () => document.getElementById('variant')?.textContent ?? null
  const note = () => { const now = text(); if (now !== recorded.texts.at(-1)) recorded.texts.push(now) }
  new MutationObserver(note).observe(document, { childList: true, subtree: true, characterData: true })
  const frame = () => { recorded.frames.push(text()); requestAnimationFrame(frame) }
  requestAnimationFrame(frame)`

export const html = (body: string, script: string): { type: string; body: string } => ({
  type: 'text/html',
  body: `<!doctype html><html><head><meta charset="utf-8"><script>${RECORDER}</script></head><body>${body}<script type="module">${script}</script></body></html>`,
})
