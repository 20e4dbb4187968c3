/** That the check of sizes would find an evaluator; `npm run size` is the check. */
import { expect, test } from 'vitest'
// @ts-expect-error a plain script, without types
import { bundle, evaluatorIn } from '../../../scripts/size.mjs'

test('the entry for pages holds no evaluator, and one that does is found out', async () => {
  expect(evaluatorIn(await bundle(['browser']))).toEqual([])
  expect(evaluatorIn(await bundle(['core'])).join()).toContain('sdk/core/evaluate.ts')
  expect(evaluatorIn({ code: 'const bucketing = 1', modules: [] })).toHaveLength(1)
})
