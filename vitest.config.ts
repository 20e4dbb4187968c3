import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

/** Ours is tested as written, not as built. */
const sources = {
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'], externalConditions: ['source'] } },
}
const each = {
  // Where the machine is shared and noisy, what fails is tried once more, and the report says so.
  retry: process.env.CI === undefined ? 0 : 1,
  testTimeout: 20_000,
  hookTimeout: 60_000,
  // Half of the time goes into waiting for processes and clocks, so that there is a file more than cores.
  maxWorkers: availableParallelism() + 1,
}
/** Files that leave nothing behind in their process. */
const together = ['test/{unit,property,conformance}/**/*.test.ts', 'test/integration/http/**/*.test.ts']
/** All others, and those that replace a module. */
const alone = ['test/unit/live/key-comparison.test.ts', 'test/unit/store/backup-file.test.ts']
const apart = [
  'test/!(unit|property|conformance|integration)/**/*.test.ts',
  'test/integration/!(http)/**/*.test.ts',
]
const all = ['test/**/*.test.ts']

export default defineConfig({
  ...sources,
  test: {
    include: all,
    globalSetup: [
      'test/support/temporary.ts',
      'test/support/build.ts',
      'test/support/postgres.ts',
      'test/support/redis.ts',
    ],
    projects: [
      // Importing the service takes longer than most files do: what was imported is shared.
      {
        ...sources,
        test: {
          ...each,
          name: 'together',
          include: together,
          exclude: alone,
          isolate: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        ...sources,
        test: {
          ...each,
          name: 'apart',
          include: [...apart, ...alone],
          sequence: { groupOrder: 0 },
        },
      },
    ],
    coverage: {
      provider: 'v8',
      include: ['sdk/core/**/*.ts', 'server/domain/**/*.ts'],
      thresholds: { branches: 100 },
    },
  },
})
