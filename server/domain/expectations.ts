/**
 * `If-Match` (RFC 9110, 13.1.1): whether the document is still the one that the caller has read.
 * An ETag is `"<epoch>-<revision of the document's last change>"`.
 */
import { entryOf, type State } from '@halyard/sdk/core'
import type { Expectation } from './inputs.ts'
import { Problem } from './problem.ts'

/**
 * The ETag of a document, quoted as it stands in the header.
 * @param at the log's epoch, and the revision of the document's last change
 */
export const etagOf = (at: { readonly epoch: number; readonly revision: number }): string =>
  `"${at.epoch}-${at.revision}"`

/**
 * Refuses where a document that exists is changed without an expectation, or where the expectation does not hold.
 * @param asked whether an expectation must be given for a document that exists.
 */
export function expectMatch(
  state: State,
  kind: string,
  key: string,
  { ifMatch }: Expectation,
  asked: 'required' | 'optional' = 'required',
): void {
  const entry = entryOf(state, kind, key)
  if (entry === undefined) {
    if (ifMatch === undefined) return
    throw new Problem('stale', 'If-Match was sent, but there is no such document (any more).')
  }
  const { epoch } = state
  const { revision, definition } = entry
  const etag = etagOf({ epoch, revision })
  if (ifMatch === undefined) {
    if (asked === 'optional') return
    throw new Problem(
      'precondition-required',
      `This document exists: send If-Match with the ETag that you have read (now ${etag}), or * to change it whatever it is.`,
    )
  }
  if (matches(ifMatch, etag)) return
  throw new Problem(
    'stale',
    `The document is at ${etag} now. Read it again, apply the change to that, and send its ETag.`,
    { current: { revision, epoch, definition } },
  )
}

/** Strong comparison, so a weak ETag matches nothing. */
function matches(header: string, etag: string): boolean {
  return header.split(',').some((candidate) => candidate.trim() === '*' || candidate.trim() === etag)
}
