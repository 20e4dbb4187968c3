/** Which SDKs are out there, and what their versions understand: for warnings, so an estimate will do. */
import type { LogId } from '../domain/change.ts'
import { SDK_FEATURES, type SdkFeatures } from '../domain/sdk-features.ts'
import type { KeyUse } from '../store/store.ts'
import type { Directory } from './directory.ts'
import type { KeyUses } from './key-uses.ts'

export type Sdks = {
  readonly features: SdkFeatures
  /** The apps that hold this environment's ruleset, in the order of their last use. */
  connected(environment: LogId): Promise<readonly KeyUse[]>
}

type SdksDeps = {
  readonly directory: () => Directory
  readonly keyUses: Pick<KeyUses, 'of'>
  readonly clock: { now(): number }
}

/** An app that did not ask for so long is not connected any more. One that polls asks every few minutes at least. */
const CONNECTED_MS = 3_600_000

export function createSdks({ directory, keyUses, clock }: SdksDeps): Sdks {
  return {
    features: SDK_FEATURES,
    async connected(environment) {
      const { uses } = await keyUses.of(directory().serverKeys(environment))
      const since = clock.now() - CONNECTED_MS
      return [...uses.values()]
        .flat()
        .filter(({ at }) => at >= since)
        .sort((a, b) => b.at - a.at)
    },
  }
}
