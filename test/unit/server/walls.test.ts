import { describe, expect, it } from 'vitest'
// @ts-expect-error a plain script, without types
import { breaches } from '../../../scripts/walls.mjs'

describe('the import walls', () => {
  it('let a room import itself and what stands in its row', () => {
    expect(
      breaches(
        'server/domain/kills.ts',
        "import { entryOf } from '@halyard/sdk/core'\nimport { Problem } from './problem.ts'",
      ),
    ).toEqual([])
  })

  it('stop a room from reaching past its row, over several lines too', () => {
    expect(
      breaches('server/domain/kills.ts', "import {\n  a,\n  b,\n} from '../store/postgres.ts'"),
    ).toHaveLength(1)
    expect(breaches('server/domain/kills.ts', "import { z } from 'zod'")).toHaveLength(1)
    expect(breaches('sdk/node/index.ts', "export { a } from '../../server/domain/index.ts'")).toHaveLength(1)
    expect(breaches('sdk/core/x.ts', "const late = import('node:fs')")).toHaveLength(1)
  })

  it('tell types from values', () => {
    expect(breaches('server/live/hub.ts', "import type { Store } from '../store/store.ts'")).toEqual([])
    expect(breaches('server/live/hub.ts', "import { openStore } from '../store/store.ts'")).toHaveLength(1)
  })

  it('ask for a row where a file stands in no room', () => {
    expect(breaches('server/elsewhere.ts', '')).toHaveLength(1)
  })
})
