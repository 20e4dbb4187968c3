/**
 * Where the server is, and with which key: options go before the environment, the environment before what `login`
 * kept. The key never stands on a command line, where other users and the shell's history would see it.
 */
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { type Edge, EXIT, type Given, type Option, Refusal } from './command.ts'
import { paintFor } from './output.ts'

export type Kept = { readonly url: string; readonly key: string; readonly project?: string }

/** What commands that ask a server take besides their own. */
export const SERVER_OPTIONS: Readonly<Record<string, Option>> = {
  url: { value: 'url', help: 'of the server. Default: HALYARD_URL, then what login kept' },
  'key-file': { value: 'file', help: 'that holds the key. Default: HALYARD_API_KEY, then what login kept' },
  project: { value: 'key', short: 'p', help: 'Default: HALYARD_PROJECT, then default' },
}
export const ENVIRONMENT_OPTION: Readonly<Record<string, Option>> = {
  env: { value: 'key', short: 'e', help: 'the environment. Default: HALYARD_ENV' },
}

type Place = Pick<Edge, 'environment' | 'home'>

/**
 * $XDG_CONFIG_HOME/halyard/config.json, or ~/.config/…; relative values are ignored, as the XDG specification says.
 * Undefined where there is no home: a key must not end up in whichever folder somebody stands in.
 */
export function keptIn({ environment, home }: Place): string | undefined {
  const { XDG_CONFIG_HOME: chosen } = environment
  const base = [chosen, join(home, '.config')].find((path) => path !== undefined && isAbsolute(path))
  return base === undefined ? undefined : join(base, 'halyard', 'config.json')
}

/** What `login` kept; undefined where nobody logged in. */
export function readKept(place: Place): Kept | undefined {
  const path = keptIn(place)
  if (path === undefined) return undefined
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new Refusal(`${path} cannot be read (${(error as Error).message}).`)
  }
  try {
    const { url, key, project } = JSON.parse(text) as Partial<Record<string, unknown>>
    if (typeof url !== 'string' || typeof key !== 'string') throw new Error('url and key are expected')
    return { url, key, ...(typeof project === 'string' && { project }) }
  } catch {
    throw new Refusal(`${path} is damaged: run halyard login again.`)
  }
}

/** Where `keep` would. @throws Refusal where there is no place */
export function placeToKeep(place: Place): string {
  const path = keptIn(place)
  if (path !== undefined) return path
  throw new Refusal(
    'There is nowhere to keep a key, since HOME is empty: set XDG_CONFIG_HOME to an absolute path, or use HALYARD_API_KEY.',
    EXIT.usage,
  )
}

/** For its owner's eyes alone, and never half written. */
export function keep(place: Place, kept: Kept): string {
  const path = placeToKeep(place)
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const fresh = `${path}.new`
  rmSync(fresh, { force: true })
  writeFileSync(fresh, `${JSON.stringify(kept, null, 2)}\n`, { mode: 0o600, flag: 'wx' })
  chmodSync(fresh, 0o600)
  renameSync(fresh, path)
  return path
}

export function forget(place: Place): void {
  const path = keptIn(place)
  if (path !== undefined) rmSync(path, { force: true })
}

export function urlOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new Refusal(`${JSON.stringify(text)} is no address: http://host:port is expected.`, EXIT.usage)
  }
  if (url.username !== '' || url.password !== '') {
    throw new Refusal('The address holds a password: keys go into HALYARD_API_KEY.', EXIT.usage)
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`
}

/** Whether an address leads to this machine alone, from wherever it is followed. */
export function isLoopback(url: string): boolean {
  return /^(localhost|.+\.localhost|127\.[\d.]+|\[::1\]|0\.0\.0\.0)$/.test(new URL(url).hostname)
}

export type Server = { readonly url: string; readonly key: string; readonly from: string }

/** The server and its key. What login kept is for its own server: its key is never sent to another. */
export function serverOf(edge: Edge, given: Given): Server {
  const asked = addressOf(edge, given)
  const url = asked === undefined ? readKept(edge)?.url : urlOf(asked)
  if (url === undefined) {
    throw new Refusal('Which server? Run halyard login, or set HALYARD_URL and HALYARD_API_KEY.', EXIT.usage)
  }
  const file = given.texts['key-file']
  if (file !== undefined) return { url, key: keyIn(resolve(edge.folder, file)), from: file }
  const { HALYARD_API_KEY } = edge.environment
  if (HALYARD_API_KEY) return { url, key: checkedKey(HALYARD_API_KEY), from: 'HALYARD_API_KEY' }
  const kept = readKept(edge)
  if (kept?.url === url) return { url, key: kept.key, from: placeToKeep(edge) }
  throw new Refusal(
    `There is no key for ${url}: run halyard login --url ${url}, or set HALYARD_API_KEY.`,
    EXIT.usage,
  )
}

const addressOf = ({ environment }: Edge, { texts }: Given): string | undefined =>
  texts.url ?? (environment.HALYARD_URL || undefined)

function keyIn(path: string): string {
  try {
    return checkedKey(readFileSync(path, 'utf8'))
  } catch (error) {
    if (error instanceof Refusal) throw error
    throw new Refusal(`The key cannot be read: ${(error as Error).message}.`, EXIT.usage)
  }
}

/** A key as it may go into a header; what is wrong with it is said without showing it. */
export function checkedKey(text: string): string {
  const key = text.trim()
  if (key === '') throw new Refusal('The key is empty.', EXIT.usage)
  if (!/^[\x21-\x7e]+$/.test(key))
    throw new Refusal('The key holds spaces or other text: it is one word.', EXIT.usage)
  const wrong = /^hly_(srv|pub)_/.exec(key)
  if (wrong !== null) {
    const kind = wrong[1] === 'srv' ? 'a server key, for SDKs' : 'a client key, for browsers'
    throw new Refusal(`This is ${kind}. A management key is needed: hly_api_…`, EXIT.usage)
  }
  return key
}

export function projectOf(edge: Edge, given: Given, named?: string): string {
  const { HALYARD_PROJECT } = edge.environment
  return given.texts.project ?? named ?? (HALYARD_PROJECT || keptProject(edge, given) || DEFAULT_PROJECT)
}

const DEFAULT_PROJECT = 'default'

/** A file that cannot be read stops nobody who has said where and who without it. */
function keptProject(edge: Edge, given: Given): string | undefined {
  try {
    return readKept(edge)?.project
  } catch (error) {
    const key = given.texts['key-file'] ?? edge.environment.HALYARD_API_KEY
    if (!(error instanceof Refusal) || !key || addressOf(edge, given) === undefined) throw error
    edge.tell(
      `${paintFor(edge).yellow('warning:')} ${error.message} The project is ${DEFAULT_PROJECT}: --project or HALYARD_PROJECT says another.`,
    )
    return undefined
  }
}

/** Never guessed: what is meant for staging must not reach production. */
export function environmentOf(edge: Edge, { texts }: Given): string {
  const environment = texts.env ?? edge.environment.HALYARD_ENV
  if (environment) return environment
  throw new Refusal('Which environment? Say --env, or set HALYARD_ENV.', EXIT.usage)
}
