/** `halyard` in this process, as people run it: what it is given, what it said, and how it ended. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll } from 'vitest'
import type { Edge } from '../../sdk/cli/command.ts'
import { run } from '../../sdk/cli/run.ts'

export type Told = { readonly code: number; readonly said: string; readonly told: string }

export type Halyard = {
  /** Where it runs; also the person's home. */
  readonly folder: string
  (args: readonly string[], given?: Partial<Edge> & { readonly stdin?: string }): Promise<Told>
  /** The same with `--json`, parsed. */
  readonly json: <T>(...args: string[]) => Promise<T>
}

/** @param environment settings; nothing of this process's own is there */
export function halyard(environment: () => Readonly<Record<string, string>>): Halyard {
  const folder = mkdtempSync(join(tmpdir(), 'halyard-cli-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const call = async (
    args: readonly string[],
    { stdin = '', ...edge }: Partial<Edge> & { stdin?: string } = {},
  ): Promise<Told> => {
    const said: string[] = []
    const told: string[] = []
    const code = await run(args, {
      environment: environment(),
      folder,
      home: folder,
      say: (text) => void said.push(text),
      tell: (text) => void told.push(text),
      input: Readable.from([stdin]),
      terminal: false,
      ask: undefined,
      now: Date.now,
      random: () => 0,
      pause: async () => {},
      interrupted: () => new AbortController().signal,
      ...edge,
    })
    return { code, said: said.join('\n'), told: told.join('\n') }
  }
  return Object.assign(call, {
    folder,
    json: async <T>(...args: string[]) => {
      const { said } = await call([...args, '--json'])
      return JSON.parse(said) as T
    },
  })
}
