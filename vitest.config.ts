import { defineConfig } from 'vitest/config'

export default defineConfig({
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'], externalConditions: ['source'] } },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/build.ts', 'test/support/postgres.ts', 'test/support/redis.ts'],
    // Where the machine is shared and noisy, what fails is tried once more, and the report says so.
    retry: process.env.CI === undefined ? 0 : 1,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    coverage: {
      provider: 'v8',
      include: ['sdk/core/**/*.ts', 'server/domain/**/*.ts'],
      thresholds: { branches: 100 },
    },
  },
})
