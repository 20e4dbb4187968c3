import { emptyState, rulesetOf, stateOf } from '@halyard/sdk/core'
import { expect, it } from 'vitest'
import { gathered, rulesetText } from '../../../server/live/ruleset-text.ts'
import { boolean, edited, started } from './support.ts'

const whole = async (state: Parameters<typeof rulesetText>[0]) =>
  JSON.parse((await gathered(rulesetText(state))).toString())

it('says what the wire form says, whatever documents are called', async () => {
  const odd = ['a', '7', '__proto__', 'constructor', 'with"quote', 'ünïcode'].map((key) => [
    `flag/${key}`,
    boolean(),
  ])
  const state = {
    ...started({ ...Object.fromEntries(odd), 'segment/beta': { by: 'targetingKey', when: null } }),
    pending: new Map([['__proto__', [{ id: 'k1', by: 'Ann', at: '2027-01-01T00:00:00Z' }]]]),
    endedKills: new Set(['k0']),
  }
  expect(stateOf(await whole(state))).toEqual(state)
  expect(await whole(state)).toEqual(JSON.parse(JSON.stringify(rulesetOf(state))))
  expect(stateOf(await whole(emptyState('shop', '', 1)))).toEqual(emptyState('shop', '', 1))
})

it('comes in pieces, so that a large state keeps nobody waiting', async () => {
  const large = edited(
    started(),
    Object.fromEntries(
      Array.from({ length: 400 }, (_, index) => [`flag/f${index}`, boolean({ note: 'x'.repeat(1_000) })]),
    ),
  )
  const pieces = [...rulesetText(large)]
  expect(pieces.length).toBeGreaterThan(5)
  expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(100_000)
  expect(stateOf(JSON.parse(pieces.join('')))).toEqual(large)
})

it('is written though a document is nested too deep for others to be read by recursion', async () => {
  const definition = JSON.parse(`{"rules":${'['.repeat(20_000)}${']'.repeat(20_000)}}`)
  const state = started({ 'flag/deep': definition, 'flag/good': boolean() })
  const { entries } = await whole(state)
  expect(entries.flag.good.definition).toEqual(boolean())
  let levels = 0
  for (let inner = entries.flag.deep.definition.rules; inner !== undefined; inner = inner[0]) levels += 1
  expect(levels).toBe(20_000)
})
