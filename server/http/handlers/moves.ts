/** Reverts and promotions: many documents at once, told one by one. */
import { boundedDiffOf, sameJson } from '../../domain/diff.ts'
import { collectFaults } from '../../domain/faults.ts'
import { Problem } from '../../domain/problem.ts'
import { promote } from '../../domain/promote.ts'
import { readInstant } from '../../domain/reading.ts'
import { revert } from '../../domain/revert.ts'
import { type DocumentChange, subjectsOf, summaryOf } from '../../domain/words/changes.ts'
import type { Environment, Live } from '../../live/live.ts'
import type { At } from '../../store/store.ts'
import type { Handlers, Manager } from '../call.ts'
import { findEnvironment } from '../find.ts'
import { commit, outcomeOf } from '../write.ts'

const MOST_LINES = 1_000

export const moveHandlers: Handlers<'environments.revert' | 'promotions.create'> = {
  'environments.revert': async (call, { live }) => {
    const environment = findEnvironment(live, call.manager, call.params)
    const { toRevision, flags, segments } = call.body
    const past = await live.past(environment.id, atOf(toRevision))
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
    const source = findNamed(live, call.manager, call.params.project, 'from', from)
    const target = findNamed(live, call.manager, call.params.project, 'to', to)
    const committed = await commit(live, call, {
      scope: { path: [source.id, target.id] },
      edit: promote(source.id, target.id, { flags, parts, segments, plan }),
      environment: target,
    })
    const { result } = committed
    const body = {
      items: itemsOf(result.documents),
      ...(call.dryRun ? { plan: result.plan } : {}),
      ...outcomeOf(live, call, committed, target.id),
    }
    return { status: 200, body }
  },
}

/** @throws Problem `invalid-document` for a text that is no time */
function atOf(toRevision: number | string): At {
  if (typeof toRevision === 'number') return { revision: toRevision }
  const faults = collectFaults()
  const instant = readInstant(toRevision, { faults, pointer: '/toRevision' }, 'What is no revision')
  faults.refuse()
  return { time: Date.parse(instant) }
}

/** An environment that the body names. @throws Problem with a pointer to it */
function findNamed(
  live: Live,
  manager: Manager,
  project: string,
  field: 'from' | 'to',
  env: string,
): Environment {
  try {
    return findEnvironment(live, manager, { project, env })
  } catch (error) {
    if (!(error instanceof Problem) || error.type !== 'environment-not-found') throw error
    const { type, message, details } = error
    throw new Problem(type, message, { ...details, errors: [{ pointer: `/${field}`, message }] })
  }
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
