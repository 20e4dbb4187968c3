/**
 * `node examples/ssr/server.js`, with HALYARD_URL, HALYARD_SDK_KEY (a server key) and HALYARD_CLIENT_KEY set. Renders as
 * Next and its kin do: flags are evaluated here, and go into the page with the HTML that they made.
 */
import { createServer } from 'node:http'
import { connect } from '@halyard/sdk/node'
import { createElement } from 'react'
import { renderToString } from 'react-dom/server'
import { createServer as createVite } from 'vite'

const { HALYARD_URL, HALYARD_CLIENT_KEY, PORT = '3000' } = process.env
const flags = await connect({ app: { name: 'shop-ssr', version: '1.0.0' } })
const server = createServer()
// Vite transforms the JSX and serves the page's script; a build would do the first once and for all.
const vite = await createVite({
  root: import.meta.dirname,
  appType: 'custom',
  esbuild: { jsx: 'automatic' },
  server: { middlewareMode: true, hmr: { server } },
})

async function page(url) {
  // The context is the request's: who is logged in, where they are. All of it travels to the page.
  const data = flags.dehydrate({
    targetingKey: 'user-1',
    plan: new URL(url, HALYARD_URL).searchParams.get('plan') ?? 'free',
  })
  const { App } = await vite.ssrLoadModule('/app.jsx')
  const html = renderToString(createElement(App, { bootstrap: { ...data } }))
  // toScript escapes what HTML would take for its own.
  const json = `{"url":${JSON.stringify(HALYARD_URL)},"key":${JSON.stringify(HALYARD_CLIENT_KEY)},"flags":${data.toScript()}}`
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Shop</title><div id="root">${html}</div>
<script type="application/json" id="data">${json}</script><script type="module" src="/client.jsx"></script></html>`
}

server.on('request', (request, response) => {
  vite.middlewares(request, response, async () => {
    if (new URL(request.url, HALYARD_URL).pathname !== '/') return response.writeHead(404).end()
    try {
      response.setHeader('content-type', 'text/html').end(await page(request.url))
    } catch (error) {
      console.error(error)
      response.writeHead(500).end()
    }
  })
})
server.listen(Number(PORT), '127.0.0.1', () => console.log(`The shop is at http://127.0.0.1:${PORT}`))
