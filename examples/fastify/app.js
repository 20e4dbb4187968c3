/** A shop's API: what it does depends on flags, who asks decides which values. */
import fastify from 'fastify'

/** @param {import('@halyard/sdk/node').Client} flags a connected client; or `testFlags(…)`, in tests of this app */
export function createApp(flags) {
  const app = fastify()

  // One context a request: routes then ask by key and default alone.
  app.decorateRequest('flags', null)
  app.addHook('onRequest', async (request) => {
    request.flags = flags.for({
      targetingKey: request.headers['x-user'],
      plan: request.headers['x-plan'] ?? 'free',
    })
  })

  app.get('/checkout', async (request) => ({
    page: request.flags.boolean('checkout', false) ? 'new checkout' : 'old checkout',
  }))

  // Alive without flags, too: then every flag gives its default.
  app.get('/health', async () => ({ flags: flags.status().state }))

  app.addHook('onClose', () => flags.close())
  return app
}
