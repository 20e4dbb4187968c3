/** What the doctor makes of facts; gathering them is tested on real databases. */
import type { State } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import {
  type Check,
  clockCheck,
  databaseCheck,
  diskCheck,
  redisCheck,
  roleCheck,
  schemaCheck,
  secretCheck,
  settingsChecks,
  sizeChecks,
} from '../../../../server/commands/doctor/checks.ts'
import { sdksSeen, upgradeChecks } from '../../../../server/commands/doctor/upgrade.ts'
import type { Inspection } from '../../../../server/store/inspect.ts'
import type { KeyUse } from '../../../../server/store/store.ts'
import { stateWith } from '../../core/rulesets.ts'

const MiB = 1024 * 1024
const FOUND: Inspection = {
  version: '17.2',
  readOnly: false,
  migrations: ['0001-a', '0002-b'],
  machines: 0,
  environments: [],
}
const brief = ({ state, message }: Check) => `${state}: ${message}`

describe('a check', () => {
  it.each<[string, Check, string]>([
    ['a database that answers', databaseCheck(FOUND, 3), 'ok: Postgres 17.2, answers in 3 ms'],
    ['a standby', databaseCheck({ ...FOUND, readOnly: true }, 3), 'fault: Postgres 17.2 takes no writes'],
    ['the schema of this release', schemaCheck(FOUND, ['0001-a', '0002-b']), 'ok: up to date (0002-b)'],
    [
      'an older schema',
      schemaCheck(FOUND, ['0001-a', '0002-b', '0003-c']),
      'note: 0003-c missing: applied at the next start',
    ],
    [
      'a newer schema',
      schemaCheck(FOUND, ['0001-a']),
      'note: made by a newer release (0002-b): this one works on',
    ],
    ['another schema', schemaCheck(FOUND, ['0001-a', '0002-x']), 'fault: it lacks 0002-x and has 0002-b'],
    ['no schema', schemaCheck({ migrations: [] }, ['0001-a']), 'note: none yet: the first start makes it'],
    [
      'a role with all rights',
      roleCheck({ role: 'owner', rewrites: true }),
      'note: the service works as owner, who may rewrite',
    ],
    [
      'the restricted role',
      roleCheck({ role: 'halyard_app', rewrites: false }),
      'ok: the service works as halyard_app, who cannot',
    ],
    ['a secret that is set', secretCheck('s', 'postgres://db', 'none', 3), 'ok: HALYARD_SECRET is set'],
    ['one that is kept', secretCheck(undefined, 'embedded', 'there', 0), 'ok: kept in the data folder'],
    [
      'one that is not made yet',
      secretCheck(undefined, 'embedded', 'none', 0),
      'note: none yet: the first start',
    ],
    [
      'one that cannot be read',
      secretCheck(undefined, 'embedded', { why: '/data/secret cannot be read' }, 0),
      'fault: HALYARD_SECRET is not set, and /data/secret cannot be read',
    ],
    [
      'none, for one machine',
      secretCheck(undefined, 'postgres://db', 'none', 1),
      'note: HALYARD_SECRET is not set: set the same',
    ],
    [
      'none, for two machines',
      secretCheck(undefined, 'postgres://db', 'none', 2),
      'fault: HALYARD_SECRET is not set, and 2 machines',
    ],
    ['a clock that agrees', clockCheck({ skewMs: -900, tookMs: 1 }), 'ok: agrees'],
    [
      'a clock that an answer of two seconds cannot tell',
      clockCheck({ skewMs: 1_900, tookMs: 2_000 }),
      'ok: agrees',
    ],
    [
      'a clock that is late',
      clockCheck({ skewMs: 1_200, tookMs: 10 }),
      'note: this machine’s clock is 1.2 s behind',
    ],
    [
      'a clock that is early',
      clockCheck({ skewMs: -61_000, tookMs: 10 }),
      'fault: this machine’s clock is 61.0 s ahead of',
    ],
    ['room on the disk', diskCheck(5_000 * MiB, '/data'), 'ok: 4.9 GiB free in /data'],
    ['little room', diskCheck(500 * MiB, '/data'), 'note: 500 MiB free in /data'],
    ['no room', diskCheck(99.9 * MiB, '/data'), 'fault: 99 MiB free in /data'],
    ['a Redis that answers', redisCheck(undefined, 2), 'ok: answers in 2 ms'],
    ['a Redis that does not', redisCheck('NOAUTH', 2), 'fault: NOAUTH'],
  ])('of %s', (_, check, said) => {
    expect(brief(check)).toContain(said)
  })

  it('of settings has a line for each fault', () => {
    expect(settingsChecks(['A: wrong', 'B: wrong']).map(brief)).toEqual([
      'fault: A: wrong',
      'fault: B: wrong',
    ])
    expect(settingsChecks([]).map(brief)).toEqual(['ok: all of them are understood'])
  })

  it('of sizes names the largest environment, or each that is near the bound', () => {
    const sized = (...sizes: number[]) =>
      sizeChecks({ environments: sizes.map((bytes, index) => ({ name: `shop/e${index}`, bytes })) }).map(
        brief,
      )
    expect(sized()).toEqual([])
    expect(sized(2 * MiB, MiB)).toEqual(['ok: the largest environment, shop/e0, has 2.0 of 32 MiB'])
    expect(sized(32 * MiB, 30 * MiB, 10)).toEqual([
      'fault: shop/e0 has 32.0 of 32 MiB: nothing that grows it is accepted any more',
      'note: shop/e1 has 30.0 of 32 MiB: beyond that nothing that grows it is accepted',
    ])
  })
})

describe('an upgrade', () => {
  const TABLE = { node: { 'operator.in': '0.1.0', 'operator.matches': '0.3.0', 'split.sticky': '0.5.0' } }
  const matches = { attribute: 'email', op: 'matches', values: ['a'] }
  const rules = (count: number) =>
    Array.from({ length: count }, (_, index) => ({
      id: `r${index}`,
      when: matches,
      serve: { variant: 'on' },
    }))
  const states: Readonly<Record<string, State>> = {
    env_1: stateWith({ flag: { checkout: { rules: rules(1), fallthrough: null } } }),
    env_2: stateWith({ flag: { many: { rules: rules(21), fallthrough: null } } }),
    env_3: stateWith({}),
  }
  const use = (sdk: string, app = 'shop', at = 1_000): KeyUse => ({
    key: 'k',
    app,
    version: '2.4.0',
    sdk,
    at,
  })
  const seen = (audiences: Readonly<Record<string, readonly KeyUse[]>>) =>
    sdksSeen(
      Object.entries(audiences).map(([log, uses]) => ({ log, name: `shop/${log}`, uses })),
      async (log) => states[log]!,
      TABLE,
    )

  it('finds SDKs from the oldest on, whatever they call themselves', async () => {
    const names = ['node/0.10.0', 'node/0.9.0', 'go/2.0.0', 'node/dev', 'node/0.9.0-rc.1', 'node/also']
    const sdks = await seen({ env_1: names.map((sdk) => use(sdk)) })
    expect(sdks.map(({ sdk }) => sdk)).toEqual([
      'go/2.0.0',
      'node/0.9.0-rc.1',
      'node/0.9.0',
      'node/0.10.0',
      'node/dev',
      'node/also',
    ])
  })

  it('names each app once, at its last use, and what its SDK would skip where it is used', async () => {
    const sdks = await seen({
      env_1: [use('node/0.2.0', 'shop', 1_000), use('node/0.2.0', 'till', 3_000)],
      env_3: [use('node/0.2.0', 'shop', 2_000), use('node/0.3.0')],
    })
    expect(sdks).toEqual([
      {
        sdk: 'node/0.2.0',
        apps: [
          { app: 'till', version: '2.4.0', at: '1970-01-01T00:00:03.000Z' },
          { app: 'shop', version: '2.4.0', at: '1970-01-01T00:00:02.000Z' },
        ],
        skips: [
          {
            environment: 'shop/env_1',
            flag: 'checkout',
            rule: 'r0',
            feature: 'operator.matches',
            since: '0.3.0',
          },
        ],
      },
      {
        sdk: 'node/0.3.0',
        apps: [{ app: 'shop', version: '2.4.0', at: '1970-01-01T00:00:01.000Z' }],
        skips: [],
      },
    ])
    expect(upgradeChecks({ migrations: ['0003-c', '0004-d'], sdks }).map(brief)).toEqual([
      'ok: this release applies 0003-c, 0004-d',
      'fault: "till" 2.4.0 (node/0.2.0) and 1 more, last seen 1970-01-01T00:00:03.000Z: skips 1 part of rules',
      'ok: "shop" 2.4.0 (node/0.3.0), last seen 1970-01-01T00:00:01.000Z: skips nothing',
      'fault: "till" 2.4.0 (node/0.2.0) would skip rule r0 of checkout in shop/env_1: it does not know the operator matches, which came with node/0.3.0',
    ])
  })

  it('tells of the first twenty, and counts the others', async () => {
    const many = Array.from({ length: 22 }, (_, index) => use(`node/1.${index}.0`))
    const lines = upgradeChecks({
      migrations: [],
      sdks: await seen({ env_2: [...many, use('node/0.2.0')] }),
    }).map(brief)
    expect(lines[0]).toBe('ok: this release applies none')
    expect(lines).toContain('note: and 3 newer ones')
    expect(lines.at(-1)).toBe('fault: and 1 more like these')
    expect(lines).toHaveLength(1 + 20 + 1 + 20 + 1)
  })

  it('says where there is nothing to tell', () => {
    expect(upgradeChecks({ migrations: [], sdks: [] }).map(brief)[1]).toBe('ok: none was seen lately')
    expect(upgradeChecks({ migrations: [], sdks: undefined }).map(brief)[1]).toContain(
      'note: the schema does not note them yet',
    )
  })
})
