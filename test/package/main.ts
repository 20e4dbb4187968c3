/**
 * `npm run test:package`: packs the SDK, installs the tarball in an empty project, and tries every entry of it: types
 * for both ways to find modules, in this Node and the newest one, through bundlers, and in Chromium. It prints what
 * held, and ends with 1 where something did not.
 */
import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildIfStale } from '../support/build.ts'
import { CHROMIUM, resultsInChromium } from './chromium.ts'
import { ENTRIES, type Place } from './entries.ts'
import { makeProject, type Project } from './project.ts'

const failures: string[] = []

/** Does a step, and says how it went; the others go on. */
async function step(name: string, work: () => string | Promise<string>): Promise<void> {
  try {
    console.log(`ok    ${name}: ${await work()}`)
  } catch (error) {
    failures.push(name)
    console.log(`FAIL  ${name}: ${error instanceof Error ? error.message : error}`)
  }
}

const entriesOf = (place: Place): readonly string[] =>
  Object.keys(ENTRIES).filter((entry) => ENTRIES[entry]?.runs.includes(place))

/** @throws Error where an entry of the place did not answer `ok` */
function judge(results: Readonly<Record<string, string>>, place: Place): string {
  const wrong = entriesOf(place).filter((entry) => results[entry] !== 'ok')
  if (wrong.length > 0) throw new Error(wrong.map((entry) => `${entry} ${results[entry]}`).join('\n'))
  return entriesOf(place).join(' ')
}

/** Every entry has a trial, and every file that it names is in the tarball. */
function contents({ installed, manifest, tarball }: Project): string {
  const entries = Object.keys(manifest.exports).filter((entry) => entry !== './package.json')
  const untried = entries.filter((entry) => !(entry in ENTRIES))
  if (untried.length > 0) throw new Error(`without a trial in test/package/entries.ts: ${untried.join(' ')}`)
  const targets = Object.values(manifest.exports).flatMap((one) =>
    typeof one === 'string' ? [one] : Object.values(one),
  )
  const named = [...targets, ...Object.values(manifest.bin), 'LICENSE', 'README.md']
  const missing = named.filter((path) => !existsSync(join(installed, path)))
  if (missing.length > 0) throw new Error(`not in the tarball: ${missing.join(' ')}`)
  return `${entries.length} entries, ${Math.round(statSync(tarball).size / 1024)} KiB packed`
}

function types(project: Project, compiler: string, module: 'nodenext' | 'bundler'): string {
  const config = `tsconfig.${compiler}.${module}.json`
  writeFileSync(
    join(project.folder, config),
    JSON.stringify({
      compilerOptions: {
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        skipLibCheck: false,
        target: 'es2022',
        module: module === 'bundler' ? 'esnext' : 'nodenext',
        moduleResolution: module,
        jsx: 'react-jsx',
        // Who writes for servers knows nothing of pages.
        lib: module === 'nodenext' ? ['es2022'] : ['es2022', 'dom', 'dom.iterable'],
        types: ['node'],
        rootDir: 'src',
        outDir: module,
      },
      include: [module === 'nodenext' ? 'src/main-node.ts' : 'src'],
    }),
  )
  project.run(process.execPath, project.tool(`${compiler}/bin/tsc`), '-p', config)
  return `strict, skipLibCheck: false, TypeScript ${
    project
      .run(process.execPath, project.tool(`${compiler}/bin/tsc`), '--version')
      .trim()
      .split(' ')[1]
  }`
}

const RUN = 'const { results } = await import(process.argv[1]); console.log(JSON.stringify(await results()))'

function inNode(project: Project, node: string, file: string): string {
  const written = project.run(node, '--input-type=module', '-e', RUN, join(project.folder, file))
  return `${project.run(node, '--version').trim()}: ${judge(JSON.parse(written), 'node')}`
}

/** The newest Node, from the registry; undefined, and said so, where that cannot be reached. */
function newestNode(project: Project): string | undefined {
  const name = `node-${process.platform}-${process.arch}`
  try {
    project.run(
      'npm',
      'install',
      '--no-save',
      '--prefer-offline',
      '--no-audit',
      '--no-fund',
      '--silent',
      name,
    )
  } catch (error) {
    console.log(`left out: the newest Node (${name}) could not be had. ${error}`)
    return undefined
  }
  return project.tool(`${name}/bin/node`)
}

function bundledByEsbuild(project: Project): string {
  project.run(
    project.tool('.bin/esbuild'),
    'src/main-node.ts',
    '--bundle',
    '--platform=node',
    '--format=esm',
    '--outfile=bundled/main-node.js',
    '--banner:js=import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
    '--log-level=warning',
  )
  return inNode(project, process.execPath, 'bundled/main-node.js')
}

function bundledByVite(project: Project): string {
  writeFileSync(join(project.folder, 'index.html'), '<script type="module" src="/src/page.ts"></script>')
  writeFileSync(
    join(project.folder, 'src/page.ts'),
    `import { results } from './main-web.js'
void results().then((found) => fetch('/results', { method: 'POST', body: JSON.stringify(found) }))
`,
  )
  const said = project.run(process.execPath, project.tool('vite/bin/vite.js'), 'build', '--outDir', 'page')
  if (/warn/i.test(said)) throw new Error(said)
  return said.match(/[\d.]+ kB/g)?.at(-1) ?? ''
}

buildIfStale()
const project = makeProject()
try {
  await step('contents', () => contents(project))
  for (const compiler of ['typescript', 'typescript-5']) {
    await step(`types, nodenext`, () => types(project, compiler, 'nodenext'))
    await step(`types, bundler`, () => types(project, compiler, 'bundler'))
  }
  await step('imports', () => inNode(project, process.execPath, 'nodenext/main-node.js'))
  const newest = newestNode(project)
  if (newest !== undefined) await step('imports', () => inNode(project, newest, 'nodenext/main-node.js'))
  await step('bundled by esbuild', () => bundledByEsbuild(project))
  await step('bundled by Vite', () => bundledByVite(project))
  if (CHROMIUM === undefined) console.log('left out: there is no Chromium here')
  else
    await step('in Chromium', async () => judge(await resultsInChromium(join(project.folder, 'page')), 'web'))
  for (const command of Object.keys(project.manifest.bin)) {
    await step(
      `the command ${command}`,
      () => project.run(project.tool(`.bin/${command}`), '--help').split('\n')[0] ?? '',
    )
  }
} finally {
  rmSync(project.folder, { recursive: true, force: true })
}
if (failures.length > 0) process.exitCode = 1
