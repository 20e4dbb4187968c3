import { describe, expect, it } from 'vitest'
import { type KillView, killPage } from '../../../server/http/kill-page.ts'

const EPOCH = 1_700_000_000
const waiting = (instance: string, epoch: number, revision: number) => ({
  ...{ app: 'shop', version: '2.4.0', instance, epoch, revision, silentMs: 38_000 },
})
const EVERYWHERE = { live: 1, applied: 1, refused: [], missing: [] }
const pageOf = (all: readonly ReturnType<typeof waiting>[], servers: object = EVERYWHERE) =>
  killPage({
    environment: {
      id: 'env_1',
      key: 'production',
      name: 'production',
      project: { key: 'default', name: 'default' },
    },
    ...{ target: { flag: 'checkout' }, comment: undefined, maker: 'pager', expiresAt: 0, serves: undefined },
    ...{ kills: new Map(), alsoOff: [] },
    killed: {
      kill: { id: 'k', by: 'pager', at: '2026-11-26T09:00:00.000Z' },
      durability: 'postgres',
      report: {
        servers,
        sdks: { known: all.length, applied: 0, waiting: all },
        pollers: { known: 0, applied: 0, worstCaseMs: 0 },
      },
      epoch: EPOCH,
    },
  } as unknown as KillView)

describe('the page of a killed flag', () => {
  it('says of who is waited for in another epoch that it is one', () => {
    const page = pageOf([
      waiting('pod-7', EPOCH - 60, 146),
      waiting('pod-8', EPOCH, 114),
      waiting('pod-9', 0, 0),
    ])
    for (const said of ['pod-7 (at 146 of an older epoch,', 'pod-8 (at 114,', 'pod-9 (at 0,'])
      expect(page).toContain(said)
  })

  it('names servers that have not said a word, or refuse, with where they are reached', () => {
    const refused = [{ server: 'three', reason: 'too <old>' }]
    const addresses = { one: 'http://10.0.0.7:4000', three: 'http://<9>' }
    const page = pageOf([], { live: 4, applied: 1, missing: ['one', 'two'], refused, addresses })
    for (const said of ['one (http://10.0.0.7:4000)', 'two', 'three (http://&lt;9&gt;)', 'too &lt;old&gt;'])
      expect(page).toContain(`<bdi>${said}</bdi>`)
  })
})
