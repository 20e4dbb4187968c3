/**
 * OFREP's body of one evaluation, the same bytes alone and in bulk. Decisions are shared between evaluations, so
 * their text is made once; what differs by state comes behind it. Says to each scope what it may know.
 */
import {
  type Compiled,
  type Decision,
  type DecisionMetadata,
  type Failed,
  type FlagKey,
  type Json,
  jsonText,
} from '@halyard/sdk/core'
import type { Answer } from './live.ts'
import { type Scope, viewOf } from './view.ts'

/** A decision as text: what it is in every state, and the whole of it in the newest, for a bulk answer as bytes. */
type Text = { readonly head: string; tail: string; body: string; bytes: Buffer | undefined }
/** Decisions are the flag's own, but nothing promises it: hence the key. */
type Texts = { readonly key: FlagKey; server: Text | undefined; client: Text | undefined }
const texts = new WeakMap<Decision, Texts>()

/** What ends every success of a state. */
const tails = new WeakMap<Compiled, string>()

/**
 * @param decision of that flag, evaluated on `compiled`
 * @param scope `client` learns neither rules nor prerequisites, nor why a definition is broken
 */
export function answerOf(decision: Decision, key: FlagKey, scope: Scope, compiled: Compiled): Answer {
  const body = bodyOf(decision, key, scope, tailOf(compiled))
  if (decision.errorCode === undefined) return { status: 200, body }
  return { status: decision.errorCode === 'FLAG_NOT_FOUND' ? 404 : 400, body }
}

/** @param tail of the state that the decision was made on */
function bodyOf(decision: Decision, key: FlagKey, scope: Scope, tail: string): string {
  if (decision.errorCode !== undefined) return failureOf(decision, key, scope)
  return successOf(decision, key, scope, tail)
}

/** The same as bytes, which must not be changed: encoding a bulk answer's text anew costs more than evaluating it. */
export function bytesOf(decision: Decision, key: FlagKey, scope: Scope, tail: string): Buffer {
  const text = decision.errorCode === undefined ? textOf(decision, key, scope, tail) : undefined
  if (text === undefined) return Buffer.from(bodyOf(decision, key, scope, tail))
  text.bytes ??= Buffer.from(text.body)
  return text.bytes
}

/** What a flag that does not exist, a malformed key, and a flag that the scope does not see have in common. */
export function notFound(key: string): Answer {
  const errorDetails = 'There is no such flag in the environment of this key.'
  return { status: 404, body: JSON.stringify({ key, errorCode: 'FLAG_NOT_FOUND', errorDetails }) }
}

function failureOf({ errorCode, errorDetails }: Failed, key: FlagKey, scope: Scope): string {
  if (errorCode === 'FLAG_NOT_FOUND') return notFound(key).body
  // The missing attribute is the caller's to send; any other detail tells of the definition.
  const told = scope === 'server' || errorCode === 'TARGETING_KEY_MISSING'
  const details = told ? errorDetails : 'The flag cannot be evaluated. Ask who edits it.'
  return JSON.stringify({ key, errorCode, errorDetails: details })
}

function successOf(decision: Exclude<Decision, Failed>, key: FlagKey, scope: Scope, tail: string): string {
  return textOf(decision, key, scope, tail)?.body ?? writeHead(decision, key, scope) + tail
}

/** The kept text of a decision, as of the state with that tail; undefined where it is kept for another key. */
function textOf(
  decision: Exclude<Decision, Failed>,
  key: FlagKey,
  scope: Scope,
  tail: string,
): Text | undefined {
  let known = texts.get(decision)
  if (known === undefined) {
    known = { key, server: undefined, client: undefined }
    texts.set(decision, known)
  }
  if (known.key !== key) return undefined
  let text = known[scope]
  if (text === undefined) {
    text = { head: writeHead(decision, key, scope), tail: '', body: '', bytes: undefined }
    known[scope] = text
  }
  if (text.tail !== tail) {
    text.tail = tail
    text.body = text.head + tail
    text.bytes = undefined
  }
  return text
}

/** Value and variant are left out together: the code default applies. */
function writeHead({ value, variant, reason, metadata }: Decision, key: FlagKey, scope: Scope): string {
  const body = jsonText({ key, value, variant, reason } as Json)
  const flat = JSON.stringify(metadataFor(metadata, scope))
  return `${body.slice(0, -1)},"metadata":${flat.slice(0, -1)}${flat === '{}' ? '' : ','}`
}

function metadataFor(
  { killed, version, rule, prerequisite }: DecisionMetadata,
  scope: Scope,
): DecisionMetadata {
  return {
    ...(killed !== undefined && { killed }),
    ...(version !== undefined && { version }),
    ...(scope === 'server' && rule !== undefined && { rule }),
    ...(scope === 'server' && prerequisite !== undefined && { prerequisite }),
  }
}

/** What every success on this state ends with. */
export function tailOf(compiled: Compiled): string {
  let tail = tails.get(compiled)
  if (tail === undefined) {
    const { flagSetId } = viewOf(compiled)
    const { epoch, revision } = compiled.state
    tail = `${JSON.stringify({ epoch, revision, flagSetId }).slice(1)}}`
    tails.set(compiled, tail)
  }
  return tail
}
