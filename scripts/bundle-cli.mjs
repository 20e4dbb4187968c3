/**
 * One step of the build: `halyard`, as one file without dependencies, so that an app which installs the SDK gets a
 * command and nothing besides; and the licences of what went into it. See docs/adr/0024.
 */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const FOLDER = join(ROOT, 'sdk/dist/cli')
/** What the command may bring along. */
const BUNDLED = ['csv-parse', 'yaml']

await build({
  configFile: false,
  root: ROOT,
  logLevel: 'warn',
  ssr: { noExternal: true, target: 'node' },
  build: {
    ssr: 'sdk/cli/main.ts',
    target: 'node20',
    outDir: FOLDER,
    emptyOutDir: true,
    minify: false,
    rollupOptions: { output: { entryFileNames: 'halyard.js', inlineDynamicImports: true } },
  },
})
chmodSync(join(FOLDER, 'halyard.js'), 0o755)

const licences = BUNDLED.map((name) => {
  const folder = join(ROOT, 'node_modules', name)
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return `${name} ${version}\n\n${readFileSync(join(folder, 'LICENSE'), 'utf8').trim()}\n`
})
writeFileSync(join(FOLDER, 'LICENSES.txt'), `In halyard.js:\n\n${licences.join('\n---\n\n')}`)
