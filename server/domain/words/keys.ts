/** Keys in words: what they are called, what they may do and until when. Never what is kept of their secret. */
import { fieldOf, listOf } from '../reading.ts'
import type { Telling } from './fields.ts'
import { expiryChange } from './identities.ts'
import { instantInWords, listed, named, quoted, stringsOf, textOf } from './phrases.ts'
import { nameChange } from './places.ts'

const MOST_GRANTS = 4
const MOST_PLACES = 4

const nameOf = (key: unknown): string => {
  const name = textOf(key, 'name')
  return name === undefined ? '' : ` ${quoted(name)}`
}

function created(key: unknown): string {
  const [replaces, expiresAt] = [textOf(key, 'replaces'), textOf(key, 'expiresAt')]
  return [
    replaces === undefined ? 'created' : `created in place of key ${named(replaces)}`,
    ...(expiresAt === undefined ? [] : [`expires ${instantInWords(expiresAt)}`]),
  ].join(', ')
}

/** The key's document is under an id that says nothing to people, so each sentence names the key. */
const COMMON: Omit<Telling, 'subject'> = {
  created,
  deleted: () => 'revoked',
  fields: {
    name: nameChange,
    expiresAt: expiryChange,
    replacedBy: (_, after) => (after === undefined ? undefined : `is replaced by key ${named(after)}`),
    digest: () => 'has another secret',
  },
}

export const SDK_KEY: Telling = {
  ...COMMON,
  subject: (key) => {
    const kind = fieldOf(key, 'kind')
    return `${kind === 'server' || kind === 'client' ? kind : 'SDK'} key${nameOf(key)}`
  },
}

export const API_KEY: Telling = {
  ...COMMON,
  subject: (key) => `management key${nameOf(key)}`,
  created: (key) => `${created(key)}: ${grantsInWords(fieldOf(key, 'grants'))}`,
  fields: {
    ...COMMON.fields,
    grants: (before, after) => `is now ${grantsInWords(after)} (was ${grantsInWords(before)})`,
  },
}

/** `admin everywhere`, `editor in shop/production and killer in project shop`. */
function grantsInWords(grants: unknown): string {
  const said = listOf(grants).map((grant) => `${named(fieldOf(grant, 'role'))} ${placesInWords(grant)}`)
  return said.length === 0 ? 'without a role' : listed(said, 'and', MOST_GRANTS)
}

function placesInWords(grant: unknown): string {
  const projects = stringsOf(fieldOf(grant, 'projects'))
  const environments = stringsOf(fieldOf(grant, 'environments'))
  const limits = [
    ...(environments === undefined ? [] : [listed(environments.map(placeInWords), 'and', MOST_PLACES)]),
    ...(projects === undefined
      ? []
      : [
          `${projects.length === 1 ? 'project' : 'projects'} ${listed(projects.map(named), 'and', MOST_PLACES)}`,
        ]),
  ]
  return limits.length === 0 ? 'everywhere' : `in ${limits.join(' within ')}`
}

/** `<project>/<environment>`. */
const placeInWords = (place: string): string => place.split('/').map(named).join('/')
