/**
 * One write, from its edit to its answer: commits, shows the document as it is now, and says what else a person
 * would want to know. A dry run takes the same way and says what would change.
 */
import { entryOf, type Json } from '@halyard/sdk/core'
import type { Edit, LogId, Warning } from '../domain/change.ts'
import { etagOf } from '../domain/expectations.ts'
import { Problem } from '../domain/problem.ts'
import type { Environment, Live, Principal } from '../live/live.ts'
import type { Committed, Scope } from '../store/store.ts'
import { actorOf, type Call } from './call.ts'
import { diffsOf } from './dry-run.ts'
import { type Show, type Stamp, stampOf } from './shown.ts'
import { skipsOf } from './skips.ts'

type Caller = Pick<Call, 'comment' | 'dryRun' | 'idempotency'> & { readonly manager: Principal }

export type Request<R> = {
  readonly scope: Scope
  readonly edit: Edit<R>
  /** The environment that is written, where it is one: it may ask for a comment. */
  readonly environment?: Environment
  /** A kill: never waits, and needs no comment. */
  readonly urgent?: boolean
  /** The document that If-Match is about, as a conflict shows it. */
  readonly document?: Target
}

/** A document: which log it stands in, and how it is shown. */
export type Target = {
  readonly log: LogId
  readonly kind: string
  readonly key: string
  readonly show: Show
}

/** @throws Problem, a stale one with the document as its GET would show it */
export async function commit<R>(live: Live, caller: Caller, request: Request<R>): Promise<Committed<R>> {
  const { scope, edit, environment, urgent = false, document } = request
  const { comment, dryRun } = caller
  if (!urgent && environment?.settings.requireComment === true && (comment ?? '').trim() === '') {
    throw new Problem(
      'invalid-request',
      `The environment ${environment.key} asks why: send the reason in the header Halyard-Comment.`,
    )
  }
  try {
    const actor = actorOf(caller.manager)
    const idempotency = caller.idempotency?.()
    const committed = await live.commit({ scope, edit, actor, comment, idempotency, dryRun, urgent })
    return urgent
      ? committed
      : { ...committed, warnings: [...committed.warnings, ...(await skipsOf(live, committed))] }
  } catch (error) {
    throw document === undefined ? error : withShownCurrent(error, live, document)
  }
}

function withShownCurrent(error: unknown, live: Live, { log, key, show }: Target): unknown {
  if (!(error instanceof Problem) || error.details.current === undefined) return error
  const { current } = error.details
  const held = live.held(log)
  if (held === undefined) return error
  const definition = {
    ...show(key, current.definition, held),
    ...stampOf(current.epoch, current.revision, held.provenance.get(current.revision)),
  } as unknown as Json
  return new Problem(error.type, error.message, { ...error.details, current: { ...current, definition } })
}

/** A read body's own key must be the address's, so that a body can't be put back in the wrong place unseen. */
export function agreeOnKey(body: { readonly key?: unknown }, key: string): void {
  if (body.key === undefined || body.key === key) return
  const message = `This is another document’s body: its key is not ${JSON.stringify(key)}.`
  throw new Problem('invalid-request', message, { errors: [{ pointer: '/key', message }] })
}

/** What every write answers besides its document. */
export type Outcome = {
  readonly epoch: number
  readonly revision: number
  readonly warnings: readonly Warning[]
  readonly dryRun?: true
  readonly diff?: readonly object[]
}

/** @param log whose revision the answer names */
export function outcomeOf(
  live: Live,
  { dryRun }: Pick<Caller, 'dryRun'>,
  committed: Committed<unknown>,
  log: LogId,
): Outcome {
  const { epoch = 0, revision = 0 } = committed.heads.get(log) ?? live.held(log)?.head ?? {}
  return {
    epoch,
    revision,
    warnings: committed.warnings,
    ...(dryRun ? { dryRun: true, diff: diffsOf(live, committed) } : {}),
  }
}

/** Where and when the document was last changed: by this commit, or before it where it changed nothing. */
function stampAfter(live: Live, committed: Committed<unknown>, target: Omit<Target, 'show'>): Stamp {
  const { log, kind, key } = target
  const delta = committed.deltas.get(log)
  const changed = delta?.entries.find((entry) => entry.kind === kind && entry.key === key)
  if (delta !== undefined && changed !== undefined) {
    return stampOf(delta.epoch, changed.revision, committed.provenance)
  }
  const held = live.held(log)
  const entry = held === undefined ? undefined : entryOf(held.state, kind, key)
  return stampOf(held?.head.epoch ?? 0, entry?.revision ?? 0, held?.provenance.get(entry?.revision ?? 0))
}

/** A document that was written, as an answer: its body and its ETag. */
export function writtenDocument(
  live: Live,
  caller: Pick<Caller, 'dryRun'>,
  committed: Committed<unknown>,
  target: Target,
  definition: object,
): { readonly body: object; readonly etag: string | undefined } {
  const { log, key, show } = target
  const held = live.held(log)
  const stamp = stampAfter(live, committed, target)
  const shown = held === undefined ? {} : show(key, definition as unknown as Json, held)
  const outcome = outcomeOf(live, caller, committed, log)
  return {
    body: { ...shown, ...outcome, ...stamp },
    etag: caller.dryRun ? undefined : etagOf(stamp),
  }
}

/** A key's text, where this is the answer that shows it: not in a dry run, and not when a request comes again. */
export function shownOnce(
  { dryRun }: Pick<Caller, 'dryRun'>,
  { repeated }: Committed<unknown>,
  secret: string,
): { readonly secret?: string } {
  return dryRun || repeated ? {} : { secret }
}
