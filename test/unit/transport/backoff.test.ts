import { expect, test } from 'vitest'
import { createBackoff } from '../../../sdk/transport/backoff.ts'

const options = { firstMs: 1_000, mostMs: 30_000, healthyMs: 60_000 }

test('the ceiling doubles from one second to thirty', () => {
  const backoff = createBackoff({ ...options, random: () => 0.5 })
  const waits = Array.from({ length: 7 }, () => backoff.failed(0))
  expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000])
})

test('jitter is full: any wait below the ceiling can come out', () => {
  expect(createBackoff({ ...options, random: () => 0 }).failed(0)).toBe(0)
  expect(createBackoff({ ...options, random: () => 0.999 }).failed(0)).toBe(999)
})

test('a success that did not last a minute changes nothing', () => {
  const backoff = createBackoff({ ...options, random: () => 0.5 })
  backoff.failed(0)
  backoff.failed(0)
  backoff.succeeded(1_000)
  expect(backoff.failed(60_999)).toBe(2_000)
})

test('a minute of health resets it', () => {
  const backoff = createBackoff({ ...options, random: () => 0.5 })
  backoff.failed(0)
  backoff.failed(0)
  backoff.succeeded(1_000)
  backoff.succeeded(50_000)
  expect(backoff.failed(61_000)).toBe(500)
})

test('health is counted from the success that followed the last failure', () => {
  const backoff = createBackoff({ ...options, random: () => 0.5 })
  backoff.succeeded(0)
  backoff.failed(61_000)
  backoff.failed(61_000)
  backoff.succeeded(62_000)
  expect(backoff.failed(70_000)).toBe(2_000)
})

test('after a thousand failures it is still a number below the highest ceiling', () => {
  const backoff = createBackoff({ ...options, random: () => 0.5 })
  for (let failures = 0; failures < 1_000; failures++) backoff.failed(0)
  expect(backoff.failed(0)).toBe(15_000)
})
