/** The flag that most tests begin with. */
import type { FlagConfig } from '@halyard/sdk/core'

/**
 * A boolean flag as a log keeps it: enabled, without rules, `off` for everybody.
 * @param fields what is another about it; it need not be sound
 */
export const plainFlag = (fields: object = {}): FlagConfig => ({
  type: 'boolean',
  enabled: true,
  visibility: 'server',
  variants: { on: true, off: false },
  offVariant: 'off',
  prerequisites: [],
  targets: [],
  rules: [],
  fallthrough: { variant: 'off' },
  ...fields,
})
