/**
 * What an upgrade to this release meets: migrations that it would apply, SDKs that are out there, oldest first, and
 * what each of them would skip of the rulesets as they are. Pure but for what it is given to read them with.
 */
import { compareVersions, parseVersion, type State } from '@halyard/sdk/core'
import type { LogId } from '../../domain/change.ts'
import type { SdkFeatures } from '../../domain/sdk-features.ts'
import {
  appInWords,
  consequence,
  featureInWords,
  type Skip,
  skippedBy,
  usesOf,
} from '../../domain/skipped.ts'
import { counted } from '../../domain/words/phrases.ts'
import type { Audience } from '../../store/inspect.ts'
import type { KeyUse } from '../../store/store.ts'
import type { Check } from './checks.ts'

export type SdkSeen = {
  readonly sdk: string
  readonly apps: readonly { readonly app: string; readonly version: string; readonly at: string }[]
  readonly skips: readonly (Skip & { readonly environment: string })[]
}
export type Upgrade = {
  /** That this release would apply. */
  readonly migrations: readonly string[]
  /** Oldest first; undefined where the schema does not note them yet. */
  readonly sdks: readonly SdkSeen[] | undefined
}

/** @param rulesOf reads an environment's flags and segments; one environment at a time is held */
export async function sdksSeen(
  audiences: readonly Audience[],
  rulesOf: (log: LogId) => Promise<State>,
  table: SdkFeatures,
): Promise<readonly SdkSeen[]> {
  const seen = new Map<string, Seen>()
  for (const { log, name: environment, uses } of audiences) {
    const state = await rulesOf(log)
    const used = usesOf(state, state.entries.get('flag')?.keys() ?? [])
    for (const sdk of new Set(uses.map((use) => use.sdk))) {
      const known = seen.get(sdk) ?? newSeen()
      seen.set(sdk, known)
      known.skips.push(...skippedBy(used, sdk, table).map((skip) => ({ ...skip, environment })))
    }
    for (const use of uses) {
      const apps = seen.get(use.sdk)?.apps
      const name = JSON.stringify([use.app, use.version])
      if (use.at > (apps?.get(name)?.at ?? 0)) apps?.set(name, use)
    }
  }
  return [...seen]
    .sort(([a], [b]) => older(a, b))
    .map(([sdk, { apps, skips }]) => ({
      sdk,
      apps: [...apps.values()]
        .sort((a, b) => b.at - a.at)
        .map(({ app, version, at }) => ({ app, version, at: new Date(at).toISOString() })),
      skips,
    }))
}

type Seen = {
  readonly apps: Map<string, KeyUse>
  readonly skips: (Skip & { readonly environment: string })[]
}
const newSeen = (): Seen => ({ apps: new Map(), skips: [] })

/** By the SDK's name, then by its version; what is no version comes last. */
function older(a: string, b: string): number {
  const [[name = '', text = ''], [otherName = '', otherText = '']] = [a.split('/'), b.split('/')]
  if (name !== otherName) return name < otherName ? -1 : 1
  const [version, other] = [parseVersion(text), parseVersion(otherText)]
  if (version === undefined || other === undefined)
    return version === other ? 0 : version === undefined ? 1 : -1
  return compareVersions(version, other)
}

/** SDKs and skipped rules told of; others are counted. */
const MOST_TOLD = 20

export function upgradeChecks({ migrations, sdks }: Upgrade): readonly Check[] {
  const what =
    migrations.length === 0 ? 'this release applies none' : `this release applies ${migrations.join(', ')}`
  return [{ check: 'migrations', state: 'ok', message: what }, ...sdkChecks(sdks)]
}

function sdkChecks(sdks: readonly SdkSeen[] | undefined): readonly Check[] {
  if (sdks === undefined) {
    const message = 'the schema does not note them yet; look again when this release has run for a while'
    return [{ check: 'sdks', state: 'note', message }]
  }
  if (sdks.length === 0) return [{ check: 'sdks', state: 'ok', message: 'none was seen lately' }]
  const skips = sdks.flatMap((seen) => seen.skips.map((skip) => ({ seen, skip })))
  const rest = skips.length - MOST_TOLD
  return [
    ...sdks.slice(0, MOST_TOLD).map(seenCheck),
    ...(sdks.length > MOST_TOLD
      ? [{ check: 'sdks', state: 'note', message: `and ${sdks.length - MOST_TOLD} newer ones` } as const]
      : []),
    ...skips.slice(0, MOST_TOLD).map(({ seen, skip }): Check => {
      const [app = { app: '', version: '' }] = seen.apps
      const message = `${appInWords({ ...app, sdk: seen.sdk })} would ${consequence(skip)} in ${skip.environment}: it does not know ${featureInWords(skip.feature)}, which came with ${seen.sdk.split('/')[0]}/${skip.since}`
      return { check: 'skips', state: 'fault', message }
    }),
    ...(rest > 0
      ? [{ check: 'skips', state: 'fault', message: `and ${rest} more like these` } as const]
      : []),
  ]
}

function seenCheck({ sdk, apps, skips }: SdkSeen): Check {
  const [latest] = apps
  const named = latest === undefined ? '' : appInWords({ ...latest, sdk })
  const others = apps.length > 1 ? ` and ${apps.length - 1} more` : ''
  const knows = skips.length === 0 ? 'skips nothing' : `skips ${counted(skips.length, 'part')} of rules`
  return {
    check: 'sdks',
    state: skips.length === 0 ? 'ok' : 'fault',
    message: `${named}${others}, last seen ${latest?.at}: ${knows}`,
  }
}
