/** What other instances of the service say: signed with a key that only this installation has. */
import type { FastifyInstance } from 'fastify'
import { Problem } from '../domain/problem.ts'
import type { Live } from '../live/live.ts'
import { PEER_PASS, PEER_PATH } from '../live/peers.ts'

/** Kills of a whole environment, with their comments. */
const MOST_BYTES = 32 * 2 ** 20

export function servePeers(scope: FastifyInstance, live: Pick<Live, 'admits' | 'receive'>): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('text/plain', { parseAs: 'string' }, (_request, text, done) => done(null, text))
  scope.post(
    PEER_PATH,
    {
      bodyLimit: MOST_BYTES,
      config: { open: 'Instances sign what they say with a key of the installation.' },
      // Before the body is read: nobody else may make this process hold one of that size.
      onRequest: async ({ headers }) => {
        const pass = headers[PEER_PASS]
        if (!live.admits(typeof pass === 'string' ? pass : undefined)) throw stranger()
      },
    },
    async (request, reply) => {
      const answer = typeof request.body === 'string' ? await live.receive(request.body) : undefined
      if (answer === undefined) throw stranger()
      return reply.header('cache-control', 'no-store').type('text/plain').send(answer)
    },
  )
}

const stranger = () => new Problem('unauthenticated', 'Instances of one installation alone may speak here.')
