/**
 * The baseline of `http`: Fastify alone. It parses the same POST bodies and answers constants of the sizes given as
 * arguments: port, bytes of the single answer, bytes of the bulk answer.
 */
import fastify from 'fastify'

const [port, single, bulk] = process.argv.slice(2).map(Number)
const constant = (bytes: number | undefined) =>
  JSON.stringify({ filled: 'x'.repeat(Math.max(0, (bytes ?? 0) - 13)) })
const one = constant(single)
const all = constant(bulk)
const ETAG = '"1700000000-1-0123456789abcdef"'

const app = fastify()
app.get('/health/ready', () => ({ ready: true }))
app.post('/ofrep/v1/evaluate/flags/:key', (_request, reply) => {
  reply.header('content-type', 'application/json; charset=utf-8').send(one)
})
app.post('/ofrep/v1/evaluate/flags', (request, reply) => {
  if (request.headers['if-none-match'] === ETAG) return reply.code(304).header('etag', ETAG).send()
  return reply.header('content-type', 'application/json; charset=utf-8').header('etag', ETAG).send(all)
})
process.once('SIGTERM', () => void app.close())
await app.listen({ host: '127.0.0.1', port: port ?? 0 })
