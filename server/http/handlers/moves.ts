/** Reverts and promotions: many documents at once, told one by one. */
import { boundedDiffOf, sameJson } from '../../domain/diff.ts'
import { promote } from '../../domain/promote.ts'
import { revert } from '../../domain/revert.ts'
import { type DocumentChange, subjectsOf, summaryOf } from '../../domain/words/changes.ts'
import { tellArchived } from '../archived.ts'
import type { Handlers } from '../call.ts'
import { findEnvironment, findNamed } from '../find.ts'
import { readPastAt } from '../standpoint.ts'
import { commit, outcomeOf } from '../write.ts'

const MOST_LINES = 1_000

export const moveHandlers: Handlers<'environments.revert' | 'promotions.create'> = {
  'environments.revert': async (call, { live, clock }) => {
    const environment = findEnvironment(live, call.manager, call.params)
    const { toRevision, flags, segments } = call.body
    const at = readPastAt(toRevision, 'What is no revision', '/toRevision', clock.now())
    const past = await live.past(environment.id, at)
    const committed = await commit(live, call, {
      scope: { path: [environment.project.id, environment.id] },
      edit: revert(environment.id, past.state, { flags, segments }),
      environment,
    })
    const body = {
      toRevision: past.state.revision,
      toTime: new Date(past.at).toISOString(),
      items: itemsOf(committed.result),
      ...outcomeOf(live, call, committed, environment.id),
    }
    return { status: 200, body }
  },

  'promotions.create': async (call, { live }) => {
    const { from, to, flags, parts, segments, plan } = call.body
    const source = findNamed(live, call.manager, call.params.project, '/from', from)
    const target = findNamed(live, call.manager, call.params.project, '/to', to)
    const committed = await commit(live, call, {
      scope: { path: [source.id, target.id] },
      edit: promote(source.id, target.id, { flags, parts, segments, plan }),
      environment: target,
    }).catch(tellArchived(live, source, ...flags))
    const { result } = committed
    const body = {
      items: itemsOf(result.documents),
      ...(call.dryRun ? { plan: result.plan } : {}),
      ...outcomeOf(live, call, committed, target.id),
    }
    return { status: 200, body }
  },
}

/** Members are told in words alone: there may be a million of them. */
function itemsOf(documents: readonly DocumentChange[]): readonly object[] {
  return subjectsOf(documents).map(({ kind, key, documents }) => {
    const summary = summaryOf(documents)
    const [document] = documents
    if (kind === 'members' || document === undefined) {
      return { kind, key, change: 'updated', summary, diff: [] }
    }
    const { lines, leftOff } = boundedDiffOf(document.before, document.after, MOST_LINES)
    return {
      kind,
      key,
      change: changeOf(document),
      summary,
      diff: lines,
      ...(leftOff === 0 ? {} : { leftOff }),
    }
  })
}

function changeOf({ before, after }: DocumentChange): string {
  if (sameJson(before, after)) return 'unchanged'
  return before === null ? 'created' : after === null ? 'deleted' : 'updated'
}
