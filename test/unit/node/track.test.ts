import { type Context, compile } from '@halyard/sdk/core'
import { expect, test } from 'vitest'
import { createEvaluation } from '../../../sdk/node/evaluation.ts'
import { complaining, guarded } from '../../../sdk/node/logger.ts'
import { createTelemetry, type Telemetry } from '../../../sdk/node/telemetry.ts'
import { SURROUNDINGS } from '../../../sdk/node/timing.ts'
import { createTrack } from '../../../sdk/node/track.ts'
import { recorder } from './clients.ts'
import { booleanFlag, environment } from './rulesets.ts'

const rules = [
  { id: 'pro', when: { attribute: 'plan', op: 'in', values: ['pro'] }, serve: { variant: 'on' } } as const,
]
const state = environment({
  pro: booleanFlag(false, { rules }),
  other: booleanFlag(true),
  unread: booleanFlag(true),
})

function tracking() {
  const happened: unknown[][] = []
  const telemetry: Telemetry = {
    ...createTelemetry(SURROUNDINGS),
    happened: (event, value, key, { variant }) => void happened.push([event, value, key, variant]),
  }
  const evaluation = createEvaluation({
    ...{ base: { plan: 'free' }, clock: Date.now, telemetry },
    facts: () => ({ source: 'poll', epoch: 1, revision: 1, ageMs: 0 }),
  })
  evaluation.serve(compile(state))
  const { logger, logged } = recorder()
  return {
    happened,
    evaluation,
    flags: evaluation.getters,
    logged,
    track: createTrack(telemetry, evaluation, complaining(guarded(logger), 'track')),
  }
}

test('an event is attributed to what its context gets of the flags that were read, and is no read', () => {
  const { flags, track, happened } = tracking()
  track('visit', {})
  expect(happened).toEqual([])
  flags.boolean('pro', false)
  flags.boolean('other', false)
  track('purchase', { plan: 'pro' }, { value: 19.9 })
  track('visit', {})
  expect(happened).toEqual([
    ['purchase', 19.9, 'pro', 'on'],
    ['purchase', 19.9, 'other', 'on'],
    ['visit', 0, 'pro', 'off'],
    ['visit', 0, 'other', 'on'],
  ])
})

test('an overridden flag proves nothing, and one that is gone, neither', () => {
  const { flags, track, happened, evaluation } = tracking()
  flags.boolean('pro', false)
  flags.boolean('other', false)
  evaluation.override('other', false)
  evaluation.serve(compile(environment({ other: booleanFlag(true) })))
  track('visit', {})
  evaluation.serve(undefined, 'It is too old.')
  track('visit', {})
  expect(happened).toEqual([])
})

test.each<[string, string, Context, { value?: number } | undefined, unknown[][], RegExp]>([
  ['no name', '', {}, undefined, [], /name of an event/],
  ['a name that cannot be seen', 'a\nb', {}, undefined, [], /name of an event/],
  ['a value that is no number', 'a', {}, { value: Number.NaN }, [['a', 0, 'pro', 'off']], /counts as 0/],
  ['a value beyond adding', 'a', {}, { value: 1e300 }, [['a', 0, 'pro', 'off']], /counts as 0/],
])('%s is said once, and never thrown', (_, event, context, details, counted, said) => {
  const { flags, track, happened, logged } = tracking()
  flags.boolean('pro', false)
  track(event, context, details as { value: number })
  track(event, context, details as { value: number })
  expect(happened).toEqual([...counted, ...counted])
  expect(logged.map(({ level, message }) => [level, message])).toEqual([
    ['warn', expect.stringMatching(said)],
  ])
})

test('a context that cannot be read harms nobody', () => {
  const { flags, track } = tracking()
  flags.boolean('pro', false)
  const trap = new Proxy(
    {},
    {
      get: () => {
        throw new Error('no')
      },
      ownKeys: () => {
        throw new Error('no')
      },
    },
  )
  track('visit', trap as Context)
  track('visit', null as unknown as Context, null as unknown as { value: number })
  track(undefined as unknown as string, {})
})
