/** The source files of a project: what git would commit where it is there, else all that is no one's build or package. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative, resolve, sep } from 'node:path'
import { EXIT, Refusal } from '../command.ts'

const LANGUAGES =
  'astro c cc cjs clj cljs coffee cpp cs cts dart erl ex exs fs go gradle groovy h heex html java js jsx kt kts liquid lua m mdx mjs mm mts php pl py rb rs sc scala svelte swift ts tsx twig vb vue'
const EXTENSIONS = new Set(LANGUAGES.split(' '))
const NOBODYS = new Set([
  '.git',
  'node_modules',
  'bower_components',
  'vendor',
  'dist',
  'build',
  'coverage',
  '.next',
  '.nuxt',
  'target',
  '__pycache__',
  '.venv',
])
const MOST_BYTES = 1024 * 1024

export type SourceFile = { readonly path: string; readonly text: string }

/** @param folder what paths are relative to, and shown from */
export function* sourcesIn(folder: string, paths: readonly string[]): Iterable<SourceFile> {
  const seen = new Set<string>()
  for (const path of paths) {
    const start = resolve(folder, path)
    for (const file of listed(start, path)) {
      if (seen.has(file)) continue
      seen.add(file)
      const text = textOf(file)
      if (text !== undefined) yield { path: relative(folder, file).split(sep).join('/') || file, text }
    }
  }
}

function listed(start: string, asked: string): readonly string[] {
  const found = statSync(start, { throwIfNoEntry: false })
  if (found === undefined) throw new Refusal(`${asked} is not there.`, EXIT.usage)
  if (found.isFile()) return [start]
  return (inGit(start) ?? walked(start)).filter(isSource)
}

function isSource(file: string): boolean {
  const name = file.slice(file.lastIndexOf(sep) + 1)
  return (
    EXTENSIONS.has(name.slice(name.lastIndexOf('.') + 1).toLowerCase()) &&
    !name.endsWith('.d.ts') &&
    !name.endsWith('.min.js')
  )
}

/** Tracked files, and new ones that are not ignored; undefined where this is no working tree, or there is no git. */
function inGit(folder: string): readonly string[] | undefined {
  try {
    const args = ['-C', folder, 'ls-files', '-z', '--cached', '--others', '--exclude-standard']
    const out = execFileSync('git', args, {
      encoding: 'utf8',
      maxBuffer: 256 * MOST_BYTES,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const names = out.split('\0').filter((name) => name !== '')
    return names
      .filter((name) => !name.split('/').some((part) => NOBODYS.has(part)))
      .map((name) => join(folder, name))
  } catch {
    return undefined
  }
}

function walked(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return NOBODYS.has(entry.name) ? [] : walked(path)
    return entry.isFile() ? [path] : []
  })
}

/** undefined: gone, too large to be anyone's code, or no text. */
function textOf(file: string): string | undefined {
  const found = statSync(file, { throwIfNoEntry: false })
  if (found?.isFile() !== true || found.size > MOST_BYTES) return undefined
  const text = readFileSync(file, 'utf8')
  return text.slice(0, 8_000).includes('\0') ? undefined : text
}
