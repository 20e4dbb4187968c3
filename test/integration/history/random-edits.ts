/** Edits of one environment as people make them all day, at random: rules, ramps, members, kills, reverts. */
import type { TestService } from '../../support/start-service.ts'
import type { Random } from './random.ts'

export const FLAGS = Array.from({ length: 12 }, (_, index) => `flag-${index}`)
export const SEGMENTS = ['beta', 'staff']
const VARIANTS = ['on', 'off', 'half']
const PLANS = ['free', 'pro', 'team']

export const USERS = {
  ada: { targetingKey: 'ada', plan: 'pro', version: '2.4.0' },
  ben: { targetingKey: 'ben', plan: 'free', version: '1.0.0' },
  eve: { targetingKey: 'user-42', plan: 'team' },
  nobody: {},
} as const
const UNITS = ['ada', 'ben', 'user-42', 'zoe']

const PROJECT = '/api/v1/projects/default'
const ENVIRONMENT = `${PROJECT}/environments/development`

export type RandomEdit = { readonly method: string; readonly url: string; readonly body?: unknown }

/** Makes the flags and segments that the edits are of. */
export async function prepare(service: TestService): Promise<void> {
  for (const key of SEGMENTS) await service.ask('PUT', `${ENVIRONMENT}/segments/${key}`, { body: {} })
  for (const key of FLAGS) {
    await service.ask('POST', `${PROJECT}/flags`, {
      body: {
        key,
        type: 'string',
        variants: { on: 'on', off: 'off', half: 'half' },
        offVariant: 'off',
        fallthrough: { variant: 'off' },
      },
    })
  }
}

function serve(random: Random): object {
  if (random.chance(0.4)) return { variant: random.pick(VARIANTS) }
  const first = random.below(100_001) / 1000
  const second = random.below(Math.round((100 - first) * 1000) + 1) / 1000
  const rest = Math.round((100 - first - second) * 1000) / 1000
  return {
    split: {
      shares: VARIANTS.map((variant, index) => ({ variant, percent: [first, second, rest][index] })),
      ...(random.chance(0.3) ? { by: 'plan' } : {}),
    },
  }
}

function condition(random: Random): object {
  const simple = () =>
    random.pick([
      { attribute: 'plan', op: random.pick(['in', 'notIn']), values: [random.pick(PLANS)] },
      { attribute: 'version', op: 'semverGte', values: ['2.0.0'] },
      { attribute: 'targetingKey', op: 'startsWith', values: ['user-'] },
      { segment: random.pick(SEGMENTS) },
    ])
  return random.pick<() => object>([
    simple,
    () => ({ not: simple() }),
    () => ({ all: [simple(), simple()] }),
    () => ({ any: [simple(), simple()] }),
  ])()
}

const rule = (random: Random, id: string) => ({ id, when: condition(random), serve: serve(random) })

/** @param revisions that a revert may go back to */
export function nextEdit(random: Random, revisions: readonly number[]): RandomEdit {
  const flag = `${ENVIRONMENT}/flags/${random.pick(FLAGS)}`
  const segment = `${ENVIRONMENT}/segments/${random.pick(SEGMENTS)}`
  const chance = random.below(100)
  if (chance < 18) return { method: 'PUT', url: `${flag}/fallthrough`, body: missing(random, serve(random)) }
  if (chance < 36) {
    const rules = ['r1', 'r2', 'r3'].filter(() => random.chance(0.6)).map((id) => rule(random, id))
    return { method: 'PATCH', url: flag, body: { rules } }
  }
  if (chance < 46) return { method: 'POST', url: `${flag}/${random.pick(['enable', 'enable', 'disable'])}` }
  if (chance < 54) return { method: 'PUT', url: `${flag}/kill`, body: { comment: 'INC' } }
  if (chance < 62) return { method: 'DELETE', url: `${flag}/kill?acceptEdits=true` }
  if (chance < 70) return { method: 'PATCH', url: segment, body: { when: condition(random) } }
  if (chance < 80) {
    const [one, two] = [random.pick(UNITS), random.pick(UNITS)]
    const [add, remove] = random.chance(0.5) ? ['included', 'excluded'] : ['excluded', 'included']
    return {
      method: 'PATCH',
      url: `${segment}/members`,
      body: { [add]: { add: [one] }, [remove]: { remove: [one, two] } },
    }
  }
  if (chance < 85) {
    const units = UNITS.filter(() => random.chance(0.4))
    return { method: 'PUT', url: `${flag}/targets/${random.pick(VARIANTS)}`, body: { units } }
  }
  if (chance < 89) {
    const other = random.pick(FLAGS)
    const prerequisites = random.chance(0.5) ? [] : [{ flag: other, variants: ['on', 'half'] }]
    return { method: 'PATCH', url: flag, body: { prerequisites } }
  }
  if (chance < 91)
    return {
      method: 'POST',
      url: `${PROJECT}/flags/${FLAGS[0]}/${random.pick(['archive', 'unarchive', 'unarchive'])}`,
    }
  const whole = random.chance(0.3)
  return {
    method: 'POST',
    url: `${ENVIRONMENT}/revert`,
    body: {
      toRevision: random.pick(revisions),
      ...(whole ? {} : { flags: [random.pick(FLAGS)] }),
      comment: 'back',
    },
  }
}

/** In a fallthrough the unit may be missing, and the shares are all there is. */
function missing(random: Random, served: object): object {
  if (!('split' in served) || random.chance(0.5)) return served
  return { split: { ...(served.split as object), missing: 'half' } }
}
