import { defineConfig } from 'vitest/config'

/** The SDK's pages in a headless Chromium, against a real server. */
export default defineConfig({
  root: new URL('../..', import.meta.url).pathname,
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'], externalConditions: ['source'] } },
  test: {
    include: ['test/browser/**/*.browser.ts'],
    globalSetup: ['test/support/build.ts'],
    fileParallelism: false,
    maxWorkers: 1,
    retry: process.env.CI === undefined ? 0 : 1,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
})
