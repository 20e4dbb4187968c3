import { expect, it } from 'vitest'
import type { Directory } from '../../../server/live/directory.ts'
import { createSdks } from '../../../server/live/sdks.ts'
import type { KeyUse } from '../../../server/store/store.ts'

const NOW = 1_800_000_000_000
const use = (key: string, app: string, agoMs: number): KeyUse => ({
  key,
  app,
  version: '1.0.0',
  sdk: 'node/0.1.0',
  at: NOW - agoMs,
})

it('knows the apps of an environment that asked within the hour, the latest first', async () => {
  const asked: (readonly string[])[] = []
  const sdks = createSdks({
    directory: () =>
      ({ serverKeys: (id: string) => (id === 'env_1' ? ['a', 'b'] : []) }) as Partial<Directory> as Directory,
    keyUses: {
      of: async (keys) => {
        asked.push(keys)
        const uses = new Map([
          ['a', [use('a', 'shop', 3_600_000), use('a', 'old', 3_600_001)]],
          ['b', [use('b', 'till', 1_000)]],
        ])
        return { complete: true, uses: keys.length === 0 ? new Map() : uses }
      },
    },
    clock: { now: () => NOW },
  })
  expect((await sdks.connected('env_1')).map(({ app }) => app)).toEqual(['till', 'shop'])
  expect(await sdks.connected('env_2')).toEqual([])
  expect(asked).toEqual([['a', 'b'], []])
})
