/** What apps told of a flag: evaluations over time, who reads it, and events by the variants that were served. */

import { USAGE_STEPS } from '../../contract/endpoints/usage.ts'
import type { Endpoints } from '../../contract/index.ts'
import { identityOf } from '../../domain/documents.ts'
import { Problem } from '../../domain/problem.ts'
import type { Environment, Live } from '../../live/live.ts'
import type { FlagUsage, UsageSum } from '../../store/store.ts'
import type { Call, Handlers } from '../call.ts'
import { findEnvironment, heldLog, keysOf } from '../find.ts'
import { unknownKey } from '../problems.ts'
import { readTime } from '../standpoint.ts'

const MINUTE_MS = 60_000
const DAY_MINUTES = 1_440
/** Steps of an answer; and those that one has which does not ask for any, about. */
const MOST_STEPS = 1_500
const USUAL_STEPS = 200
/** Apps of an answer. */
const MOST_APPS = 100

type Query = Call<Endpoints['flags.usage']>['query']
type Step = keyof typeof USAGE_STEPS

export const usageHandlers: Handlers<'flags.usage'> = {
  'flags.usage': async ({ params, query, manager }, { live, clock }) => {
    const environment = findEnvironment(live, manager, params)
    const { flag } = params
    expectFlag(live, environment, flag)
    const { from, until, step } = spanOf(query, Math.floor(clock.now() / MINUTE_MS))
    const span = { from, until, step: USAGE_STEPS[step] }
    const [usage, readers] = await Promise.all([
      live.flagUsage(environment.id, flag, span),
      live.readersOf(environment.id, flag, MOST_APPS),
    ])
    const visible = live.live(environment.id)?.compiled.flags.get(flag)?.visibility === 'client'
    const evaluated = usage.sums.filter(({ what }) => what === 'evaluated')
    // A flag that browsers do not see is in no answer to one.
    const fetched = usage.sums.filter(
      ({ what, name }) => what === 'fetched' && (visible || name === 'server'),
    )
    return {
      status: 200,
      body: {
        ...{ flag, from: instant(from), to: instant(until), step },
        lastEvaluatedAt: readers[0] === undefined ? null : new Date(readers[0].lastAt).toISOString(),
        evaluations: {
          total: totalOf(evaluated),
          variants: byVariant(evaluated).map(([variant, sums]) => ({ variant, count: totalOf(sums) })),
          series: byMinute(evaluated).map(([minute, sums]) => ({
            at: instant(minute),
            variants: byVariant(sums).map(([variant, of]) => ({ variant, count: totalOf(of) })),
          })),
        },
        apps: appsOf(usage, readers),
        fetched: {
          total: totalOf(fetched),
          series: byMinute(fetched).map(([minute, sums]) => ({ at: instant(minute), count: totalOf(sums) })),
        },
        events: eventsIn(usage.sums),
      },
    }
  },
}

/** An archived flag is one, too: whoever thinks of deleting it wants to see this. */
function expectFlag(live: Live, { id, project }: Environment, flag: string): void {
  if (live.live(id)?.compiled.flags.has(flag)) return
  const identities = heldLog(live, project.id)
  if (identityOf(identities.state, flag) !== undefined) return
  throw unknownKey('flag-not-found', 'flag', flag, keysOf(heldLog(live, id), 'flag'))
}

/** @throws Problem `invalid-request` */
function spanOf({ from, to, step: asked }: Query, now: number) {
  const minuteOf = (text: string, name: string) =>
    readTime(text, `The query parameter ${name}`, '') / MINUTE_MS
  const until = to === undefined ? now + 1 : Math.ceil(minuteOf(to, 'to'))
  const begin = from === undefined ? until - DAY_MINUTES : Math.floor(minuteOf(from, 'from'))
  const minutes = until - begin
  if (minutes <= 0) throw wrong('from must be before to')
  const names = Object.keys(USAGE_STEPS) as Step[]
  const step = asked ?? names.find((name) => minutes / USAGE_STEPS[name] <= USUAL_STEPS) ?? '1d'
  const size = USAGE_STEPS[step]
  if (minutes / size > MOST_STEPS) {
    throw wrong(`from ${instant(begin)} on there are more than ${MOST_STEPS} steps: ask for a longer step`)
  }
  return { from: Math.floor(begin / size) * size, until, step }
}

function wrong(what: string): Problem {
  const message = `The query parameters from, to and step: ${what}.`
  return new Problem('invalid-request', message, { errors: [{ pointer: '', message }] })
}

const instant = (minute: number): string => new Date(minute * MINUTE_MS).toISOString()
const totalOf = (sums: readonly UsageSum[]): number => sums.reduce((total, { count }) => total + count, 0)

function groupsOf<K>(sums: readonly UsageSum[], keyOf: (sum: UsageSum) => K): ReadonlyMap<K, UsageSum[]> {
  const groups = new Map<K, UsageSum[]>()
  for (const sum of sums) {
    const group = groups.get(keyOf(sum))
    if (group === undefined) groups.set(keyOf(sum), [sum])
    else group.push(sum)
  }
  return groups
}

const byMinute = (sums: readonly UsageSum[]) => [...groupsOf(sums, ({ minute }) => minute)]
function byVariant(sums: readonly UsageSum[]): readonly (readonly [string | null, readonly UsageSum[]])[] {
  const groups = [...groupsOf(sums, ({ variant }) => variant)].sort(([a], [b]) => (a < b ? -1 : 1))
  return groups.map(([variant, of]) => [variant === '' ? null : variant, of])
}

function eventsIn(sums: readonly UsageSum[]) {
  const events = groupsOf(
    sums.filter(({ what }) => what === 'event'),
    ({ name }) => name,
  )
  return [...events]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([event, of]) => ({
      event,
      variants: byVariant(of).map(([variant, group]) => {
        const count = totalOf(group)
        const sum = group.reduce((total, one) => total + one.sum, 0)
        return { variant, count, sum, mean: sum / count }
      }),
    }))
}

type Readers = Awaited<ReturnType<Live['readersOf']>>

/** Who read it last comes first, whether within the time that was asked for or before. */
function appsOf({ apps }: FlagUsage, readers: Readers) {
  const nameOf = ({ app, version }: { readonly app: string; readonly version: string }) =>
    `${app}\n${version}`
  const counts = new Map(apps.map((app) => [nameOf(app), app.count]))
  const newest = new Map<string, Readers[number]>()
  for (const reader of readers) if (!newest.has(nameOf(reader))) newest.set(nameOf(reader), reader)
  return [...newest].map(([name, { app, version, lastAt }]) => ({
    app: app || null,
    version: version || null,
    evaluations: counts.get(name) ?? 0,
    lastEvaluatedAt: new Date(lastAt).toISOString(),
  }))
}
