/**
 * What the base load evaluates: flags of every shape that it edits, users of several kinds, and each question that
 * apps ask about them.
 */
import type { Context, Json } from '@halyard/sdk/core'
import { ANY, DEVELOPMENT, PROJECT, type Rest } from '../../support/rest.ts'

/** A question of the load, and the default of whoever asks. */
export type Probe = { readonly flag: string; readonly fallback: Json; readonly user: number }

export const USERS: readonly Context[] = Array.from({ length: 12 }, (_, index) => ({
  targetingKey: `user-${index}`,
  plan: ['free', 'pro', 'team'][index % 3],
  version: ['1.9.0', '2.3.0', '2.10.1', '3.0.0'][index % 4],
  age: 20 + 3 * index,
  ...(index % 4 === 0 ? {} : { company: { country: ['de', 'fr', 'jp'][index % 3] } }),
}))

/** Numbers whose value is the number of the write that set it: what any revision serves is known beforehand. */
export const NUMBERED = Array.from({ length: 6 }, (_, index) => `number-${index}`)
export const RULED = Array.from({ length: 3 }, (_, index) => `rules-${index}`)
export const SPLIT = ['split-0', 'split-1']
/** Killed and un-killed by turns. */
export const KILLED = Array.from({ length: 4 }, (_, index) => `kill-${index}`)
/** Serve on where `kill-0`, and where the segment, let them. */
const DEPENDENT = 'dependent'
const SEGMENTED = 'segmented'
export const SEGMENT = 'beta'
/** Of no flag's: for writes that are large. */
export const FILLING = 'filling'

const FALLBACKS: Readonly<Record<string, Json>> = {
  ...Object.fromEntries(NUMBERED.map((key) => [key, -2])),
  ...Object.fromEntries(RULED.map((key) => [key, 'code'])),
  ...Object.fromEntries([...SPLIT, ...KILLED, DEPENDENT, SEGMENTED].map((key) => [key, false])),
}

export const PROBES: readonly Probe[] = USERS.flatMap((_, user) =>
  Object.entries(FALLBACKS).map(([flag, fallback]) => ({ flag, fallback, user })),
)

/** Conditions that the rules of the load are made of. */
export const CONDITIONS = [
  { attribute: 'plan', op: 'in', values: ['pro'] },
  {
    all: [
      { attribute: 'plan', op: 'notIn', values: ['free'] },
      { attribute: 'age', op: 'gte', values: [40] },
    ],
  },
  { attribute: 'version', op: 'semverGte', values: ['2.3.0'] },
  { not: { attribute: 'company.country', op: 'exists', values: [] } },
  { any: [{ segment: SEGMENT }, { attribute: 'company.country', op: 'startsWith', values: ['j'] }] },
] as const

/** Makes the flags, with the management API. */
export async function makeFlags(api: Rest): Promise<void> {
  const enable = (key: string) => api.must('POST', `${DEVELOPMENT}/flags/${key}/enable`)
  for (const key of [SEGMENT, FILLING])
    await api.must('PUT', `${DEVELOPMENT}/segments/${key}`, { when: null })
  for (const key of NUMBERED) {
    await api.must('POST', `${PROJECT}/flags`, {
      key,
      type: 'number',
      variants: { current: 0, off: -1 },
      offVariant: 'off',
      fallthrough: { variant: 'current' },
      visibility: 'client',
    })
    await enable(key)
  }
  for (const key of RULED) {
    await api.must('POST', `${PROJECT}/flags`, {
      key,
      type: 'string',
      variants: { in: 'in', out: 'out' },
      offVariant: 'out',
      fallthrough: { variant: 'out' },
    })
    await enable(key)
  }
  for (const key of [...KILLED, ...SPLIT, DEPENDENT, SEGMENTED]) {
    await api.must('POST', `${PROJECT}/flags`, { key, type: 'boolean' })
    await api.must('PUT', `${DEVELOPMENT}/flags/${key}/fallthrough`, { variant: 'on' }, ANY)
    await enable(key)
  }
  const patch = (key: string, body: unknown) => api.must('PATCH', `${DEVELOPMENT}/flags/${key}`, body, ANY)
  await patch(DEPENDENT, { prerequisites: [{ flag: KILLED[0], variants: ['on'] }] })
  await patch(SEGMENTED, {
    rules: [{ when: { segment: SEGMENT }, serve: { variant: 'on' } }],
    fallthrough: { variant: 'off' },
  })
}
