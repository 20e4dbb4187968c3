/**
 * Checks what each entry for pages costs, bundled, minified and compressed with Brotli, against its budget; and that
 * nothing that evaluates rules is inside. `--all` lists the modules of each.
 */
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants } from 'node:zlib'
import { build } from 'vite'

const ROOT = resolve(import.meta.dirname, '..')
const KB = 1024

/**
 * `on`: an entry that the page has already, whose size is taken off. `external`: packages that the app brings.
 *
 * @type {readonly {entry: string, on?: string, external?: readonly string[], most: number}[]}
 */
export const BUDGETS = [
  { entry: 'browser', most: 3 * KB },
  { entry: 'openfeature/web', external: ['@openfeature/web-sdk'], most: 4 * KB },
  { entry: 'react', on: 'browser', external: ['react'], most: 0.7 * KB },
]

/** Where rules are evaluated, or what that needs: none of it belongs into a page. */
const EVALUATOR = /(^|\/)(sdk\/core|sdk\/node|node_modules)\//
const TRACES = ['murmur', 're2', 'bucketing', 'semver', 'fallthrough', '0xcc9e2d51', '3432918353']

/**
 * @param {readonly string[]} entries of the SDK, bundled into one file that exports all of each
 * @param {readonly string[]} external
 * @returns {Promise<{code: string, modules: string[]}>} minified
 */
export async function bundle(entries, external = []) {
  const id = '\0entry'
  const { output } = await build({
    configFile: false,
    root: ROOT,
    logLevel: 'error',
    resolve: { conditions: ['source', 'module', 'browser', 'import', 'default'] },
    plugins: [
      {
        name: 'entry',
        resolveId: (source) => (source === id ? id : null),
        load: (source) =>
          source === id
            ? entries.map((entry) => `export * from '${join(ROOT, 'sdk', entry, 'index.ts')}'`).join('\n')
            : null,
      },
    ],
    build: {
      write: false,
      minify: 'esbuild',
      target: 'es2022',
      modulePreload: false,
      rollupOptions: {
        input: id,
        external: [...external],
        preserveEntrySignatures: 'strict',
        onLog: (level, log, handler) => log.code !== 'MODULE_LEVEL_DIRECTIVE' && handler(level, log),
      },
    },
  })
  const [chunk] = output
  const modules = chunk.moduleIds.filter((module) => module !== id).map((module) => relative(ROOT, module))
  return { code: chunk.code, modules }
}

/** @param {string} code */
export function brotli(code) {
  return brotliCompressSync(code, {
    params: {
      [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
      [constants.BROTLI_PARAM_QUALITY]: 11,
    },
  }).length
}

/** @returns {string[]} what in a bundle has no business in a page */
export function evaluatorIn({ code, modules }) {
  return [
    ...modules.filter((module) => EVALUATOR.test(module)),
    ...TRACES.filter((trace) => code.includes(trace)).map((trace) => `the text "${trace}"`),
  ]
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const { entry, on, external, most } of BUDGETS) {
    const whole = await bundle(on === undefined ? [entry] : [on, entry], external)
    const base = on === undefined ? 0 : brotli((await bundle([on], external)).code)
    const bytes = brotli(whole.code) - base
    const foreign = evaluatorIn(whole)
    const fits = bytes <= most && foreign.length === 0
    console.log(
      `${fits ? 'ok  ' : 'FAIL'} @halyard/sdk/${entry}: ${bytes} of ${Math.floor(most)} bytes${on === undefined ? '' : ` beyond ${on}`}` +
        ` (brotli; ${whole.code.length} minified${on === undefined ? '' : ' with it'}), ${whole.modules.length} modules`,
    )
    if (process.argv.includes('--all')) for (const module of whole.modules) console.log(`       ${module}`)
    for (const one of foreign) console.error(`     no evaluator may be inside: ${one}`)
    if (!fits) process.exitCode = 1
  }
}
