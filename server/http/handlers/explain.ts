/** Explanations and comparisons: the evaluator's own, on any state of an environment. */
import { type Context, type Decision, entryOf, evaluate, explain } from '@halyard/sdk/core'
import type { Endpoints } from '../../contract/index.ts'
import { sameJson } from '../../domain/diff.ts'
import { Problem } from '../../domain/problem.ts'
import { fieldOf, listOf } from '../../domain/reading.ts'
import { decisionInWords } from '../../domain/words/decisions.ts'
import type { Environment, Live } from '../../live/live.ts'
import type { Call, Handlers, World } from '../call.ts'
import { checkContext } from '../contexts.ts'
import { findEnvironment, findNamed } from '../find.ts'
import { pageOf, sortedKeys } from '../listing.ts'
import { unknownKey } from '../problems.ts'
import { readAt, type Standpoint, showStandpoint, standpointAt } from '../standpoint.ts'

/** Flags a page where their steps are answered, too: a flag can have thousands of them. */
const MOST_WITH_STEPS = 100

export const explainHandlers: Handlers<'flags.explain' | 'flags.compare'> = {
  'flags.explain': async ({ params, query, body, manager }, world) => {
    const environment = findEnvironment(world.live, manager, params)
    const context = checkContext(body.context)
    const at = body.at === undefined ? undefined : readAt(body.at, 'at', '/at')
    const standpoint = await standpointAt(world, environment, at)
    const shown = showStandpoint(environment, standpoint)
    const { flag } = body
    if (flag === undefined) {
      const { steps = false, limit, cursor } = query
      const most = steps ? Math.min(limit ?? MOST_WITH_STEPS, MOST_WITH_STEPS) : limit
      const { explains } = evaluationsOf(standpoint, context, undefined)
      const { items, cursor: next } = pageOf(flagsOf(standpoint), { limit: most, cursor }, (key) => ({
        flag: key,
        ...(steps ? explains(key) : withoutSteps(explains(key))),
      }))
      return { status: 200, body: { ...shown, items, cursor: next } }
    }
    if (!hasFlag(standpoint, flag)) throw unknownThen(world.live, environment, standpoint, flag)
    const { explains } = evaluationsOf(standpoint, context, [flag])
    return { status: 200, body: { flag, ...shown, ...explains(flag) } }
  },

  'flags.compare': async (call, world) => {
    const [from, to] = [sideOf(call, world, 'from'), sideOf(call, world, 'to')]
    const context = checkContext(call.body.context)
    const left = await sideAt(call, world, 'from', from)
    const right = await sideAt(call, world, 'to', to)
    const { flags: named } = call.body
    const flags = comparedFlags(named, left, right)
    const one = evaluationsOf(left, context, named)
    const other = evaluationsOf(right, context, named)
    const different = flags.filter((flag) => !isSame(one.gives(flag), other.gives(flag)))
    const { items, cursor } = pageOf(different, call.query, (flag) => ({
      flag,
      from: withoutSteps(one.explains(flag)),
      to: withoutSteps(other.explains(flag)),
    }))
    const body = {
      from: showStandpoint(from, left),
      to: showStandpoint(to, right),
      same: flags.length - different.length,
      different: different.length,
      items,
      cursor,
    }
    return { status: 200, body }
  },
}

/**
 * What a standpoint makes of a context.
 * @param flags those that will be asked about; undefined: all of them
 */
function evaluationsOf(
  { compiled, now }: Standpoint,
  context: Context,
  flags: readonly string[] | undefined,
) {
  const ruleset = compiled(flags)
  const describe = (flag: string, rule: string): string | undefined => {
    const rules = listOf(fieldOf(ruleset.flags.get(flag)?.linked.entry.definition, 'rules'))
    const description = fieldOf(
      rules.find((one) => fieldOf(one, 'id') === rule),
      'description',
    )
    return typeof description === 'string' ? description : undefined
  }
  return {
    gives: (flag: string) => evaluate(ruleset, flag, context, now),
    explains(flag: string) {
      const { decision, steps } = explain(ruleset, flag, context, now)
      const because = decisionInWords({ decision, steps }, (rule, required = flag) =>
        describe(required, rule),
      )
      return { decision, because, steps }
    },
  }
}

const withoutSteps = ({ decision, because }: { readonly decision: Decision; readonly because: string }) => ({
  decision,
  because,
})

const hasFlag = ({ state }: Standpoint, flag: string) => entryOf(state, 'flag', flag) !== undefined
const flagsOf = ({ state }: Standpoint) => sortedKeys(state.entries.get('flag'))

/** A flag that was not there then may be now: that is told, too. */
function unknownThen(live: Live, environment: Environment, { state }: Standpoint, flag: string): Problem {
  const problem = unknownKey('flag-not-found', 'flag', flag, sortedKeys(state.entries.get('flag')))
  const present = live.live(environment.id)?.state
  if (present === undefined || present.revision === state.revision) return problem
  if (entryOf(present, 'flag', flag) === undefined) return problem
  return new Problem(
    'flag-not-found',
    `There was no flag ${JSON.stringify(flag)} here at revision ${state.revision}. There is one now: see its changes for since when.`,
    problem.details,
  )
}

type Compare = Call<Endpoints['flags.compare']>

const sideOf = ({ params, body, manager }: Compare, { live }: World, side: 'from' | 'to'): Environment =>
  findNamed(live, manager, params.project, `/${side}/environment`, body[side].environment)

function sideAt(
  { body }: Compare,
  world: World,
  side: 'from' | 'to',
  environment: Environment,
): Promise<Standpoint> {
  const { at } = body[side]
  return standpointAt(world, environment, at === undefined ? undefined : readAt(at, 'at', `/${side}/at`))
}

/** The flags of either side, sorted; those that are named must be on one of them. */
function comparedFlags(
  named: readonly string[] | undefined,
  left: Standpoint,
  right: Standpoint,
): readonly string[] {
  if (named === undefined) return [...new Set([...flagsOf(left), ...flagsOf(right)])].sort()
  const unknown = named.find((flag) => !hasFlag(left, flag) && !hasFlag(right, flag))
  if (unknown !== undefined)
    throw unknownKey('flag-not-found', 'flag', unknown, [...flagsOf(left), ...flagsOf(right)])
  return [...new Set(named)].sort()
}

/** Whether an app would notice nothing. */
function isSame(one: Decision, other: Decision): boolean {
  return (
    one.variant === other.variant && one.errorCode === other.errorCode && sameJson(one.value, other.value)
  )
}
