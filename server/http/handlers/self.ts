/** What any secret key may do with itself: end. */
import { revokeApiKey } from '../../domain/api-keys.ts'
import { SYSTEM } from '../../domain/change.ts'
import { Problem } from '../../domain/problem.ts'
import { revokeSdkKey } from '../../domain/sdk-keys.ts'
import type { Handlers } from '../call.ts'
import { commit, outcomeOf } from '../write.ts'
import { refuseConfigured } from './api-keys.ts'

export const selfHandlers: Handlers<'keys.revoke-self'> = {
  // Never held up for a comment: the key may be in the wrong hands.
  'keys.revoke-self': async (call, { live }) => {
    const { manager: self } = call
    const { keyId: id } = self
    if (self.kind === 'management') refuseConfigured(live, id)
    const [log, edit] =
      self.kind === 'management'
        ? [SYSTEM, revokeApiKey(id, live)]
        : [self.environment.project.id, revokeSdkKey(self.environment.project.id, self.environment.id, id)]
    const committed = await commit<unknown>(live, call, { scope: { path: [log] }, edit }).catch(
      (error: unknown) => {
        const gone = error instanceof Problem && error.type.endsWith('-not-found')
        throw gone ? new Problem('unauthenticated', 'This key was ended a moment ago.') : error
      },
    )
    return { status: 200, body: { key: id, deleted: true, ...outcomeOf(live, call, committed, log) } }
  },
}
