/**
 * Runs benchmarks and prints what they answer: `main.js [names…] [--json file] [--markdown file]`. Each runs in a process of its own,
 * so that none is measured on code that another has warmed. A row that is not met is printed as such; nothing is
 * asserted, and only a benchmark that cannot run ends with an error.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { cache } from './cache.ts'
import { core } from './core.ts'
import { fleet } from './fleet.ts'
import { history } from './history.ts'
import { http } from './http.ts'
import { limits } from './limits.ts'
import { members } from './members.ts'
import { propagation } from './propagation.ts'
import { type Machine, machine } from './rig/machine.ts'
import type { Bench, Row } from './rig/row.ts'
import { sdk } from './sdk.ts'
import { start } from './start.ts'
import { store } from './store.ts'
import { streams } from './streams.ts'

const BENCHES: readonly Bench[] = [
  core,
  sdk,
  http,
  cache,
  propagation,
  fleet,
  streams,
  limits,
  store,
  history,
  start,
  members,
]

const args = process.argv.slice(2)
if (args[0] === '--one') await one(args[1] ?? '')
else await all(args)

async function one(name: string): Promise<void> {
  const bench = BENCHES.find((candidate) => candidate.name === name)
  if (!bench) throw new Error(`there is no benchmark ${name}`)
  process.send?.(await bench.run())
  process.disconnect?.()
}

async function all(given: readonly string[]): Promise<void> {
  const { names, files } = asked(given)
  const unknown = names.filter((name) => !BENCHES.some((bench) => bench.name === name))
  if (unknown.length > 0) {
    console.error(
      `No such benchmark: ${unknown.join(', ')}. There are: ${BENCHES.map(({ name }) => name).join(', ')}.`,
    )
    process.exitCode = 64
    return
  }
  const host = machine()
  console.log(title(host))
  const results: Result[] = []
  for (const bench of BENCHES.filter(({ name }) => names.length === 0 || names.includes(name))) {
    console.log(`\n${bench.name}: ${bench.about}`)
    const result = await apart(bench)
    results.push(result)
    if (result.failed === undefined) console.log(table(result.rows))
    else {
      console.log(`  could not run: ${result.failed}`)
      process.exitCode = 1
    }
  }
  const judgedRows = results.flatMap(({ rows }) => rows).filter((row) => row.met !== undefined)
  console.log(`\n${judgedRows.filter((row) => row.met).length} of ${judgedRows.length} goals met`)
  const { json, markdown } = files
  if (json !== undefined) {
    writeFileSync(
      json,
      `${JSON.stringify({ at: new Date().toISOString(), machine: host, results }, null, 2)}\n`,
    )
  }
  if (markdown !== undefined) writeFileSync(markdown, asMarkdown(host, results))
}

type Asked = {
  readonly names: readonly string[]
  readonly files: { readonly json?: string; readonly markdown?: string }
}

/** `--json` and `--markdown` take the file after them. */
function asked(given: readonly string[]): Asked {
  const names: string[] = []
  const files: { json?: string; markdown?: string } = {}
  for (let at = 0; at < given.length; at += 1) {
    const arg = given[at] ?? ''
    if (arg === '--json' || arg === '--markdown') {
      at += 1
      files[arg === '--json' ? 'json' : 'markdown'] = given[at] ?? `bench.${arg === '--json' ? 'json' : 'md'}`
    } else if (!arg.startsWith('--')) names.push(arg)
  }
  return { names, files }
}

type Result = { readonly bench: string; readonly rows: readonly Row[]; readonly failed?: string }

/** In a process of its own. */
async function apart(bench: Bench): Promise<Result> {
  const child = fork(fileURLToPath(import.meta.url), ['--one', bench.name], {
    execArgv: ['--enable-source-maps', '--expose-gc'],
  })
  let rows: readonly Row[] | undefined
  child.on('message', (message) => {
    rows = message as readonly Row[]
  })
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
  if (rows) return { bench: bench.name, rows }
  return { bench: bench.name, rows: [], failed: `it ended with ${signal ?? `exit code ${code}`}` }
}

function title(host: Machine): string {
  return `${host.cpu}, ${host.cores} cores, ${host.memoryGb} GB, ${host.system}, Node ${host.node}, commit ${host.commit}, load ${host.load}`
}

/** What a row shows, in the order of the columns; the same in print and in documents. */
function cellsOf(row: Row): readonly string[] {
  return [
    row.name,
    `${figure(row.measured)} ${row.unit}`,
    row.baseline
      ? `${figure(row.baseline.value)} ${row.baseline.unit ?? row.unit} (${row.baseline.name})`
      : '',
    row.ratio === undefined ? '' : row.ratio.toFixed(2),
    row.goal ?? '',
    row.met === undefined ? '' : row.met ? 'met' : 'NOT MET',
  ]
}

function table(rows: readonly Row[]): string {
  const lines = [['', 'measured', 'beside it', 'ratio', 'goal', ''], ...rows.map(cellsOf)]
  const widths =
    lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? []
  const printed = lines.map((line) =>
    `  ${line.map((text, column) => text.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd(),
  )
  const notes = rows.flatMap((row) => (row.note ? [`  ${row.name}: ${row.note}`] : []))
  return [...printed, ...notes].join('\n')
}

function asMarkdown(host: Machine, results: readonly Result[]): string {
  const lines = results.flatMap(({ bench, rows, failed }) => [
    ...rows.map((row) => `| ${bench} | ${cellsOf(row).join(' | ')} |`),
    ...(failed === undefined ? [] : [`| ${bench} | could not run: ${failed} | | | | | |`]),
  ])
  return [
    `${title(host)}.`,
    '',
    '| Bench | | Measured | Beside it | Ratio | Goal | |',
    '|---|---|---|---|---|---|---|',
    ...lines,
    '',
  ].join('\n')
}

function figure(value: number): string {
  return value >= 1_000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)
}
