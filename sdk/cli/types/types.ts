/** `halyard types`: the compiler's knowledge of the flags, written from the server or a committed file, and checked. */
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Api, apiOf, at } from '../api.ts'
import { type CodeFile, type Fields, readCode } from '../code/file.ts'
import { type Command, type Edge, EXIT, Refusal } from '../command.ts'
import { environmentsOf } from '../flags.ts'
import { plural, show } from '../output.ts'
import { projectOf, SERVER_OPTIONS } from '../settings.ts'
import type { Configuration, Flag, Json } from '../shapes.ts'
import { declarationOf, entriesOf, type Known } from './declaration.ts'

const OUT = 'halyard-flags.d.ts'

export const typesCommand: Command = {
  summary: 'Write the flags’ names and types for TypeScript, or check that they still hold',
  options: {
    ...SERVER_OPTIONS,
    out: { value: 'file', short: 'o', help: `Default: ${OUT}` },
    from: { value: 'file', short: 'f', help: 'flags as code, in place of the server' },
    check: { help: 'write nothing; exit 2 where the file names flags that are gone, or of another type' },
    strict: { help: 'with --check: exit 2 where flags are missing in the file, too' },
    openfeature: { help: 'OpenFeature’s flag keys, too (needs @openfeature/core)' },
  },
  local: true,
  exits: ['different'],
  notes: 'A flag that somebody makes on the server breaks nobody’s build: --check tells it, and exits 0.',
  async run(edge, given) {
    const { out = OUT, from } = given.texts
    const flags = from === undefined ? await onServer(edge, given) : inFile(readCode(edge, from), from)
    const text = declarationOf(flags, given.flags.has('openfeature'))
    const path = resolve(edge.folder, out)
    const before = existing(path)
    if (given.flags.has('check')) return check(edge, given, out, before, text)
    const changed = before !== text
    if (changed) writeFileSync(path, text)
    show(edge, given, { out, flags: flags.length, changed }, () =>
      changed
        ? `Wrote ${plural(flags.length, 'flag')} to ${out}.`
        : `${out} is as it should be: ${plural(flags.length, 'flag')}.`,
    )
    return EXIT.done
  },
}

type Given = Parameters<Command['run']>[1]

async function onServer(edge: Edge, given: Given): Promise<Known[]> {
  const api = apiOf(edge, given)
  const project = projectOf(edge, given)
  const flags = await api.all<Flag>(at('projects', project, 'flags'), { limit: 1000 })
  const configurations = await objectConfigurations(api, project, flags)
  return flags.map(({ key, type, description, initial }) => {
    const all = [...(configurations.get(key) ?? []), ...(configurations.has(key) ? [] : [initial])]
    return known(key, type, description, all)
  })
}

/** Values of object flags alone are looked at: what they are may differ from one environment to the next. */
async function objectConfigurations(api: Api, project: string, flags: readonly Flag[]) {
  const found = new Map<string, Configuration[]>()
  if (!flags.some(({ type }) => type === 'object')) return found
  for (const environment of await environmentsOf(api, project)) {
    const path = at('projects', project, 'environments', environment, 'flags')
    for (const one of await api.all<Configuration>(path, { limit: 1000 })) {
      found.set(one.key, [...(found.get(one.key) ?? []), one])
    }
  }
  return found
}

function inFile({ flags, environments }: CodeFile, name: string): Known[] {
  if (flags === undefined) throw new Refusal(`${name} has no flags: types come from there.`)
  return [...flags].map(([key, { type, description = '' }]) => {
    const all = [...environments.values()].flatMap((environment) => {
      const found = environment.flags.get(key)
      return found === undefined ? [] : [found]
    })
    return known(key, type, description, all)
  })
}

type Valued = { readonly variants?: Fields | Json; readonly valueSchema?: Fields | Json }

function known(key: string, type: Known['type'], description: string, all: readonly Valued[]): Known {
  const isFields = (value: unknown): value is Fields =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
  return {
    key,
    type,
    description,
    values: all.flatMap(({ variants }) => (isFields(variants) ? Object.values(variants) : [])),
    // Where one environment has none, nothing keeps its values to the others' schemas.
    schemas: all.every(({ valueSchema }) => isFields(valueSchema))
      ? all.map(({ valueSchema }) => valueSchema as Fields)
      : [],
  }
}

function existing(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function check(edge: Edge, given: Given, out: string, before: string | undefined, text: string): number {
  if (before === undefined)
    throw new Refusal(`${out} is not there: run halyard types first, and commit it.`, EXIT.different)
  const [had, has] = [entriesOf(before), entriesOf(text)]
  const gone = [...had.keys()].filter((key) => !has.has(key))
  const changed = [...had].filter(([key, type]) => has.has(key) && has.get(key) !== type).map(([key]) => key)
  const missing = [...has.keys()].filter((key) => !had.has(key))
  const wrong = gone.length > 0 || changed.length > 0 || (given.flags.has('strict') && missing.length > 0)
  show(edge, given, { out, gone, changed, missing, ok: !wrong }, () =>
    [
      ...gone.map((key) => `gone: ${key}`),
      ...changed.map((key) => `changed: ${key} is ${has.get(key)}, and was ${had.get(key)}`),
      ...missing.map((key) => `new: ${key}`),
      wrong
        ? `${out} is out of date: run halyard types, and see what no longer compiles.`
        : missing.length > 0
          ? `${out} holds; run halyard types to have what is new.`
          : `${out} holds.`,
    ].join('\n'),
  )
  return wrong ? EXIT.different : EXIT.done
}
