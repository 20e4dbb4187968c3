/** Who is connected, put together from what instances said: each process once, and nobody better than it said. */
import { describe, expect, it } from 'vitest'
import { attendanceOf, type Present, type RollCallAnswer } from '../../../server/live/delivery/attendance.ts'

const NAMES = [
  ['shop', '2.4.0', 'node/0.1.0'],
  ['admin', '1.0.0', 'node/0.1.0'],
] as const

function answer(
  id: string,
  revision: number,
  present: readonly Present[],
  more: Partial<RollCallAnswer> = {},
) {
  const server = { id, version: '0.6.0', since: 1_000 }
  return { server, epoch: 7, revision, names: NAMES, present, unnamed: 0, left: [], ...more }
}

describe('who is connected', () => {
  it('is counted by app, version and SDK; who is behind comes first', () => {
    const told = attendanceOf(
      [
        answer('s1', 12, [
          [1, 'a1', 7, 12, 'stream', 5, 0],
          [1, 'a2', 7, 12, 'stream', 9, 0],
        ]),
        answer('s2', 12, [
          [0, 'p1', 7, 11, 'stream', 38_000, 0],
          [0, 'p2', 7, 12, 'poll', 4_000, 30_000],
        ]),
      ],
      [],
    )
    expect(told.newest).toEqual({ epoch: 7, revision: 12 })
    expect(told.total).toEqual({ processes: 4, current: 3, polling: 1, away: 0 })
    expect(told.apps).toMatchObject([
      { app: 'shop', processes: 2, current: 1, polling: 1, oldest: { revision: 11, behind: 1 } },
      { app: 'admin', processes: 2, current: 2, polling: 0, oldest: { revision: 12, behind: 0 } },
    ])
    expect(told.processes.map(({ instance }) => instance)).toEqual(['p1', 'p2', 'a2', 'a1'])
    expect(told.processes[0]).toEqual({
      ...{ app: 'shop', version: '2.4.0', sdk: 'node/0.1.0', instance: 'p1', server: 's2' },
      ...{ epoch: 7, revision: 11, behind: 1, how: 'stream', silentMs: 38_000 },
    })
    expect(told.processes[1]).toMatchObject({ how: 'poll', everyMs: 30_000 })
  })

  it('is counted once, where its stream is, however many instances know of it', () => {
    const told = attendanceOf(
      [
        answer('s1', 12, [[0, 'p1', 7, 11, 'away', 60_000, 0]]),
        answer('s2', 12, [[0, 'p1', 7, 12, 'stream', 40, 0]]),
        answer('s3', 12, [[0, 'p1', 7, 12, 'poll', 9_000, 0]]),
      ],
      [],
    )
    expect(told.processes).toMatchObject([{ server: 's2', how: 'stream', revision: 12, silentMs: 40 }])
    expect(told.total).toEqual({ processes: 1, current: 1, polling: 0, away: 0 })
  })

  it('is at the newest state that anybody heard of it', () => {
    const told = attendanceOf(
      [
        answer('s1', 12, [[0, 'p1', 7, 9, 'stream', 60_000, 0]]),
        answer('s2', 12, [[0, 'p1', 7, 12, 'poll', 100, 0]]),
      ],
      [],
    )
    expect(told.processes).toMatchObject([{ server: 's1', revision: 12, behind: 0, silentMs: 100 }])
  })

  it('is where its stream is, also where its requests come through a load balancer', () => {
    const told = attendanceOf(
      [
        answer('s1', 12, [[0, 'p1', 7, 11, 'stream', 60_000, 0]]),
        answer('s2', 12, [
          [0, 'p1', 7, 12, 'elsewhere', 30, 0],
          [0, 'p2', 7, 12, 'elsewhere', 30, 0],
        ]),
      ],
      [{ server: 's3' }],
    )
    expect(told.processes).toMatchObject([
      { instance: 'p1', server: 's1', how: 'stream', behind: 0, silentMs: 30 },
    ])
    expect(told.total).toEqual({ processes: 1, current: 1, polling: 0, away: 0 })
  })

  it('does not name one that closed at another instance than the one that waits for it', () => {
    const told = attendanceOf(
      [answer('s1', 12, [[0, 'p1', 7, 11, 'away', 60_000, 0]]), answer('s2', 12, [], { left: ['p1'] })],
      [],
    )
    expect(told.processes).toEqual([])
  })

  it('is behind by no number where its state is of another epoch, and is not behind where it is ahead', () => {
    const told = attendanceOf(
      [
        answer('s1', 12, [
          [0, 'old', 6, 90, 'stream', 5, 0],
          [0, 'ahead', 7, 13, 'stream', 5, 0],
        ]),
      ],
      [],
    )
    const behind = Object.fromEntries(told.processes.map((one) => [one.instance, one.behind]))
    expect(behind).toEqual({ old: null, ahead: 0 })
    expect(told.apps[0]?.oldest).toEqual({ epoch: 6, revision: 90, behind: null })
  })

  it('names instances that are behind, that refuse, and that did not answer', () => {
    const told = attendanceOf(
      [answer('s1', 12, []), answer('s2', 10, [], { refused: 'the newer state cannot be read' })],
      [{ server: 's3', version: '0.6.0', silentMs: 9_000 }],
    )
    expect(told.servers).toMatchObject([
      { server: 's1', behind: 0 },
      { server: 's2', behind: 2, refused: 'the newer state cannot be read' },
    ])
    expect(told.missing).toEqual([{ server: 's3', version: '0.6.0', silentMs: 9_000 }])
  })

  it('counts who is not named', () => {
    expect(attendanceOf([answer('s1', 1, [], { unnamed: 30 })], []).unnamed).toBe(30)
  })
})
