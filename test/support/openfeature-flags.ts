/**
 * The flags that the tests of OpenFeature clients evaluate: one of each type, and one of each way to have no value.
 */
import { DEVELOPMENT, PROJECT, type Rest } from './rest.ts'

/** Stands in every text that a client key must never see. */
export const CANARY = 'canary'

const on = { variant: 'on' }
const proRule = {
  id: `${CANARY}-rule`,
  description: `${CANARY} description`,
  when: { attribute: 'plan', op: 'in', values: ['pro', `${CANARY}-plan`] },
}

/** By key: the flag, and its configuration in the development environment. */
const FLAGS: Readonly<Record<string, { flag: object; configuration: object }>> = {
  checkout: {
    flag: { type: 'boolean', visibility: 'client' },
    configuration: {
      variants: { on: true, off: false },
      offVariant: 'off',
      rules: [{ ...proRule, serve: on }],
      fallthrough: { variant: 'off' },
    },
  },
  theme: {
    flag: { type: 'string', variants: { dark: '#000', light: '' }, offVariant: 'light' },
    configuration: {
      variants: { dark: '#000', light: '' },
      offVariant: 'light',
      fallthrough: { variant: 'light' },
      targets: [{ variant: 'dark', units: ['ada', `${CANARY}-unit`] }],
    },
  },
  limit: {
    flag: { type: 'number', variants: { few: 0, many: 12.5 }, offVariant: 'few' },
    configuration: {
      variants: { few: 0, many: 12.5 },
      offVariant: 'few',
      fallthrough: { variant: 'many' },
    },
  },
  banner: {
    flag: {
      type: 'object',
      variants: { sale: { title: 'Sale', parts: [1, { two: null }] } },
      offVariant: null,
    },
    configuration: {
      variants: { sale: { title: 'Sale', parts: [1, { two: null }] } },
      offVariant: null,
      fallthrough: { variant: 'sale' },
    },
  },
  /** On, and gives no value: the code default applies. */
  quiet: {
    flag: { type: 'boolean', variants: { on: true, off: false }, offVariant: null },
    configuration: { variants: { on: true, off: false }, offVariant: null, fallthrough: null },
  },
  /** Needs an attribute that not every context has. */
  'by-account': {
    flag: { type: 'boolean' },
    configuration: {
      variants: { on: true, off: false },
      offVariant: 'off',
      fallthrough: { split: { by: 'account', shares: [{ variant: 'on', percent: 100 }] } },
    },
  },
  /** Never shown to a client key. */
  [`${CANARY}-internal`]: {
    flag: { type: 'boolean' },
    configuration: { variants: { on: true, off: false }, offVariant: 'off', fallthrough: on },
  },
}

/** Makes the flags, enabled; all but the internal one are visible to clients. */
export async function makeFlags(api: Rest): Promise<void> {
  for (const [key, { flag, configuration }] of Object.entries(FLAGS)) {
    await api.must('POST', `${PROJECT}/flags`, { key, ...flag })
    const visibility = key.startsWith(CANARY) ? 'server' : 'client'
    await api.must(
      'PUT',
      `${DEVELOPMENT}/flags/${key}`,
      { ...configuration, enabled: true, visibility },
      { 'if-match': '*' },
    )
  }
}
