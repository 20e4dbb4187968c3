/**
 * Projects, environments and keys, as the system's and the projects' logs say now. Derived when asked for and kept
 * until a log changes; a project whose own documents stand is not read again. Hides where the documents are.
 */
import type { Entry, Json, State } from '@halyard/sdk/core'
import { type LogId, SYSTEM } from '../domain/change.ts'
import type {
  ApiKeyDocument,
  EnvironmentDocument,
  ProjectDocument,
  SdkKeyDocument,
} from '../domain/documents.ts'
import type { KeyKind } from '../domain/keys.ts'
import type { HeldLog } from './held-log.ts'
import type { Environment, Principal, Project } from './live.ts'

/** A key as stored: never its text. */
export type KnownKey = {
  readonly kind: KeyKind
  readonly digest: string
  /** Epoch milliseconds. */
  readonly expiresAt: number | undefined
  readonly principal: Principal
}

/** A value: a new object after every change of the system's or a project's log. */
export type Directory = {
  /** false: there is a project whose log is not held, so that what is not found here may be there. */
  readonly complete: boolean
  /** Keys of such projects. */
  readonly unheld: ReadonlySet<string>
  readonly projects: readonly Project[]
  project(key: string): Project | undefined
  environments(project: LogId): readonly Environment[]
  environment(projectKey: string, environmentKey: string): Environment | undefined
  environmentById(environment: LogId): Environment | undefined
  key(id: string): KnownKey | undefined
  /** Ids of the keys that open the environment's ruleset. */
  serverKeys(environment: LogId): readonly string[]
}

export type DirectoryReader = {
  current(): Directory
  /** A system or project log was swapped or closed. */
  stale(): void
}

type Documents = ReadonlyMap<string, Entry>
type Listing = {
  readonly project: Project
  readonly environments: readonly Environment[]
  readonly byKey: ReadonlyMap<string, Environment>
  readonly keys: ReadonlyMap<string, KnownKey>
}
/** A listing with the documents that it was made of. */
type Kept = { readonly listing: Listing; readonly environments: Documents; readonly keys: Documents }

export function createDirectory(logs: () => ReadonlyMap<LogId, HeldLog>): DirectoryReader {
  let kept = new Map<LogId, Kept>()
  let directory: Directory | undefined

  function listed(project: Project, state: State): Kept {
    const environments = documents(state, 'environment')
    const keys = documents(state, 'sdk-key')
    const known = kept.get(project.id)
    const same =
      known?.environments === environments &&
      known.keys === keys &&
      known.listing.project.key === project.key &&
      known.listing.project.name === project.name
    return same ? known : { listing: listingOf(project, environments, keys), environments, keys }
  }

  function build(): Directory {
    const system = logs().get(SYSTEM)?.state
    const next = new Map<LogId, Kept>()
    const projects = system === undefined ? [] : projectsOf(system)
    for (const project of projects) {
      const state = logs().get(project.id)?.state
      if (state !== undefined) next.set(project.id, listed(project, state))
    }
    kept = next
    return directoryOf(
      Array.from(next.values(), ({ listing }) => listing),
      system === undefined ? new Map() : managementKeysOf(documents(system, 'api-key')),
      new Set(projects.filter(({ id }) => !next.has(id)).map(({ key }) => key)),
    )
  }

  return {
    current() {
      directory ??= build()
      return directory
    },
    stale() {
      directory = undefined
    },
  }
}

function directoryOf(
  listings: readonly Listing[],
  management: ReadonlyMap<string, KnownKey>,
  unheld: ReadonlySet<string>,
): Directory {
  const byKey = new Map(listings.map((listing) => [listing.project.key, listing]))
  const byId = new Map(listings.map((listing) => [listing.project.id, listing]))
  const environments = new Map<LogId, Environment>()
  for (const listing of listings) {
    for (const environment of listing.environments) environments.set(environment.id, environment)
  }
  return {
    complete: unheld.size === 0,
    unheld,
    projects: listings.map(({ project }) => project),
    project: (key) => byKey.get(key)?.project,
    environments: (project) => byId.get(project)?.environments ?? [],
    environment: (projectKey, environmentKey) => byKey.get(projectKey)?.byKey.get(environmentKey),
    environmentById: (environment) => environments.get(environment),
    key(id) {
      const known = management.get(id)
      if (known !== undefined) return known
      for (const { keys } of listings) {
        const key = keys.get(id)
        if (key !== undefined) return key
      }
      return undefined
    },
    serverKeys(environment) {
      const listing = byId.get(environments.get(environment)?.project.id ?? '')
      return Array.from(listing?.keys.values() ?? [])
        .filter(({ principal }) => principal.kind === 'server' && principal.environment.id === environment)
        .map(({ principal }) => principal.keyId)
    },
  }
}

function projectsOf(system: State): Project[] {
  return definitions<ProjectDocument>(documents(system, 'project'), 'id', 'key', 'name').map(
    ({ id, key, name }) => ({ id, key, name }),
  )
}

function listingOf(project: Project, environmentDocuments: Documents, keyDocuments: Documents): Listing {
  const environments = definitions<EnvironmentDocument>(environmentDocuments, 'id', 'key', 'name').map(
    ({ id, key, name, settings }) => ({ id, project, key, name, settings: settingsOf(settings) }),
  )
  const byId = new Map(environments.map((environment) => [environment.id, environment]))
  const keys = new Map<string, KnownKey>()
  for (const document of definitions<SdkKeyDocument>(keyDocuments, 'id', 'kind', 'environment', 'digest')) {
    const environment = byId.get(document.environment)
    const { kind, id: keyId, name } = document
    if (environment === undefined || (kind !== 'server' && kind !== 'client')) continue
    keys.set(keyId, { kind, ...secretOf(document), principal: { kind, keyId, name, environment } })
  }
  return { project, environments, byKey: new Map(environments.map((one) => [one.key, one])), keys }
}

function managementKeysOf(keyDocuments: Documents): Map<string, KnownKey> {
  const keys = new Map<string, KnownKey>()
  for (const document of definitions<ApiKeyDocument>(keyDocuments, 'id', 'digest')) {
    const { id: keyId, name, grants } = document
    const kind = 'management'
    if (Array.isArray(grants)) {
      keys.set(keyId, { kind, ...secretOf(document), principal: { kind, keyId, name, grants } })
    }
  }
  return keys
}

/** An expiry that is no date has passed: a key whose end cannot be read opens nothing. */
function secretOf(document: SdkKeyDocument | ApiKeyDocument): Pick<KnownKey, 'digest' | 'expiresAt'> {
  const { digest, expiresAt } = document
  if (expiresAt === undefined) return { digest, expiresAt }
  const at = Date.parse(expiresAt)
  return { digest, expiresAt: Number.isNaN(at) ? 0 : at }
}

function settingsOf(settings: Partial<EnvironmentDocument['settings']> | undefined): Environment['settings'] {
  return {
    corsOrigins: Array.isArray(settings?.corsOrigins) ? settings.corsOrigins : [],
    requireComment: settings?.requireComment === true,
    confirmBulk: settings?.confirmBulk === true,
  }
}

const NONE: Documents = new Map()
function documents(state: State, kind: string): Documents {
  return state.entries.get(kind) ?? NONE
}

/**
 * The documents by key that have these texts. They were checked when they were written; one broken by hand is
 * passed over, so that it harms no other.
 */
function definitions<T>(entries: Documents, ...texts: readonly (keyof T & string)[]): T[] {
  return [...entries]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { definition }]) => definition)
    .filter((definition) => texts.every((name) => typeof memberOf(definition, name) === 'string')) as T[]
}

function memberOf(definition: Json, name: string): unknown {
  return definition !== null && typeof definition === 'object' && Object.hasOwn(definition, name)
    ? (definition as Record<string, unknown>)[name]
    : undefined
}
