/** Two boards as one, where the first is late, fails, or comes back. */
import { describe, expect, it } from 'vitest'
import { eitherBoard, type Noticeboard } from '../../../server/live/noticeboard.ts'

function board(names: readonly string[] = []) {
  const up = new Map(names.map((name) => [name, `${name} of before`]))
  let put: (() => Promise<void>) | undefined
  const it: Noticeboard = {
    async put(name, text) {
      await put?.()
      up.set(name, text)
    },
    all: async () => [...up.values()],
    remove: async (name) => void up.delete(name),
  }
  return {
    it,
    up,
    puts(how: typeof put) {
      put = how
    },
  }
}

describe('two boards as one', () => {
  it('are the first alone while that works', async () => {
    const [first, second] = [board(), board()]
    await eitherBoard(first.it, second.it).put('one', 'text', 1_000)
    expect([...first.up]).toEqual([['one', 'text']])
    expect([...second.up]).toEqual([])
  })

  it.each([
    ['fails', () => Promise.reject(new Error('It is away.'))],
    ['never answers', () => new Promise<void>(() => {})],
  ] as const)('are the second where the first %s', async (_, how) => {
    const [first, second] = [board(), board()]
    first.puts(how)
    await eitherBoard(first.it, second.it).put('one', 'text', 1_000)
    expect([...second.up]).toEqual([['one', 'text']])
  })

  it('fail where both do, and not where the first only was late', async () => {
    const [first, second] = [board(), board()]
    second.puts(() => Promise.reject(new Error('It is away, too.')))
    let open = () => {}
    first.puts(() => new Promise((resolve) => (open = resolve)))
    const late = eitherBoard(first.it, second.it).put('one', 'text', 1_000)
    setTimeout(open, 400)
    await late
    expect([...first.up]).toEqual([['one', 'text']])
    first.puts(() => Promise.reject(new Error('It is away.')))
    await expect(eitherBoard(first.it, second.it).put('one', 'text', 1_000)).rejects.toThrow('away')
  })

  it('both have the last word, in place of what either had, as far as they take it', async () => {
    const [first, second] = [board(['one']), board(['one'])]
    await eitherBoard(first.it, second.it).put('one', 'farewell', 1_000, 'last')
    expect([first.up.get('one'), second.up.get('one')]).toEqual(['farewell', 'farewell'])
    first.puts(() => Promise.reject(new Error('It is away.')))
    await eitherBoard(first.it, second.it).put('two', 'farewell', 1_000, 'last')
    expect(second.up.get('two')).toBe('farewell')
    second.puts(() => Promise.reject(new Error('It is away, too.')))
    await expect(eitherBoard(first.it, second.it).put('two', '', 1_000, 'last')).rejects.toThrow()
  })

  it('are read together, what is on the first last', async () => {
    expect(await eitherBoard(board(['one']).it, board(['two']).it).all()).toEqual([
      'two of before',
      'one of before',
    ])
  })
})
