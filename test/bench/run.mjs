// `npm run bench [-- core http …] [--json file] [--no-build]`: installs what only the benchmarks need, builds what
// they measure, and runs them. Everything that is measured is the built code, as an app would load it.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, '..', '..')
const args = process.argv.slice(2)

function run(command, parameters, options = {}) {
  const { status, signal } = spawnSync(command, parameters, { stdio: 'inherit', cwd: root, ...options })
  if (status !== 0) process.exit(status ?? (signal ? 1 : 0))
}

if (!existsSync(join(here, 'node_modules', 'esbuild'))) {
  run('npm', ['ci', '--prefix', here, '--no-audit', '--no-fund'])
}
if (!args.includes('--no-build')) run('npm', ['run', '--silent', 'build'])

const { build } = await import('esbuild')
await build({
  entryPoints: [
    'main.ts',
    'worker-sdks.ts',
    'worker-streams.ts',
    'bare-fastify.ts',
    'bare-sse.ts',
    'delay-proxy.ts',
    'probe.ts',
  ].map((name) => join(here, name)),
  outdir: join(here, 'dist'),
  bundle: true,
  packages: 'external',
  platform: 'node',
  format: 'esm',
  target: 'node20',
  sourcemap: 'linked',
  logLevel: 'warning',
})
run(process.execPath, [
  '--enable-source-maps',
  join(here, 'dist', 'main.js'),
  ...args.filter((arg) => arg !== '--no-build'),
])
