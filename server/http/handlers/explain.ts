/** Explanations and comparisons: the evaluator's own, on any state of an environment. */
import { type Context, evaluate, explain } from '@halyard/sdk/core'
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

type Explained = ReturnType<typeof explained>

function explained({ compiled, now }: Standpoint, flag: string, context: Context) {
  const { decision, steps } = explain(compiled, flag, context, now)
  const describeRule = (rule: string, required = flag) => {
    const definition = compiled.flags.get(required)?.linked.entry.definition
    const description = fieldOf(
      listOf(fieldOf(definition, 'rules')).find((one) => fieldOf(one, 'id') === rule),
      'description',
    )
    return typeof description === 'string' ? description : undefined
  }
  return { decision, because: decisionInWords({ decision, steps }, describeRule), steps }
}

const withoutSteps = ({ decision, because }: Explained) => ({ decision, because })

const flagsOf = ({ compiled }: Standpoint) => sortedKeys(compiled.state.entries.get('flag'))

/** A flag that was not there then may be now: that is told, too. */
function unknownThen(live: Live, environment: Environment, standpoint: Standpoint, flag: string): Problem {
  const problem = unknownKey('flag-not-found', 'flag', flag, flagsOf(standpoint))
  const { revision } = standpoint.compiled.state
  const present = live.live(environment.id)?.state
  const since = present?.entries.get('flag')?.get(flag)?.revision
  if (since === undefined || present?.revision === revision) return problem
  return new Problem(
    'flag-not-found',
    `There was no flag ${JSON.stringify(flag)} here at revision ${revision}. There is one now: see its changes for since when.`,
    problem.details,
  )
}

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
      const most = steps
        ? { limit: Math.min(limit ?? MOST_WITH_STEPS, MOST_WITH_STEPS), cursor }
        : { limit, cursor }
      const { items, cursor: next } = pageOf(flagsOf(standpoint), most, (key) => {
        const one = explained(standpoint, key, context)
        return { flag: key, ...(steps ? one : withoutSteps(one)) }
      })
      return { status: 200, body: { ...shown, items, cursor: next } }
    }
    if (!standpoint.compiled.flags.has(flag)) throw unknownThen(world.live, environment, standpoint, flag)
    return { status: 200, body: { flag, ...shown, ...explained(standpoint, flag, context) } }
  },

  'flags.compare': async (call, world) => {
    const from = sideOf(call, world, 'from')
    const to = sideOf(call, world, 'to')
    const context = checkContext(call.body.context)
    const [left, right] = [await sideAt(call, world, 'from', from), await sideAt(call, world, 'to', to)]
    const flags = comparedFlags(call.body.flags, left, right)
    const different = flags.filter((flag) => !givesSame(left, right, flag, context))
    const { items, cursor } = pageOf(different, call.query, (flag) => ({
      flag,
      from: withoutSteps(explained(left, flag, context)),
      to: withoutSteps(explained(right, flag, context)),
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
  const unknown = named.find((flag) => !left.compiled.flags.has(flag) && !right.compiled.flags.has(flag))
  if (unknown !== undefined)
    throw unknownKey('flag-not-found', 'flag', unknown, [...flagsOf(left), ...flagsOf(right)])
  return [...new Set(named)].sort()
}

/** Whether an app would notice nothing. */
function givesSame(left: Standpoint, right: Standpoint, flag: string, context: Context): boolean {
  const one = evaluate(left.compiled, flag, context, left.now)
  const other = evaluate(right.compiled, flag, context, right.now)
  return (
    one.variant === other.variant && one.errorCode === other.errorCode && sameJson(one.value, other.value)
  )
}
