import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Problem } from '../../../server/domain/problem.ts'
import { createRefusals } from '../../../server/http/refusals.ts'

const LIMITED = new Problem('too-many-requests', 'Too many.')
const FULL = new Problem('unavailable', 'No room.', { routine: true })
const PROMPT = 100
const MOST_KEPT = 2_048

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 })
})
afterEach(() => {
  vi.useRealTimers()
})

function counting() {
  const refusals = createRefusals(Date)
  const sent: Problem[] = []
  const refuse = (problem: Problem, times: number): number => {
    const before = sent.length
    for (let time = 0; time < times; time++) refusals.refuse(problem, () => sent.push(problem))
    return sent.length - before
  }
  return { refusals, sent, refuse }
}

it('sends the refusals of a caller that asks a little too much at once', () => {
  const { refuse } = counting()
  expect(refuse(LIMITED, PROMPT)).toBe(PROMPT)
  vi.advanceTimersByTime(1_000)
  expect(refuse(FULL, PROMPT)).toBe(PROMPT)
})

it('keeps those of a flood for a moment, and those of streams longer', () => {
  const { refuse, sent } = counting()
  refuse(LIMITED, PROMPT)
  expect(refuse(LIMITED, 1) + refuse(FULL, 1)).toBe(0)
  vi.advanceTimersByTime(250)
  expect(sent.slice(PROMPT)).toEqual([LIMITED])
  vi.advanceTimersByTime(1_750)
  expect(sent.slice(PROMPT)).toEqual([LIMITED, FULL])
})

it('keeps no more than so many', () => {
  const { refuse } = counting()
  refuse(LIMITED, PROMPT)
  expect(refuse(FULL, MOST_KEPT)).toBe(0)
  expect(refuse(FULL, 1)).toBe(1)
})

it('keeps nothing that is no refusal', () => {
  const { refuse } = counting()
  refuse(LIMITED, PROMPT)
  expect(refuse(new Problem('unavailable', 'The database is away.'), 1)).toBe(1)
  expect(refuse(new Problem('flag-not-found', 'No such flag.'), 1)).toBe(1)
})

it('holds up no close: all that it keeps is sent, and nothing is kept any more', () => {
  const { refusals, refuse, sent } = counting()
  refuse(LIMITED, PROMPT + 3)
  refusals.end()
  expect(sent).toHaveLength(PROMPT + 3)
  expect(refuse(LIMITED, 1)).toBe(1)
  vi.advanceTimersByTime(10_000)
  expect(sent).toHaveLength(PROMPT + 4)
})
