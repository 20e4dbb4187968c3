import { once } from 'node:events'
import http from 'node:http'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { type TcpProxy, tcpProxy } from '../../support/tcp-proxy.ts'
import {
  answeringWith,
  corrupting,
  holdingBack,
  losingAnswers,
  manglingChunks,
  manglingMessages,
} from '../../support/treatments.ts'
import { until } from '../../support/until.ts'

let echo: Server
let url: string
const served = new Set<Socket>()
beforeAll(async () => {
  echo = createServer((socket) => {
    served.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => served.delete(socket))
    socket.pipe(socket)
  }).listen(0, '127.0.0.1')
  await once(echo, 'listening')
  url = `http://127.0.0.1:${(echo.address() as AddressInfo).port}`
})
afterAll(() => {
  for (const socket of served) socket.destroy()
  echo.close()
})

async function open(proxy: TcpProxy) {
  const socket = connect(proxy.port, '127.0.0.1')
  const seen = { text: '', closed: false }
  socket.on('data', (bytes) => {
    seen.text += bytes.toString('latin1')
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    seen.closed = true
  })
  await once(socket, 'connect')
  onTestFinished(() => void socket.destroy())
  return { socket, seen, says: (text: string) => until(`"${text}" arrives`, () => seen.text === text) }
}

async function proxied(): Promise<TcpProxy> {
  const proxy = await tcpProxy(url)
  onTestFinished(() => proxy.close())
  return proxy
}

it('passes bytes and ends on, both ways', async () => {
  const proxy = await proxied()
  const { socket, seen, says } = await open(proxy)
  socket.write('one')
  await says('one')
  socket.end('two')
  await says('onetwo')
  await until('the end arrives', () => seen.closed)
  expect(proxy.connections()).toBe(0)
  expect(proxy.via('http://user@host:1/path?q=1')).toBe(`http://user@127.0.0.1:${proxy.port}/path?q=1`)
})

it('delays without changing the order', async () => {
  const proxy = await proxied()
  const { socket, says } = await open(proxy)
  proxy.delay(30)
  for (const piece of ['a', 'b', 'c']) socket.write(piece)
  await says('abc')
  proxy.heal()
  socket.write('d')
  await says('abcd')
})

it('freezes what is open and what comes, and lets it all through afterwards', async () => {
  const proxy = await proxied()
  const before = await open(proxy)
  before.socket.write('before ')
  await before.says('before ')
  proxy.freeze()
  const during = await open(proxy)
  before.socket.write('during')
  during.socket.write('during')
  const other = await tcpProxy(url)
  onTestFinished(() => other.close())
  const beside = await open(other)
  beside.socket.write('beside')
  await beside.says('beside')
  expect([before.seen, during.seen]).toEqual([
    { text: 'before ', closed: false },
    { text: '', closed: false },
  ])
  proxy.heal()
  await Promise.all([before.says('before during'), during.says('during')])
})

it('loses the far end without a word, for what is open alone', async () => {
  const proxy = await proxied()
  const lost = await open(proxy)
  lost.socket.write('there')
  await lost.says('there')
  proxy.vanish()
  lost.socket.write('nobody')
  const next = await open(proxy)
  next.socket.write('again')
  await next.says('again')
  expect(lost.seen).toEqual({ text: 'there', closed: false })
})

it('cuts what is open; taken away it refuses, and given back it works', async () => {
  const proxy = await proxied()
  const cut = await open(proxy)
  proxy.cut()
  await until('it is cut', () => cut.seen.closed)
  const away = await open(proxy)
  await proxy.takeAway()
  await until('it is gone', () => away.seen.closed)
  const refused = connect(proxy.port, '127.0.0.1')
  const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException]
  expect(error.code).toBe('ECONNREFUSED')
  await proxy.giveBack()
  const back = await open(proxy)
  back.socket.write('back')
  await back.says('back')
})

it('loses answers from a point on', async () => {
  const proxy = await proxied()
  proxy.treat(losingAnswers((bytes) => bytes.includes('COMMIT')))
  const { socket, seen, says } = await open(proxy)
  socket.write('BEGIN ')
  await says('BEGIN ')
  socket.write('COMMIT ')
  const other = await open(proxy)
  other.socket.write('BEGIN ')
  await other.says('BEGIN ')
  expect(seen).toEqual({ text: 'BEGIN ', closed: false })
})

it('changes one byte of each piece', async () => {
  const proxy = await proxied()
  proxy.treat(corrupting(1, () => 0.5))
  const { socket, seen } = await open(proxy)
  socket.write('abcdefgh')
  await until('it arrives', () => seen.text.length === 8)
  expect([...seen.text].filter((char, at) => char !== 'abcdefgh'[at])).toHaveLength(1)
})

it('holds back what answers a request of one kind, until it is enough', async () => {
  const proxy = await proxied()
  proxy.treat(holdingBack(/text\/event-stream/, 60))
  const plain = await open(proxy)
  plain.socket.write('GET / HTTP/1.1\r\n\r\n')
  await plain.says('GET / HTTP/1.1\r\n\r\n')
  const streamed = await open(proxy)
  const head = 'GET / HTTP/1.1\r\nAccept: text/event-stream\r\n\r\n'
  streamed.socket.write(head)
  plain.socket.write('more')
  await plain.says('GET / HTTP/1.1\r\n\r\nmore')
  expect(streamed.seen.text).toBe('')
  streamed.socket.write('enough of it now')
  await streamed.says(`${head}enough of it now`)
})

it('answers with a page in the place of the server', async () => {
  const proxy = await proxied()
  proxy.treat(answeringWith('<h1>Log in</h1>'))
  const answer = await fetch(`http://127.0.0.1:${proxy.port}/sdk/v1/ruleset`)
  expect([answer.status, answer.headers.get('content-type'), await answer.text()]).toEqual([
    200,
    'text/html',
    '<h1>Log in</h1>',
  ])
})

it('repeats, drops and reorders the chunks of a stream, and leaves its frame whole', async () => {
  const server = http
    .createServer((_, response) => {
      response.write('one;')
      response.write('two;')
      response.write('three;')
      setImmediate(() => response.end('four;'))
    })
    .listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const proxy = await tcpProxy(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  onTestFinished(() => proxy.close())
  let late: Buffer[] = []
  proxy.treat(
    manglingChunks((chunk) => {
      if (chunk.toString() === 'one;') {
        late = [chunk]
        return []
      }
      const before = late
      late = []
      return [chunk, ...before, chunk]
    }),
  )
  expect(await (await fetch(`http://127.0.0.1:${proxy.port}`)).text()).toBe(
    'two;one;two;three;three;four;four;',
  )
})

it('drops and repeats what Redis publishes, and nothing else that it says', async () => {
  const proxy = await proxied()
  proxy.treat(manglingMessages((message) => (message.includes('lost') ? [] : [message, message])))
  const { socket, says } = await open(proxy)
  const published = (text: string) => `*3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$${text.length}\r\n${text}\r\n`
  const answer = '*2\r\n$4\r\npong\r\n:12\r\n'
  socket.write(`${answer}+OK\r\n${published('lost')}${published('kept').slice(0, 20)}`)
  await says(`${answer}+OK\r\n`)
  socket.write(`${published('kept').slice(20)}$-1\r\n`)
  await says(`${answer}+OK\r\n${published('kept')}${published('kept')}$-1\r\n`)
})
