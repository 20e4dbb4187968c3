/**
 * An empty project that installed the package from its tarball, as anybody would: nothing in it knows of this
 * repository.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '../support/build.ts'
import { ENTRIES, type Place } from './entries.ts'

export type Manifest = {
  readonly version: string
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly bin: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

export type Project = {
  readonly folder: string
  readonly tarball: string
  /** The package as it was installed. */
  readonly installed: string
  readonly manifest: Manifest
  /** Runs a command in the project. @returns what it wrote; its failure is the error, with its output */
  readonly run: (command: string, ...args: readonly string[]) => string
  /** A file of a tool that is installed in the project. */
  readonly tool: (path: string) => string
}

/** Versions of what the project needs beside the package: those that this repository is tested with. */
function versionOf(name: string): string {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8'))
  return `${name}@${version}`
}

export function makeProject(): Project {
  const folder = mkdtempSync(join(tmpdir(), 'halyard-package-'))
  const run: Project['run'] = (command, ...args) => runIn(folder, command, args)
  runIn(join(ROOT, 'sdk'), 'npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder])
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? ''
  const own = JSON.parse(readFileSync(join(ROOT, 'sdk/package.json'), 'utf8')) as Manifest
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'shop', private: true, type: 'module' }, null, 2),
  )
  // The peers that the package names, then the tools of people who use it.
  const peers = Object.keys(own.peerDependencies ?? {})
  const tools = [
    'react-dom',
    '@types/react-dom',
    '@types/node',
    'vite',
    'esbuild',
    'typescript',
    ...peersTypes(peers),
  ]
  run(
    'npm',
    'install',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    '--silent',
    `./${tarball}`,
    ...[...peers, ...tools].map(versionOf),
    'typescript-5@npm:typescript@~5.9.3',
  )
  const installed = join(folder, 'node_modules/@halyard/sdk')
  const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as Manifest
  mkdirSync(join(folder, 'src'))
  cpSync(join(ROOT, 'test/package/trials'), join(folder, 'src'), { recursive: true })
  for (const place of ['node', 'web'] as const) writeMain(folder, place)
  return {
    folder,
    tarball: join(folder, tarball),
    installed,
    manifest,
    run,
    tool: (path) => join(folder, 'node_modules', path),
  }
}

/** Packages whose types come apart from them. */
function peersTypes(peers: readonly string[]): readonly string[] {
  return peers.map((peer) => `@types/${peer}`).filter((name) => existsSync(join(ROOT, 'node_modules', name)))
}

/** `src/<place>.ts` runs every trial of the place: by entry, `ok` or what went wrong. */
function writeMain(folder: string, place: Place): void {
  const trials = Object.entries(ENTRIES).filter(([, { runs }]) => runs.includes(place))
  writeFileSync(
    join(folder, 'src', `main-${place}.ts`),
    `${trials.map(([, { trial }], index) => `import { trial as trial${index} } from './${trial}.js'`).join('\n')}

const trials: readonly (readonly [string, () => Promise<unknown>])[] = [
${trials.map(([entry], index) => `  [${JSON.stringify(entry)}, trial${index}],`).join('\n')}
]

export async function results(): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const [entry, trial] of trials) {
    try {
      const value = await trial()
      found[entry] = value === true ? 'ok' : \`answered \${String(value)}\`
    } catch (error) {
      found[entry] = error instanceof Error ? (error.stack ?? error.message) : String(error)
    }
  }
  return found
}
`,
  )
}

function runIn(cwd: string, command: string, args: readonly string[]): string {
  try {
    return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}${stderr}`)
  }
}
