import { expect, test } from 'vitest'
import { retryAfterMs } from '../../../sdk/transport/retry-after.ts'

const now = Date.parse('2026-01-01T00:00:00Z')

test.each([
  ['whole seconds', '12', 12_000],
  ['an HTTP date', 'Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
  ['less than a second', '0', 1_000],
  ['a date that is past', 'Wed, 31 Dec 2025 00:00:00 GMT', 1_000],
  ['days', '864000', 300_000],
  ['more digits than a number holds', '9'.repeat(400), 300_000],
])('%s', (_, header, ms) => {
  expect(retryAfterMs(header, now)).toBe(ms)
})

test.each([undefined, '', '  ', 'soon', '-5x'])('%j says nothing', (header) => {
  expect(retryAfterMs(header, now)).toBeUndefined()
})
