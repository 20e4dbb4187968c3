/** `node examples/page/serve.js`, with HALYARD_URL and HALYARD_CLIENT_KEY set: the page, and the SDK's files beside it. */
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'

const PAGE = new URL('index.html', import.meta.url)
const SDK = new URL('..', import.meta.resolve('@halyard/sdk/browser'))

createServer(async (request, response) => {
  const { pathname } = new URL(request.url ?? '/', 'http://page')
  try {
    if (pathname === '/') {
      const page = (await readFile(PAGE, 'utf8')).replace(
        /%(HALYARD_(?:URL|CLIENT_KEY))%/g,
        (_, name) => process.env[name],
      )
      response.setHeader('content-type', 'text/html').end(page)
    } else if (pathname.startsWith('/sdk/')) {
      // What a URL normalises cannot lead out of the folder.
      const file = await readFile(fileURLToPath(new URL(`.${pathname.slice('/sdk'.length)}`, SDK)))
      response.setHeader('content-type', 'text/javascript').end(file)
    } else response.writeHead(404).end()
  } catch {
    response.writeHead(404).end()
  }
}).listen(Number(process.env.PORT ?? 3000), '127.0.0.1', function () {
  console.log(`The page is at http://127.0.0.1:${this.address().port}`)
})
