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
}

export type Resolution<T> = {
  readonly value: T
  readonly variant: string | undefined
  readonly reason: string
  readonly errorCode: string | undefined
  readonly errorMessage: string | undefined
  /** The names are those of remote evaluation: the same flag tells the same, wherever it is evaluated. */
  readonly flagMetadata: { readonly [name: string]: unknown }
}

export function resolutionOf<T>(answered: Answered<T>): Resolution<T> {
  const { value, variant, reason, errorCode, errorDetails } = answered
  const { metadata, flagSetId, epoch, revision, source, ageMs } = answered
  return {
    value,
    variant,
    reason,
    errorCode,
    errorMessage: errorDetails,
    // Assigned: as an object that begins with a spread, each would be of a shape of its own, and slow.
    flagMetadata: Object.assign(
      {},
      metadata,
      { revision, source },
      flagSetId !== undefined && { flagSetId, epoch },
      ageMs !== undefined && { ageMs },
    ),
  }
}
