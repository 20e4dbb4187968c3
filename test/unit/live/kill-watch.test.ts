import { describe, expect, it } from 'vitest'
import { readAccount, reportOf, type ServerAccount } from '../../../server/live/delivery/account.ts'
import { watchKill } from '../../../server/live/delivery/kill-watch.ts'
import { createRoster } from '../../../server/live/delivery/roster.ts'

const EPOCH = 1_700_000_000
const KILL = { epoch: EPOCH, revision: 115 }
const OLDER = { epoch: EPOCH - 60, revision: 146 }

function accountOf(holds: typeof KILL): ServerAccount {
  const roster = createRoster({ now: () => 1_000 })
  const app = { app: 'shop', version: '2.4.0', sdk: 'node/0.1.0', keyId: 'k', instance: 'pod-7', page: false }
  roster.opened({ ...app, stream: 1 }, holds, 1_000)
  const watch = watchKill('a-kill', KILL, 2_000, 2_000, false)
  return {
    server: 'a',
    environments: { log: { ...KILL, kills: { 'a-kill': watch.account(roster, 3_000, undefined) } } },
  }
}
const waitingIn = (account: ServerAccount) =>
  reportOf('log', 'a-kill', KILL, [{ id: 'a' }], [account]).sdks.waiting

describe('who is waited for', () => {
  it('is said to be at an epoch and a revision: a higher revision of an older epoch has no newer kill', () => {
    expect(waitingIn(accountOf(OLDER))).toEqual([
      { app: 'shop', version: '2.4.0', instance: 'pod-7', ...OLDER, silentMs: 2_000 },
    ])
  })

  it('is said to be at a revision alone by an instance of a version that tells no epoch', () => {
    const { environments } = accountOf(OLDER)
    const text = JSON.stringify({ server: 'a', environments }).replaceAll(`"epoch":${OLDER.epoch},`, '')
    const [one] = waitingIn(readAccount(text) as ServerAccount)
    expect(one).toMatchObject({ instance: 'pod-7', revision: 146 })
    expect(one).not.toHaveProperty('epoch')
  })
})
