/** A judge that finds nothing proves nothing: each kind of false claim of a kill, told to it, must be found. */
import { describe, expect, it } from 'vitest'
import type { KillReport } from '../../server/live/delivery/account.ts'
import { type Claim, falseClaims, type Known } from './rig/claims.ts'

const EPOCH = 1_700_000_000
const SENT = 100_000
const ANSWERED = 100_200
const CLIENTS = ['1-0-0', '1-0-1', '1-0-2']
const life = (from = 0, leaving = Number.POSITIVE_INFINITY) => ({ from, leaving, to: leaving })
const waiting = (client: string, revision = 6, epoch = EPOCH) => ({
  ...{ app: 'faults', version: '1.0.0', instance: `${client}-3f29a1c0` },
  ...{ epoch, revision, silentMs: 400 },
})
/** Two of three clients on two servers hold revision 7 by then; the third holds 6. */
const KNOWN: Known = {
  clients: CLIENTS,
  past: [],
  heard: [
    ...CLIENTS.map((client) => ({ client, epoch: EPOCH, revision: 6, at: 90_000 })),
    ...CLIENTS.slice(0, 2).map((client) => ({ client, epoch: EPOCH, revision: 7, at: SENT + 40 })),
  ],
  kills: [],
  streams: CLIENTS.map((client) => ({ client, at: 2_000, open: true })),
  servers: ['server 1', 'server 2'].map((name) => ({ name, lives: [life()] })),
  served: ['server 1', 'server 2'].map((target) => ({
    ...{ target, epoch: EPOCH, revision: 7, flag: 'number-0', killed: false, at: ANSWERED + 100 },
  })),
}
const REPORT: KillReport = {
  servers: { live: 2, applied: 2, refused: [], missing: [] },
  sdks: { known: 3, applied: 2, waiting: [waiting('1-0-2')], p50Ms: 20, p99Ms: 40 },
  pollers: { known: 0, applied: 0, worstCaseMs: 0 },
}
function claim(report: Partial<KillReport> = {}, more: Partial<Claim> = {}): Claim {
  return {
    flag: 'kill-0',
    sentAt: SENT,
    answeredAt: ANSWERED,
    status: 200,
    answer: { epoch: EPOCH, revision: 7, durability: 'postgres', ...REPORT, ...report },
    inHealth: true,
    ...more,
  }
}
const faults = (
  report: Partial<KillReport> = {},
  known: Partial<Known> = {},
  more: Partial<Claim> = {},
): readonly string[] => falseClaims([claim(report, more)], { ...KNOWN, ...known })
const servers = (more: Partial<KillReport['servers']>) => ({ servers: { ...REPORT.servers, ...more } })
const sdks = (more: Partial<KillReport['sdks']>) => ({ sdks: { ...REPORT.sdks, ...more } })
const dead = [
  { name: 'server 1', lives: [life()] },
  { name: 'server 2', lives: [life(0, SENT - 20_000)] },
]
/** Of the second server, after the answer and by the state before it. */
const BEFORE = { target: 'server 2', epoch: EPOCH, revision: 6, at: ANSWERED + 1 }
const missing = servers({ applied: 1, missing: ['b'] })

describe('what a kill claims', () => {
  it('is found true where it is, whatever is waited for', () => {
    expect(faults()).toEqual([])
    expect(faults(sdks({ applied: 1, waiting: [waiting('1-0-1'), waiting('1-0-2')] }))).toEqual([])
    expect(faults(missing, { servers: dead }, { status: 202, inHealth: false })).toEqual([])
  })

  it.each<[string, Parameters<typeof faults>]>([
    ['more SDKs than had come to hold it', [sdks({ applied: 3, waiting: [] })]],
    ['pollers that had not', [{ pollers: { known: 3, applied: 3, worstCaseMs: 0 } }]],
    [
      'one that came to hold it after the answer',
      [{}, { heard: KNOWN.heard.map((one) => (one.revision === 7 ? { ...one, at: ANSWERED + 1 } : one)) }],
    ],
    [
      'one that holds as many revisions of another epoch',
      [{}, { heard: KNOWN.heard.map((one) => ({ ...one, epoch: EPOCH - 60 })) }],
    ],
    ['SDKs that there never were', [sdks({ known: 4, waiting: [waiting('1-0-2'), waiting('1-0-1')] })]],
    ['somebody who is no client', [sdks({ waiting: [waiting('9-9-9')] })]],
    ['somebody twice', [sdks({ known: 4, waiting: [waiting('1-0-2'), waiting('1-0-2')] })]],
    ['one that waits with the state', [sdks({ waiting: [waiting('1-0-0', 7)] })]],
    ['one that is said to hold what it never did', [sdks({ waiting: [waiting('1-0-2', 6, EPOCH + 60)] })]],
    [
      'one that is said to hold more than it did',
      [
        sdks({ waiting: [waiting('1-0-2', 6)] }),
        { heard: KNOWN.heard.filter(({ client }) => client !== '1-0-2') },
      ],
    ],
    ['that fewer are connected than are', [sdks({ known: 2, applied: 2, waiting: [] })]],
    ['another one to be waited for', [sdks({ waiting: [waiting('1-0-1')] })]],
    ['SDKs that do not add up', [sdks({ known: 3, applied: 1 })]],
    ['servers that do not add up', [servers({ live: 3 })]],
    ['that it took longer than it did', [sdks({ p99Ms: 900 })]],
    ['that half of them took longer than nearly all', [sdks({ p50Ms: 41 })]],
    ['a server that is down', [{}, { servers: dead }, { inHealth: false }]],
    ['fewer servers than are up', [servers({ live: 1, applied: 1 }), {}, { inHealth: false }]],
    ['fewer servers than there are, in health', [servers({ live: 1, applied: 1 }), { servers: dead }]],
    ['that all servers have it where one is missing', [missing, {}, { inHealth: false }]],
    [
      'a server that answers by the state before',
      [{}, { served: [{ ...BEFORE, flag: 'number-0', killed: false }] }],
    ],
    [
      'a server that does not serve it as killed, however long it took to be written',
      [{}, { served: [{ ...BEFORE, flag: 'kill-0', killed: false }] }, { sentAt: ANSWERED - 400 }],
    ],
  ])('is found false: %s', (_, lie) => {
    expect(faults(...lie)).not.toEqual([])
  })

  it('is found true of one that waits with a higher revision of an older epoch', () => {
    const heard = [...KNOWN.heard, { client: '1-0-2', epoch: EPOCH - 60, revision: 9, at: 80_000 }]
    const older = heard.filter(({ client, epoch }) => client !== '1-0-2' || epoch < EPOCH)
    expect(faults(sdks({ waiting: [waiting('1-0-2', 9, EPOCH - 60)] }), { heard: older })).toEqual([])
  })

  it('is told of the first kill where it is a second one, however long that took', () => {
    const answer = { ...REPORT, epoch: EPOCH, revision: 7, durability: 'postgres', already: true }
    expect(faults({}, {}, { answer: { ...answer, ...sdks({ p99Ms: 900 }) } })).toEqual([])
  })

  describe('beside a release of the past', () => {
    const before = [
      { name: 'server 1', lives: [life()] },
      { name: 'server 2', lives: [{ ...life(), past: true as const }] },
    ]
    const alone = servers({ live: 1, applied: 1 })
    const past = CLIENTS.slice(2)
    const stranger = waiting('0905a310-88a2', 6)

    it('leaves out its servers, and whoever may be connected to them', () => {
      expect(
        faults({ ...alone, ...sdks({ known: 1, applied: 1, waiting: [] }) }, { servers: before }),
      ).toEqual([])
      expect(faults({}, { servers: before }, { inHealth: false })).toEqual([
        'the kill of kill-0 as 7: 2 servers have applied it, and 1 were up',
      ])
    })

    it('leaves out its SDKs, under whatever name, and no more than there are', () => {
      expect(faults(sdks({ waiting: [stranger] }), { past })).toEqual([])
      expect(faults(sdks({ waiting: [stranger] }))).not.toEqual([])
      const two = sdks({ known: 3, applied: 1, waiting: [stranger, waiting('f206d379-d56a', 6)] })
      expect(faults(two, { past })).toContainEqual(expect.stringContaining('whom nobody knows'))
    })
  })

  it('counts a server that is replaced from when it is of this release', () => {
    const replaced = [
      { name: 'server 1', lives: [life()] },
      { name: 'server 2', lives: [{ ...life(0, 40_000), past: true as const }, life(40_500)] },
    ]
    expect(faults({}, { servers: replaced }, { inHealth: false })).toEqual([])
    expect(faults(servers({ live: 1, applied: 1 }), { servers: replaced }, { inHealth: false })).not.toEqual(
      [],
    )
  })

  it('is not held against who changed the server, or had no stream', () => {
    const fewer = sdks({ known: 2, applied: 2, waiting: [] })
    const gone = { client: '1-0-2', at: SENT - 500, open: false }
    expect(faults(fewer, { streams: [...KNOWN.streams, gone] })).toEqual([])
    const restarted = [
      { name: 'server 1', lives: [life()] },
      { name: 'server 2', lives: [life(0, SENT - 900), life(SENT - 800)] },
    ]
    expect(faults(fewer, { servers: restarted }, { inHealth: false })).toEqual([])
    expect(faults(missing, { servers: dead }, { status: 202, inHealth: false })).toEqual([])
  })

  it('is found true of a server that has it without a revision, since it took long to be written', () => {
    const slow = { sentAt: ANSWERED - 400 }
    expect(faults({}, { served: [{ ...BEFORE, flag: 'kill-0', killed: true }] }, slow)).toEqual([])
    expect(faults({}, { served: [{ ...BEFORE, flag: 'number-0', killed: false }] }, slow)).toEqual([])
  })

  it('is told of a kill without a revision by who served the flag as killed', () => {
    const answer = { ...REPORT, epoch: EPOCH, revision: 6, durability: 'journal' }
    const seen = CLIENTS.slice(0, 2).map((client) => ({
      ...{ client, flag: 'kill-0', killed: true, at: SENT + 40 },
    }))
    expect(faults({}, { kills: seen }, { answer })).toEqual([])
    expect(faults({}, { kills: seen.slice(1) }, { answer })).toHaveLength(2)
  })
})
