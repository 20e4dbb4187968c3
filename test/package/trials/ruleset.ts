/** One flag, as a server sends it: on for plan pro. */
import { entryDigest, type Ruleset } from '@halyard/sdk/core'

export const RULESET: Ruleset = {
  schema: 1,
  bucketing: 'halyard-1',
  project: 'default',
  environment: 'test',
  epoch: 1,
  revision: 1,
  digest: entryDigest('flag', 'checkout', 1),
  pending: {},
  endedKills: [],
  entries: {
    flag: {
      checkout: {
        revision: 1,
        definition: {
          type: 'boolean',
          enabled: true,
          visibility: 'client',
          variants: { on: true, off: false },
          offVariant: 'off',
          prerequisites: [],
          targets: [],
          rules: [
            { id: 'pro', when: { attribute: 'plan', op: 'in', values: ['pro'] }, serve: { variant: 'on' } },
          ],
          fallthrough: { variant: 'off' },
        },
      },
    },
  },
}
