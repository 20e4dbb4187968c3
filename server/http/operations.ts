/** Health, metrics and documents: what operators and their tools call, without a key. */
import { createHash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { docsPage } from '../contract/docs.ts'
import { DOCS_STYLE } from '../contract/docs-style.ts'
import { endpoints } from '../contract/index.ts'
import { openapi } from '../contract/openapi.ts'
import type { Live } from '../live/live.ts'
import type { Metrics } from './metrics.ts'

/** Seconds; the documents change with the release alone. */
const DOCUMENTS_FRESH = 'public, max-age=300'

/** The docs page may use its own style, known by its hash, and nothing else. */
const DOCS_SECURITY_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(DOCS_STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

export function serveOperations(
  scope: FastifyInstance,
  { live, metrics, version }: { readonly live: Live; readonly metrics: Metrics; readonly version: string },
): void {
  // Balancers ask by HEAD, too.
  const route = (id: keyof typeof endpoints) => ({
    exposeHeadRoute: true,
    config: { endpoint: endpoints[id] },
  })
  let document: string | undefined
  let page: string | undefined

  scope.get(endpoints['health.live'].path, route('health.live'), (_request, reply) =>
    reply.header('cache-control', 'no-store').send({ status: 'ok', version }),
  )

  scope.get(endpoints['health.ready'].path, route('health.ready'), (_request, reply) => {
    const { ready, draining, store, redis, environments } = live.status()
    const healthy = store.ok && !store.readOnly && redis?.ok !== false && environments.every(({ ok }) => ok)
    const status = draining ? 'draining' : !ready ? 'starting' : healthy ? 'ready' : 'degraded'
    return reply
      .code(ready ? 200 : 503)
      .header('cache-control', 'no-store')
      .send({
        status,
        version,
        store: { ok: store.ok, ...(store.readOnly && { readOnly: true }) },
        ...(redis && { redis: { ok: redis.ok } }),
        environments: environments.map(
          ({ environment, ok, epoch, revision, source, wentBack, flagsInError }) => ({
            environment,
            ok,
            epoch,
            revision,
            ...(source && { source }),
            ...(wentBack && { wentBack }),
            flagsInError: flagsInError.length,
          }),
        ),
      })
  })

  scope.get(endpoints.metrics.path, route('metrics'), async (_request, reply) =>
    reply
      .header('content-type', metrics.registry.contentType)
      .header('cache-control', 'no-store')
      .send(await metrics.registry.metrics()),
  )

  scope.get(endpoints.openapi.path, route('openapi'), (_request, reply) => {
    document ??= JSON.stringify(openapi(version))
    return reply
      .header('content-type', 'application/json; charset=utf-8')
      .header('cache-control', DOCUMENTS_FRESH)
      .send(document)
  })

  scope.get(endpoints.docs.path, route('docs'), (_request, reply) => {
    page ??= docsPage(version)
    return reply
      .header('content-type', 'text/html; charset=utf-8')
      .header('cache-control', DOCUMENTS_FRESH)
      .header('content-security-policy', DOCS_SECURITY_POLICY)
      .header('x-content-type-options', 'nosniff')
      .header('referrer-policy', 'no-referrer')
      .send(page)
  })
}
