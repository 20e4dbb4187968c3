/**
 * What the tests of evaluations share: a state with flags of every shape, and contexts to ask it with.
 */
import type { Compiled, Context, Json, State } from '@halyard/sdk/core'
import fc from 'fast-check'
import type { LiveEnvironment } from '../../../server/live/live.ts'
import { boolean, started } from './support.ts'

export const CANARY = 'canary-7f3a'
export const TURN = 1_800_000_060_000

const is = (attribute: string, ...values: Json[]): Json => ({ attribute, op: 'in', values })
const rule = (id: string, when: Json, serve: Json = { variant: 'off' }): Json => ({ id, when, serve })
const split = (by: string, missing: string | null = null): Json => ({
  split: {
    by,
    salt: 'salt',
    shares: [
      { variant: 'on', percent: 50 },
      { variant: 'off', percent: 50 },
    ],
    ranges: [
      { variant: 'on', from: 0, to: 50_000 },
      { variant: 'off', from: 50_000, to: 100_000 },
    ],
    ...(missing !== null && { missing }),
  },
})
const client = (over: Readonly<Record<string, Json>> = {}): Json => boolean({ visibility: 'client', ...over })

/** Of every shape, each hidden name with the canary in it. */
export const STATE: State = started({
  'flag/static': client(),
  'flag/rules': client({
    rules: [rule(`${CANARY}-rule`, is('plan', 'pro', 1, true)), rule('r2', { segment: CANARY })],
  }),
  'flag/nested': client({ rules: [rule('r1', is('user.address.city', 'Bern'))] }),
  'flag/split': client({ fallthrough: split('targetingKey', 'off') }),
  'flag/strict': client({ fallthrough: split('device.id') }),
  'flag/targets': client({
    targets: [{ variant: 'off', by: 'targetingKey', units: [`${CANARY}-user`, 'u1'] }],
  }),
  'flag/requires': client({ prerequisites: [{ flag: `${CANARY}-flag`, variants: ['on'] }] }),
  'flag/dated': client({ rules: [rule('r1', { attribute: '$now', op: 'after', values: [TURN] })] }),
  'flag/off': client({ enabled: false, offVariant: null }),
  'flag/killed': client(),
  'kill/killed': { id: 'x', by: CANARY, at: '2027-01-01T00:00:00Z', comment: CANARY },
  'flag/objects': client({
    type: 'object',
    variants: { on: { list: [1, 'two', null], __proto: {} }, off: {} },
    fallthrough: { variant: 'on' },
  }),
  'flag/broken': client({ variants: CANARY, rules: `${CANARY} is no list` }),
  [`flag/${CANARY}-flag`]: boolean({ enabled: false }),
  'flag/hidden': boolean({ rules: [rule(CANARY, is('plan', 'pro'))] }),
  [`segment/${CANARY}`]: { by: 'targetingKey', when: is('email', 'ann@example.com') },
})

export const environmentOf = (compiled: Compiled, id = 'env_1'): LiveEnvironment => ({
  id,
  compiled,
  state: compiled.state,
})

const scalar = fc.oneof(
  fc.constantFrom('pro', '1', 1, true, 'true', 'Bern', 'u1', 'ann@example.com', '', null, 0),
  fc.double(),
  fc.string(),
)
export const context = fc.record(
  {
    targetingKey: scalar,
    plan: fc.oneof(scalar, fc.array(scalar)),
    email: scalar,
    user: fc.oneof(scalar, fc.record({ address: fc.oneof(scalar, fc.record({ city: scalar })) })),
    'user.address.city': scalar,
    device: fc.record({ id: scalar }, { requiredKeys: [] }),
    'device.id': scalar,
    unrelated: fc.jsonValue(),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<Context>
/** So few that the same come again. */
export const few = fc.record(
  {
    targetingKey: fc.constantFrom('u1', 1, '1'),
    plan: fc.constantFrom('pro', 1, [1], 'free'),
    unrelated: fc.nat(5),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<Context>
export const scope = fc.constantFrom('server' as const, 'client' as const)

/** An answer without the stream token in it, which each key has its own of. */
export function withoutToken(body: Buffer | string): string {
  return body.toString().replace(/token=[^"]*/, '')
}
