/**
 * Checks the import walls between rooms. The table is the whole truth: a room may import from the rooms and
 * packages that stand in its row, and from itself; `type:` before a room allows `import type` alone.
 * (Public linters at hand either cannot tell type imports apart or need an older TypeScript.)
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Longest matching prefix is the file's room. `*` allows everything. */
export const WALLS = {
  'sdk/core': ['re2js'],
  'sdk/transport': [],
  'sdk/flags.ts': [],
  'sdk/openfeature': ['type:sdk/core'],
  'sdk/openfeature/server': [
    'sdk/openfeature',
    'sdk/node',
    'type:sdk/core',
    'type:sdk/flags.ts',
    '@openfeature/server-sdk',
  ],
  'sdk/cli': ['sdk/transport', 'yaml', 'csv-parse', 'node:'],
  'sdk/testing': [
    'type:sdk/core',
    'type:sdk/flags.ts',
    'type:sdk/browser',
    'type:sdk/node',
    'sdk/node/page-data.ts',
  ],
  'sdk/openfeature/web': ['sdk/openfeature', 'sdk/browser', 'type:sdk/flags.ts', '@openfeature/web-sdk'],
  'sdk/answers.ts': ['type:sdk/core'],
  'sdk/node': ['sdk/core', 'sdk/transport', 'type:sdk/flags.ts', 'type:sdk/answers.ts', 'node:'],
  'sdk/browser': ['type:sdk/core', 'type:sdk/flags.ts', 'type:sdk/answers.ts', 'sdk/transport/version.ts'],
  'sdk/react': ['sdk/browser', 'type:sdk/flags.ts', 'type:sdk/answers.ts', 'react'],
  'server/domain': ['sdk/core', 'canonicalize', 'ajv', 'fastest-levenshtein', 're2js', 'node:crypto'],
  'server/contract': [
    'zod',
    'type:sdk/core',
    'type:server/domain',
    'server/domain/problem.ts',
    'server/domain/read-only.ts',
  ],
  'server/store': [
    'server/domain',
    'server/waiting.ts',
    'sdk/core',
    'drizzle-orm',
    'pg',
    '@electric-sql/pglite',
    'node:',
  ],
  'server/live': [
    'sdk/core',
    'server/domain',
    'server/waiting.ts',
    'type:server/store',
    'lru-cache',
    'ioredis',
    'node:',
  ],
  'server/http': [
    'server/contract',
    'server/domain',
    'server/live',
    'server/waiting.ts',
    'type:server/store',
    'sdk/core',
    'fastify',
    'prom-client',
    'zod',
    'node:',
  ],
  'server/config.ts': ['zod', 'server/live/redis/url.ts', 'server/store/postgres-url.ts', 'node:path'],
  'server/data-folder.ts': ['node:'],
  'server/waiting.ts': [],
  'server/vital-signs.ts': ['type:server/live', 'node:'],
  'server/compose.ts': ['*'],
  'server/commands': [
    'server/compose.ts',
    'server/config.ts',
    'server/data-folder.ts',
    'server/waiting.ts',
    'server/store',
    'server/domain',
    'sdk/core',
    'pino',
    'node:',
  ],
  'server/main.ts': ['server/commands'],
}

const IMPORT =
  /^\s*(?:import|export)\s+(type\s+)?(?:[\w*\s{},$]*?\s+from\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm

const roomOf = (path) =>
  Object.keys(WALLS)
    .filter((room) => path === room || path.startsWith(`${room}/`))
    .sort((a, b) => b.length - a.length)[0]

const names = (allowed, target) =>
  allowed.endsWith(':') ? target.startsWith(allowed) : target === allowed || target.startsWith(`${allowed}/`)

/**
 * @param {string} path of the importing file, from the root
 * @param {string} text the file's source
 * @returns {string[]} one sentence for each import that breaks a wall
 */
export function breaches(path, text) {
  const room = roomOf(path)
  if (room === undefined) return [`${path}: stands in no room; add its row to scripts/walls.mjs`]
  const found = []
  for (const [, type, from, dynamic] of text.matchAll(IMPORT)) {
    const specifier = from ?? dynamic
    const target = specifier.startsWith('.')
      ? relative('/', resolve('/', dirname(path), specifier))
      : specifier.replace(/^@halyard\/sdk/, 'sdk')
    if (room === target || target.startsWith(`${room}/`)) continue
    const allowed = WALLS[room].some(
      (entry) =>
        entry === '*' ||
        names(entry, target) ||
        (type !== undefined && entry.startsWith('type:') && names(entry.slice(5), target)),
    )
    if (!allowed)
      found.push(
        `${path}: ${room} may not import ${type === undefined ? '' : 'even the types of '}${specifier}`,
      )
  }
  return found
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
  const files = ['sdk', 'server'].flatMap((top) =>
    readdirSync(join(root, top), { recursive: true })
      .map((file) => join(top, String(file)))
      .filter((file) => /\.ts$/.test(file) && !/(^|\/)(dist|node_modules)\//.test(file)),
  )
  const found = files.flatMap((file) => breaches(file, readFileSync(join(root, file), 'utf8')))
  for (const line of found) console.error(line)
  console.log(`walls: ${files.length} files, ${found.length} breach${found.length === 1 ? '' : 'es'}`)
  process.exitCode = found.length === 0 ? 0 : 1
}
