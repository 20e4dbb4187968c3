import { defineConfig } from 'vitest/config'

/** The whole matrix: one row after the other, in one process. */
export default defineConfig({
  root: new URL('../..', import.meta.url).pathname,
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'], externalConditions: ['source'] } },
  test: {
    include: ['test/faults/**/*.fault.ts'],
    globalSetup: ['test/support/build.ts'],
    fileParallelism: false,
    maxWorkers: 1,
    testTimeout: 240_000,
    hookTimeout: 60_000,
  },
})
