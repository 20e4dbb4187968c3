import { describe, expect, it } from 'vitest'
import { PROBLEMS, Problem, type ProblemType } from '../../../server/domain/problem.ts'

describe('a problem', () => {
  it.each(Object.keys(PROBLEMS) as ProblemType[])('%s has the status of its type', (type) => {
    expect(new Problem(type, 'x').status).toBe(PROBLEMS[type].status)
    expect(PROBLEMS[type].status).toBeGreaterThanOrEqual(400)
  })

  it('keeps what caused it', () => {
    const cause = new Error('the disk')
    expect(new Problem('unavailable', 'Try again.', { cause })).toMatchObject({
      name: 'Problem',
      message: 'Try again.',
      cause,
    })
    expect(new Problem('internal', 'x')).not.toHaveProperty('cause')
  })

  it('has a trace, unless it is one of thousands of refusals', () => {
    expect(new Problem('unavailable', 'x', { routine: true }).stack).not.toContain('\n    at ')
    expect(new Problem('unavailable', 'x').stack).toContain('\n    at ')
  })
})
