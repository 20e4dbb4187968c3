import { describe, expect, it } from 'vitest'
import { deliveryLines } from '../../../sdk/cli/delivered.ts'

const EPOCH = 1_700_000_000
const waiting = (instance: string, epoch: number | undefined, revision: number) => ({
  ...{ app: 'shop', version: '2.4.0', instance, revision, silentMs: 38_000 },
  ...(epoch !== undefined && { epoch }),
})
const lines = (...all: ReturnType<typeof waiting>[]) =>
  deliveryLines('killed at revision 115', {
    epoch: EPOCH,
    servers: { live: 1, applied: 1, refused: [], missing: [] },
    sdks: { known: all.length, applied: 0, waiting: all },
    pollers: { known: 0, applied: 0, worstCaseMs: 0 },
  }).join('\n')

describe('what a kill says of those who are waited for', () => {
  it('is where they are, in the kill’s own epoch', () => {
    expect(lines(waiting('pod-7', EPOCH, 114))).toContain('pod-7 (at 114, silent 38 s)')
  })

  it('says of another epoch that it is one: the number alone would tell that they have it', () => {
    expect(lines(waiting('pod-7', EPOCH - 60, 146), waiting('pod-8', EPOCH + 60, 3))).toContain(
      'pod-7 (at 146 of an older epoch, silent 38 s), shop@2.4.0 pod-8 (at 3 of a newer epoch, silent 38 s)',
    )
  })

  it('is the number alone of one that holds nothing, or where a server of before says no more', () => {
    expect(lines(waiting('pod-7', 0, 0), waiting('pod-8', undefined, 146))).toContain(
      'pod-7 (at 0, silent 38 s), shop@2.4.0 pod-8 (at 146, silent 38 s)',
    )
  })
})

it('names servers that have not said a word, or refuse, with where they are reached', () => {
  const servers = {
    ...{ live: 4, applied: 1, missing: ['one', 'two'], refused: [{ server: 'three', reason: 'too old' }] },
    addresses: { one: 'http://10.0.0.7:4000', three: 'http://10.0.0.9:4000' },
  }
  const sdks = { known: 0, applied: 0, waiting: [] }
  const pollers = { known: 0, applied: 0, worstCaseMs: 0 }
  expect(deliveryLines('killed at revision 115', { servers, sdks, pollers }).slice(1)).toEqual([
    '  missing   one (http://10.0.0.7:4000), two (servers without a word)',
    '  refused   three (http://10.0.0.9:4000): too old',
  ])
})
