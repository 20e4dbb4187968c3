/** Carries a plan out, step by step, and says where it stopped when something comes between. */
import { type Api, at, Refused } from '../api.ts'
import { plural } from '../output.ts'
import { problemText } from '../problem-text.ts'
import type { Outcome } from '../shapes.ts'
import type { Plan } from './plan.ts'

export type Applied = {
  readonly what: string
  readonly flag?: string
  readonly environment?: string
  readonly revision?: number
}

/**
 * First what the project needs (flags are made disabled, so that this harms nobody), then each environment as one
 * commit, then what is archived.
 * @throws Refusal that names what was done before it
 */
export async function applyPlan(
  api: Api,
  plan: Plan,
  comment: string | undefined,
): Promise<readonly Applied[]> {
  const applied: Applied[] = []
  const { project, identities, environments } = plan
  const flagAt = (...parts: readonly string[]): string => at('projects', project, 'flags', ...parts)
  const step = async (done: Applied, write: () => Promise<Outcome>): Promise<void> => {
    try {
      const { revision } = await write()
      applied.push(done.environment === undefined ? done : { ...done, revision })
    } catch (error) {
      throw stopped(error, done, applied)
    }
  }
  for (const { key, body } of identities.create) {
    await step({ what: 'made', flag: key }, () => api.write('POST', flagAt(), { body, comment }))
  }
  for (const { key, patch, ifMatch } of identities.update) {
    await step({ what: 'described', flag: key }, () =>
      api.write('PATCH', flagAt(key), { body: patch, ifMatch, comment }),
    )
  }
  for (const { environment, changes } of environments) {
    if (changes.length === 0) continue
    const path = at('projects', project, 'environments', environment, 'commits')
    const body = { changes, ...(comment !== undefined && { comment }) }
    await step({ what: plural(changes.length, 'change'), environment }, () =>
      api.write('POST', path, { body, query: { ranges: 'keep' } }),
    )
  }
  for (const key of identities.archive) {
    const body = comment === undefined ? {} : { body: { comment } }
    await step({ what: 'archived', flag: key }, () => api.write('POST', flagAt(key, 'archive'), body))
  }
  return applied
}

const STALE = new Set(['revision-conflict', 'stale'])

function stopped(error: unknown, at: Applied, applied: readonly Applied[]): unknown {
  if (!(error instanceof Refused)) return error
  const where = at.environment ?? `flag ${at.flag}`
  const before =
    applied.length === 0
      ? 'Nothing was changed.'
      : `Done before it: ${applied.map(({ environment, flag, what }) => `${environment ?? flag} (${what})`).join(', ')}.`
  const said = STALE.has(error.kind ?? '')
    ? `Somebody changed ${where} since the plan was made, so it was left as it is. ${before} Run halyard plan again, and look.`
    : `${where} was refused. ${before}`
  return new Refused(error.problem, `${said}\n${problemText(error.problem)}`)
}
