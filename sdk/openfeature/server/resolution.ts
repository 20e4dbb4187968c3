/** A client's answer in OpenFeature's form: its metadata is flat, its codes and reasons are the same words. */
import type { ErrorCode, FlagMetadata, ResolutionDetails } from '@openfeature/server-sdk'
import type { Details } from '../../node/index.ts'

export function resolutionOf<T>(details: Details<T>): ResolutionDetails<T> {
  const { value, variant, reason, errorCode, errorDetails } = details
  return {
    value,
    reason,
    flagMetadata: metadataOf(details),
    ...(variant !== undefined && { variant }),
    ...(errorCode !== undefined && { errorCode: errorCode as ErrorCode }),
    ...(errorDetails !== undefined && { errorMessage: errorDetails }),
  }
}

/** The names are those of remote evaluation: the same flag tells the same, wherever it is evaluated. */
function metadataOf({ metadata, ...details }: Details<unknown>): FlagMetadata {
  const { flagSetId, revision, epoch, source, ageMs, skippedRules } = details
  return {
    ...metadata,
    ...(flagSetId !== undefined && { flagSetId, revision, epoch }),
    source,
    ...(ageMs !== undefined && { ageMs }),
    ...(skippedRules !== undefined && { skippedRules: skippedRules.length }),
  }
}
