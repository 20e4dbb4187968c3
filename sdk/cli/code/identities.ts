/** What a plan does to flags themselves, which belong to the project: makes, describes and archives them. */
import { type Api, at } from '../api.ts'
import { Refusal } from '../command.ts'
import type { Flag, Json, Outcome } from '../shapes.ts'
import { alike } from './compact.ts'
import type { CodeFile, Fields, FlagInFile, Path } from './file.ts'
import { atTheirPlaces, indexed, refuseArchived, unescaped } from './places.ts'

export type IdentityPlan = {
  readonly create: readonly { readonly key: string; readonly body: Fields }[]
  readonly update: readonly {
    readonly key: string
    readonly patch: Fields
    readonly ifMatch: string
    readonly summary: readonly string[]
  }[]
  readonly archive: readonly string[]
  /** On the server, not archived, and not in the file. */
  readonly notInFile: readonly string[]
}

const DEFAULTS = { description: '', tags: [], owner: null, temporary: false, expiresAt: null } as const
type Described = keyof typeof DEFAULTS
const DESCRIBED = Object.keys(DEFAULTS) as Described[]

export async function planIdentities(
  api: Api,
  project: string,
  file: CodeFile,
  flags: readonly Flag[],
  prune: boolean,
): Promise<IdentityPlan> {
  const known = new Map(flags.map((flag) => [flag.key, flag]))
  refuseArchived(file, new Set(flags.filter(({ archived }) => archived !== null).map(({ key }) => key)))
  if (file.flags === undefined) return { create: [], update: [], archive: [], notInFile: [] }
  const create: IdentityPlan['create'][number][] = []
  const update: IdentityPlan['update'][number][] = []
  for (const [key, wanted] of file.flags) {
    const path: Path = ['flags', key]
    const now = known.get(key)
    if (now === undefined) create.push(await tryToMake(api, project, key, wanted, file))
    else {
      if (now.type !== wanted.type) {
        throw new Refusal(
          `${file.placeOf([...path, 'type'])}: ${key}’s type is ${now.type}, and a flag’s type never changes: make another flag.`,
        )
      }
      const changed = await tryToDescribe(api, project, now, wanted, file)
      if (changed !== undefined) update.push(changed)
    }
  }
  const notInFile = flags
    .filter(({ key, archived }) => archived === null && file.flags?.has(key) !== true)
    .map(({ key }) => key)
  return { create, update, archive: prune ? notInFile : [], notInFile }
}

/** What a new flag starts with: its first configuration in the file gives variants and what is off. */
async function tryToMake(api: Api, project: string, key: string, wanted: FlagInFile, file: CodeFile) {
  const found = [...file.environments].find(([, { flags }]) => flags.has(key))
  const config = found?.[1].flags.get(key) ?? {}
  const { variants, offVariant, visibility, valueSchema } = config
  const started: Readonly<Record<string, Json | undefined>> = {
    variants,
    offVariant,
    visibility,
    valueSchema,
  }
  const body: Fields = {
    key,
    ...(wanted as Fields),
    ...(variants !== undefined && {
      ...(Object.fromEntries(Object.entries(started).filter(([, value]) => value !== undefined)) as Fields),
      // Without one the server would name the boolean flag's `off`, which these variants may not have.
      offVariant: offVariant ?? null,
      fallthrough: typeof offVariant === 'string' ? { variant: offVariant } : null,
    }),
  }
  try {
    await api.write<Outcome>('POST', at('projects', project, 'flags'), { body, query: { dryRun: 'true' } })
  } catch (error) {
    throw atTheirPlaces(error, file, (pointer) => {
      const [field = '', ...rest] = pointer.split('/').slice(1).map(unescaped)
      const inConfig = field in started && found !== undefined
      return inConfig
        ? ['environments', found[0], 'flags', key, field, ...rest.map(indexed)]
        : ['flags', key, field, ...rest.map(indexed)]
    })
  }
  return { key, body }
}

async function tryToDescribe(api: Api, project: string, now: Flag, wanted: FlagInFile, file: CodeFile) {
  const { key } = now
  const differing = DESCRIBED.filter(
    (field) => !alike((wanted[field] ?? DEFAULTS[field]) as Json, (now[field] ?? DEFAULTS[field]) as Json),
  )
  if (differing.length === 0) return undefined
  const patch = Object.fromEntries(differing.map((field) => [field, wanted[field] ?? null])) as Fields
  const path = at('projects', project, 'flags', key)
  const { epoch, revision } = now as Flag & { readonly epoch: number }
  const ifMatch = `"${epoch}-${revision}"`
  try {
    const { diff = [] } = await api.write<Outcome>('PATCH', path, {
      body: patch,
      ifMatch,
      query: { dryRun: 'true' },
    })
    return diff.length === 0
      ? undefined
      : { key, patch, ifMatch, summary: diff.flatMap(({ summary }) => summary) }
  } catch (error) {
    throw atTheirPlaces(error, file, (pointer) => [
      'flags',
      key,
      ...pointer.split('/').slice(1).map(unescaped).map(indexed),
    ])
  }
}
