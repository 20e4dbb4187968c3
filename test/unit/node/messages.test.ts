import { murmur3 } from '@halyard/sdk/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { messageOf } from '../../../sdk/node/messages.ts'

const hash = (data: string) => murmur3(data, 0).toString(16)
const of = (type: string, content: unknown, id?: string | null) => {
  const data = typeof content === 'string' ? content : JSON.stringify(content)
  const own = id === null ? undefined : (id ?? `7-3-${hash(data)}`)
  return messageOf({ type, data, id: own, lastEventId: own ?? '' })
}

describe('an event that is whole', () => {
  test('a delta is passed on to be applied', () => {
    expect(of('delta', { epoch: 7 })).toEqual({ type: 'delta', delta: { epoch: 7 } })
  })
  test('heartbeat and reload name a state', () => {
    const at = { epoch: 7, revision: 3 }
    expect(of('heartbeat', at)).toEqual({ type: 'heartbeat', at })
    expect(of('reload', { ...at, more: 1 })).toEqual({ type: 'reload', at })
  })
  test('pending names kills', () => {
    const pending = { a: [{ id: 'k', by: 'x', at: 'y' }] }
    expect(of('pending', { pending, endedKills: ['j'] })).toEqual({
      type: 'pending',
      pending,
      endedKills: ['j'],
    })
  })
  test('goodbye says when to come back', () => {
    expect(of('goodbye', { retryMs: 250 })).toEqual({ type: 'goodbye', retryMs: 250 })
    expect(of('goodbye', { retryMs: -1 })).toEqual({ type: 'goodbye', retryMs: 0 })
  })
  test('a question names the time that its answer has', () => {
    expect(of('ask', { ackWithinMs: 40 })).toEqual({ type: 'ask', withinMs: 40 })
  })
  test('the hash in an id may be padded or not', () => {
    const data = '{"epoch":1,"revision":1}'
    expect(of('heartbeat', data, `1-1-${hash(data).padStart(8, '0')}`).type).toBe('heartbeat')
  })
  test('an event of a later wire is unknown, whatever it holds', () => {
    expect(of('weather', 'not JSON', '1-1-0')).toEqual({ type: 'unknown' })
  })
})

describe('an event that is not', () => {
  test.each<[string, string, unknown, (string | null)?]>([
    ['a delta whose id does not hold', 'delta', {}, '7-3-0'],
    ['a delta without an id', 'delta', {}, null],
    ['pending kills without an id', 'pending', { pending: {}, endedKills: [] }, null],
    ['a heartbeat without an id', 'heartbeat', { epoch: 1, revision: 1 }, null],
    ['a reload without an id', 'reload', { epoch: 1, revision: 1 }, null],
    ['a goodbye without an id', 'goodbye', { retryMs: 1 }, null],
    ['a question without a time', 'ask', {}],
    ['an id of another form', 'heartbeat', { epoch: 1, revision: 1 }, 'abc'],
    ['no JSON', 'heartbeat', '<html>'],
    ['no object', 'reload', [1]],
    ['a revision that is no count', 'heartbeat', { epoch: 1, revision: 1.5 }],
    ['kills that are no list', 'pending', { pending: { a: {} }, endedKills: [] }],
    ['a kill without an id', 'pending', { pending: { a: [{}] }, endedKills: [] }],
    ['ended kills that are no texts', 'pending', { pending: {}, endedKills: [1] }],
  ])('%s is damaged', (_, type, content, id) => {
    expect(of(type, content, id).type).toBe('damaged')
  })
})

test('whatever a stream carries, reading it does not throw', () => {
  const type = fc.constantFrom('delta', 'pending', 'heartbeat', 'reload', 'goodbye', 'ask', 'message')
  fc.assert(
    fc.property(type, fc.oneof(fc.json(), fc.string()), fc.option(fc.string()), (kind, data, id) => {
      expect(messageOf({ type: kind, data, id: id ?? undefined, lastEventId: '' })).toHaveProperty('type')
      expect(messageOf({ type: kind, data, id: `1-1-${hash(data)}`, lastEventId: '' })).toHaveProperty('type')
    }),
  )
})
