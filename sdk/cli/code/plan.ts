/**
 * A plan: what has to change so that a project is as a file says. The server's own dry run of the very commit says
 * what changes, and in which words; this only asks for it, with the revision of every document that was read.
 */
import { type Api, at, Refused } from '../api.ts'
import { problemText } from '../problem-text.ts'
import type { Configuration, DocumentDiff, Flag, Outcome, Segment, Warning } from '../shapes.ts'
import { alike, compactConfiguration, compactSegment, definitionOf } from './compact.ts'
import type { CodeFile, EnvironmentInFile, Fields, Path } from './file.ts'
import { type IdentityPlan, planIdentities } from './identities.ts'
import { atTheirPlaces, indexed, unescaped } from './places.ts'
import { readyToSend } from './rules.ts'

export type Change = {
  readonly op: 'put' | 'delete'
  readonly kind: 'flag' | 'segment'
  readonly key: string
  /** Absent for the configuration of a flag that this plan makes. */
  readonly ifRevision?: number
  readonly definition?: Fields
}
export type EnvironmentPlan = {
  readonly environment: string
  /** What the commit holds; the last ones could not be tried, since they lean on flags that are not there yet. */
  readonly changes: readonly Change[]
  readonly untried: readonly string[]
  readonly diff: readonly DocumentDiff[]
  readonly warnings: readonly Warning[]
}
export type Plan = {
  readonly project: string
  readonly identities: IdentityPlan
  readonly environments: readonly EnvironmentPlan[]
  /** On the server and not in the file, and left alone. */
  readonly left: { readonly flags: readonly string[]; readonly segments: readonly string[] }
}

/** @throws Refusal, with the places in the file, where the server would refuse it */
export async function planFor(api: Api, project: string, file: CodeFile, prune: boolean): Promise<Plan> {
  const flags = await api.all<Flag>(at('projects', project, 'flags'), { archived: 'any', limit: 1000 })
  const identities = await planIdentities(api, project, file, flags, prune)
  const planned: EnvironmentPlan[] = []
  const segmentsLeft: string[] = []
  for (const [environment, wanted] of file.environments) {
    const { plan, left } = await planEnvironment(api, project, environment, wanted, file, identities, prune)
    planned.push(plan)
    segmentsLeft.push(...left.map((segment) => `${environment}/${segment}`))
  }
  return {
    project,
    identities,
    environments: planned,
    left: { flags: prune ? [] : identities.notInFile, segments: segmentsLeft },
  }
}

export function sizeOf({ identities, environments }: Plan): number {
  const { create, update, archive } = identities
  const changed = environments.reduce((sum, { changes }) => sum + changes.length, 0)
  return create.length + update.length + archive.length + changed
}

type Sent = Change & { readonly path: Path }

async function planEnvironment(
  api: Api,
  project: string,
  environment: string,
  wanted: EnvironmentInFile,
  file: CodeFile,
  identities: IdentityPlan,
  prune: boolean,
): Promise<{ readonly plan: EnvironmentPlan; readonly left: readonly string[] }> {
  const base = ['projects', project, 'environments', environment] as const
  const top: Path = ['environments', environment]
  const [configurations, segments] = await placed(file, top, async () => [
    keyed(await api.all<Configuration>(at(...base, 'flags'), { limit: 1000 })),
    keyed(await api.all<Segment>(at(...base, 'segments'), { limit: 1000 })),
  ])
  const made = new Set(identities.create.map(({ key }) => key))
  const waiting = leaningOn(made, wanted)
  const sent: Sent[] = []
  const untried: Change[] = []
  const reweighted: Warning[] = []
  for (const [key, definition] of wanted.segments ?? []) {
    const now = segments.get(key)
    if (now !== undefined && alike(compactSegment(definition), compactSegment(definitionOf(now)))) continue
    sent.push({
      op: 'put',
      kind: 'segment',
      key,
      ifRevision: now?.revision ?? 0,
      definition,
      path: [...top, 'segments', key],
    })
  }
  for (const [key, definition] of wanted.flags) {
    const now = configurations.get(key)
    const ready = readyToSend(key, definition, now)
    if (ready.reweighted) {
      const message = `${environment}/${key}: the ranges are no longer their shares'; the server moves as few users as it can.`
      reweighted.push({ code: 'ranges-left-out', message })
    }
    if (waiting.has(key)) {
      untried.push({
        op: 'put',
        kind: 'flag',
        key,
        ...(now && { ifRevision: now.revision }),
        definition: ready.definition,
      })
      continue
    }
    if (
      now !== undefined &&
      alike(compactConfiguration(key, ready.definition), compactConfiguration(key, definitionOf(now)))
    ) {
      continue
    }
    const path: Path = [...top, 'flags', key]
    sent.push({
      op: 'put',
      kind: 'flag',
      key,
      ifRevision: now?.revision ?? 0,
      definition: ready.definition,
      path,
    })
  }
  const extra =
    wanted.segments === undefined
      ? []
      : [...segments.keys()].filter((key) => wanted.segments?.has(key) !== true)
  if (prune) {
    for (const key of extra) {
      sent.push({
        op: 'delete',
        kind: 'segment',
        key,
        ifRevision: segments.get(key)?.revision ?? 0,
        path: top,
      })
    }
  }
  const { diff = [], warnings = [] } = sent.length === 0 ? {} : await tried(api, base, sent, file)
  const changed = new Set(diff.map(({ kind, key }) => `${kind}/${key}`))
  const changes = sent
    .filter(({ kind, key }) => changed.has(`${kind}/${key}`))
    .map(({ path: _path, ...change }): Change => change)
  return {
    plan: {
      environment,
      changes: [...changes, ...untried],
      untried: untried.map(({ key }) => key),
      diff: diff.filter(({ kind }) => kind === 'flag' || kind === 'segment'),
      warnings: [...reweighted, ...warnings],
    },
    left: prune ? [] : extra,
  }
}

/** Flags that are not there yet, and those that require them, and so on. */
function leaningOn(made: ReadonlySet<string>, { flags }: EnvironmentInFile): ReadonlySet<string> {
  const found = new Set([...flags.keys()].filter((key) => made.has(key)))
  for (let before = -1; before !== found.size; ) {
    before = found.size
    for (const [key, { prerequisites }] of flags) {
      if (!Array.isArray(prerequisites)) continue
      const requires = prerequisites.map((one) => (one as { flag?: unknown } | null)?.flag)
      if (requires.some((flag) => typeof flag === 'string' && (found.has(flag) || made.has(flag))))
        found.add(key)
    }
  }
  return found
}

async function tried(
  api: Api,
  base: readonly string[],
  sent: readonly Sent[],
  file: CodeFile,
): Promise<Outcome> {
  const body = { changes: sent.map(({ path: _path, ...change }) => change) }
  try {
    return await api.write<Outcome>('POST', at(...base, 'commits'), {
      body,
      query: { ranges: 'keep', dryRun: 'true' },
    })
  } catch (error) {
    throw atTheirPlaces(error, file, (pointer) => pathIn(pointer, sent))
  }
}

/** `/changes/3/definition/rules/0` as a path into the file. */
function pathIn(pointer: string, sent: readonly Sent[]): Path {
  const [, change, field, ...rest] = pointer.split('/').slice(1).map(unescaped)
  const path = sent[Number(change)]?.path ?? []
  return field === 'definition' ? [...path, ...rest.map(indexed)] : path
}

/** What is not there at all is said with the place that named it. */
async function placed<T>(file: CodeFile, path: Path, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (!(error instanceof Refused) || error.kind !== 'environment-not-found') throw error
    throw new Refused(error.problem, `${file.placeOf(path)}: ${problemText(error.problem)}`)
  }
}

function keyed<T extends { readonly key: string }>(items: readonly T[]): Map<string, T> {
  return new Map(items.map((item) => [item.key, item]))
}
