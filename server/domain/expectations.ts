/**
 * `If-Match` (RFC 9110, 13.1.1): whether the document is still the one that the caller has read.
 * An ETag is `"<epoch>-<revision of the document's last change>"`.
 */
import { type Entry, entryOf, type State } from '@halyard/sdk/core'
import type { Expectation } from './inputs.ts'
import { Problem } from './problem.ts'

/** The ETag of a document, quoted as it stands in the header. */
export const etagOf = (state: State, entry: Entry): string => `"${state.epoch}-${entry.revision}"`

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
  if (ifMatch === undefined) {
    if (entry === undefined || asked === 'optional') return
    throw new Problem(
      'precondition-required',
      `This document exists: send If-Match with the ETag that you have read (now ${etagOf(state, entry)}), or * to change it whatever it is.`,
    )
  }
  if (entry === undefined)
    throw new Problem('stale', 'If-Match was sent, but there is no such document (any more).')
  if (matches(ifMatch, etagOf(state, entry))) return
  throw new Problem(
    'stale',
    `The document is at ${etagOf(state, entry)} now. Read it again, apply the change to that, and send its ETag.`,
    { current: { revision: entry.revision, epoch: state.epoch, definition: entry.definition } },
  )
}

/** Strong comparison, so a weak ETag matches nothing. */
function matches(header: string, etag: string): boolean {
  return header.split(',').some((candidate) => candidate.trim() === '*' || candidate.trim() === etag)
}
