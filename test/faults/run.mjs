/**
 * `npm run test:faults [-- row … --write --clients 20 --minutes 120 --memory]`: runs the matrix of faults, or the rows
 * whose names begin so, one after the other, and prints a table of their figures. `--write` keeps the table in
 * docs/faults.md; `--minutes` is for the soak; `--memory` has each row wait for a minute after its fault, and look at
 * what memory servers still hold.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os'
import { join, resolve } from 'node:path'

const ROOT = resolve(import.meta.dirname, '../..')
const DOCUMENT = join(ROOT, 'docs/faults.md')
const FROM = '<!-- figures:start -->'
const TO = '<!-- figures:end -->'

const { rows, write, settings } = asked(process.argv.slice(2))
const folder = mkdtempSync(join(tmpdir(), 'halyard-faults-'))
const results = join(folder, 'results.jsonl')
writeFileSync(results, '')
const { status } = spawnSync(
  process.execPath,
  [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', '--config', 'test/faults/vitest.config.ts'],
  {
    cwd: ROOT,
    stdio: 'inherit',
    env: {
      ...process.env,
      ...settings,
      HALYARD_FAULTS_ROWS: rows.join(','),
      HALYARD_FAULTS_RESULTS: results,
    },
  },
)
const ran = readFileSync(results, 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line))
rmSync(folder, { recursive: true, force: true })

if (rows.length > 0 && ran.length === 0) {
  console.error(`No row begins with ${rows.join(' or ')}.`)
  process.exit(64)
}
const failed = ran.filter(({ result }) => result === 'FAILED').length
const waiting = ran.filter(({ result }) => result === 'waits').length
console.log(`\n${ran.map(printed).join('\n\n')}\n`)
console.log(`${ran.length - failed - waiting} rows passed, ${failed} failed, ${waiting} wait (${machine()})`)
if (write) {
  const text = readFileSync(DOCUMENT, 'utf8')
  const [from, to] = [text.indexOf(FROM), text.indexOf(TO)]
  if (from < 0 || to < 0) throw new Error(`${DOCUMENT} has no place for the figures`)
  writeFileSync(DOCUMENT, `${text.slice(0, from + FROM.length)}\n${document()}\n${text.slice(to)}`)
  console.log(`written to ${DOCUMENT}`)
}
process.exit(status ?? 1)

function asked(args) {
  const rows = []
  const settings = {}
  let write = false
  for (let at = 0; at < args.length; at += 1) {
    if (args[at] === '--write') write = true
    else if (args[at] === '--memory') settings.HALYARD_FAULTS_MEMORY = '1'
    else if (args[at] === '--clients') settings.HALYARD_FAULTS_CLIENTS = args[++at]
    else if (args[at] === '--minutes') settings.HALYARD_FAULTS_MINUTES = args[++at]
    else rows.push(args[at])
  }
  return { rows, write, settings }
}

function printed({ row, fault, pass, result, seconds, figures, note }) {
  const lines = [
    `${result.toUpperCase()}  ${row} (${seconds.toFixed(0)} s)`,
    `  inject  ${fault}`,
    `  pass    ${pass}`,
    ...(note ? [`  waits   ${note}`] : []),
    ...Object.entries(figures).map(([name, value]) => `  ${name.padEnd(24)} ${value}`),
  ]
  return lines.join('\n')
}

function document() {
  const cell = (text) => String(text ?? '').replaceAll('|', '\\|')
  const lines = ran.map(({ row, fault, pass, result, figures, note }) => {
    const all = Object.entries(figures).map(([name, value]) => `${name}: ${value}`)
    return `| \`${row}\` | ${cell(fault)} | ${cell(pass)} | ${result === 'waits' ? `waits: ${cell(note)}` : result} | ${cell(all.join('; '))} |`
  })
  const clients = settings.HALYARD_FAULTS_CLIENTS ?? process.env.HALYARD_FAULTS_CLIENTS ?? 100
  return [
    `${machine()}, ${clients} SDK clients.`,
    '',
    '| Row | Injected | Must show | | Figures |',
    '|---|---|---|---|---|',
    ...lines,
  ].join('\n')
}

function machine() {
  const { stdout } = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: ROOT, encoding: 'utf8' })
  return `${cpus()[0]?.model.trim()}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB, linux ${release()}, Node ${process.version}, commit ${stdout?.trim() || 'unknown'}, load ${loadavg()[0].toFixed(1)}`
}
