import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { openVitalSigns } from '../../../server/vital-signs.ts'

function keepBusy(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until) {}
}

it('sees a loop whose every turn is longer than the time between two looks', async () => {
  const signs = openVitalSigns()
  await sleep(50)
  signs.delayMs()
  const seen: number[] = []
  for (let turn = 0; turn < 3; turn += 1) {
    keepBusy(300)
    await new Promise((resolve) => setImmediate(resolve))
    seen.push(signs.delayMs())
  }
  expect(Math.min(...seen)).toBeGreaterThan(100)
})
