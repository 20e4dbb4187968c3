/** Runs a TypeScript module of this repository in a process of its own: `node run-child.mjs <module> [arguments]`. */
import { join, resolve } from 'node:path'
import { runnerImport } from 'vite'

const ROOT = resolve(import.meta.dirname, '../..')
const [, , module = ''] = process.argv
await runnerImport(resolve(module), {
  root: ROOT,
  logLevel: 'error',
  // The sources, as in the tests: no build is needed.
  resolve: {
    alias: [{ find: /^@halyard\/sdk\/([\w/-]+)$/, replacement: join(ROOT, 'sdk/$1/index.ts') }],
  },
})
