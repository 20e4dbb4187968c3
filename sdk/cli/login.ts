/** `halyard login`, `logout`, `whoami`: a server and its key, kept for the next command. The key is never shown. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { createApi, type Page, Refused } from './api.ts'
import { type Command, type Edge, EXIT, type Given, Refusal } from './command.ts'
import { paintFor, plural, show } from './output.ts'
import {
  checkedKey,
  forget,
  isLoopback,
  type Kept,
  keep,
  keptIn,
  placeToKeep,
  readKept,
  serverOf,
  urlOf,
} from './settings.ts'

const MOST_KEY_BYTES = 4_096

export const loginCommand: Command = {
  summary: 'Keep a server’s address and key for the next commands',
  options: {
    url: { value: 'url', help: 'of the server. Default: HALYARD_URL, then http://127.0.0.1:4000' },
    'key-file': {
      value: 'file',
      help: 'that holds the key. Without it: asked for, or read from standard input',
    },
    project: { value: 'key', short: 'p', help: 'the project that is meant where none is named' },
  },
  local: true,
  notes:
    'The key goes into a file that only you can read, under $XDG_CONFIG_HOME/halyard or ~/.config/halyard.',
  async run(edge, given) {
    const url = urlOf(given.texts.url ?? (edge.environment.HALYARD_URL || 'http://127.0.0.1:4000'))
    placeToKeep(edge)
    const key = checkedKey(await keyFor(edge, given, url))
    const projects = await projectsOf(edge, { url, key, from: 'what you gave' })
    const { project } = given.texts
    if (project !== undefined && projects !== undefined && !projects.includes(project)) {
      throw new Refusal(
        `The key sees no project ${JSON.stringify(project)}: it sees ${projects.join(', ') || 'none'}.`,
      )
    }
    const path = keep(edge, { url, key, ...(project !== undefined && { project }) })
    show(
      edge,
      given,
      { url, key: nameOf(key), path },
      () => `Logged in to ${url} with ${nameOf(key)}. Kept in ${path}`,
      `the key for ${url} is kept in ${path}`,
    )
    if (url.startsWith('http:') && !isLoopback(url)) {
      edge.tell(
        `${paintFor(edge).yellow('warning:')} ${url} is not encrypted: the key can be read on its way.`,
      )
    }
    return EXIT.done
  },
}

async function keyFor(edge: Edge, { texts }: Given, url: string): Promise<string> {
  const file = texts['key-file']
  if (file !== undefined) {
    try {
      return readFileSync(resolve(edge.folder, file), 'utf8')
    } catch (error) {
      throw new Refusal(`The key cannot be read: ${(error as Error).message}.`, EXIT.usage)
    }
  }
  if (edge.ask !== undefined)
    return await edge.ask(`Management key for ${url} (it will not show): `, 'hidden')
  let text = ''
  for await (const chunk of edge.input) {
    text += String(chunk)
    if (text.length > MOST_KEY_BYTES) throw new Refusal('What came by standard input is no key.', EXIT.usage)
  }
  return text
}

/** The projects that the key sees; undefined where it may not list them, and so is a key all the same. */
async function projectsOf(
  edge: Edge,
  server: Parameters<typeof createApi>[1],
): Promise<string[] | undefined> {
  try {
    const page = await createApi(edge, server).get<Page<{ key: string }>>('/api/v1/projects', { limit: 1000 })
    return page.items.map(({ key }) => key)
  } catch (error) {
    if (error instanceof Refused && error.kind === 'forbidden') return undefined
    throw error
  }
}

/** A key's public part; of a configured one, nothing. */
function nameOf(key: string): string {
  const id = /^hly_api_([^_]+)_/.exec(key)?.[1]
  return id === undefined ? 'the configured key' : `key ${id}`
}

export const logoutCommand: Command = {
  summary: 'Forget the kept key',
  local: true,
  async run(edge, given) {
    const kept = keptOrDamaged(edge)
    forget(edge)
    const was = kept === 'damaged' ? null : (kept?.url ?? null)
    show(edge, given, { path: keptIn(edge) ?? null, was }, () => {
      if (kept === undefined) return 'Nothing was kept.'
      const what =
        kept === 'damaged' ? `what was kept in ${keptIn(edge)}, damaged` : `the key for ${kept.url}`
      return `Forgot ${what}. The key is still good: revoke it on the server where it has leaked.`
    })
    return EXIT.done
  },
}

/** What cannot be read can be forgotten. */
function keptOrDamaged(edge: Edge): Kept | 'damaged' | undefined {
  try {
    return readKept(edge)
  } catch (error) {
    if (error instanceof Refusal) return 'damaged'
    throw error
  }
}

export const whoamiCommand: Command = {
  summary: 'Say which server and key are used, and what the key sees',
  async run(edge, given) {
    const server = serverOf(edge, given)
    const projects = await projectsOf(edge, server)
    const { url, key, from } = server
    show(edge, given, { url, key: nameOf(key), from, projects: projects ?? null }, () =>
      [
        `${url} with ${nameOf(key)}, from ${from}`,
        projects === undefined
          ? 'It may not list projects.'
          : `It sees ${plural(projects.length, 'project')}: ${projects.join(', ')}`,
      ].join('\n'),
    )
    return EXIT.done
  },
}
