/** A client's answer in OpenFeature's form: its metadata is flat, its codes and reasons are the same words. */

/** What the details of all clients have. */
export type Answered<T> = {
  readonly value: T
  readonly variant?: string | undefined
  readonly reason: string
  readonly errorCode?: string | undefined
  readonly errorDetails?: string | undefined
  readonly metadata: { readonly [name: string]: unknown }
  readonly revision: number
  readonly epoch?: number
  readonly flagSetId?: string
  readonly ageMs?: number | undefined
  readonly source: string
  readonly skippedRules?: readonly unknown[]
}

export type Resolution<T> = {
  value: T
  variant?: string
  reason: string
  errorCode?: string
  errorMessage?: string
  flagMetadata: Record<string, string | number | boolean>
}

export function resolutionOf<T>(answered: Answered<T>): Resolution<T> {
  const { value, variant, reason, errorCode, errorDetails } = answered
  return {
    value,
    reason,
    flagMetadata: metadataOf(answered),
    ...(variant !== undefined && { variant }),
    ...(errorCode !== undefined && { errorCode }),
    ...(errorDetails !== undefined && { errorMessage: errorDetails }),
  }
}

/** The names are those of remote evaluation: the same flag tells the same, wherever it is evaluated. */
function metadataOf({ metadata, ...answered }: Answered<unknown>): Resolution<unknown>['flagMetadata'] {
  const { flagSetId, revision, epoch, source, ageMs, skippedRules } = answered
  return {
    ...(metadata as Resolution<unknown>['flagMetadata']),
    ...(revision > 0 && { revision }),
    ...(flagSetId !== undefined && { flagSetId }),
    ...(epoch !== undefined && epoch > 0 && { epoch }),
    source,
    ...(ageMs !== undefined && { ageMs }),
    ...(skippedRules !== undefined && { skippedRules: skippedRules.length }),
  }
}
