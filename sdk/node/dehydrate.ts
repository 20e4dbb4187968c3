/**
 * All flags that pages may see, evaluated for one context, as the server's bulk answer would give them to a client key:
 * neither rules, nor other flags, nor why a definition is broken.
 */
import type { FlagAnswer } from '../answers.ts'
import {
  type Compiled,
  type Context,
  type Decision,
  evaluate,
  type FlagKey,
  type Json,
  tagOf,
} from '../core/index.ts'
import { type PageData, pageData } from './page-data.ts'

/**
 * The ETag names the state, not the answer: that of the server depends on its own keys, and an equal one would be
 * answered 304, without the address of the stream. It is never equal, so that a page's first question is answered whole,
 * and it says of which state, or a newer, that answer must be.
 *
 * @param compiled undefined: nothing is held, and nothing is known
 * @param override the value that a flag was given in this process, if it was
 * @param now epoch milliseconds
 */
export function dehydrate(
  compiled: Compiled | undefined,
  context: Context,
  override: (key: FlagKey) => Json | undefined,
  now: number,
): PageData {
  const flags: FlagAnswer[] = []
  for (const [key, { visibility }] of compiled?.flags ?? []) {
    if (compiled === undefined || visibility !== 'client') continue
    const value = override(key)
    flags.push(
      value === undefined
        ? answerOf(key, evaluate(compiled, key, context, now))
        : { key, value, reason: 'STATIC', metadata: { override: true } },
    )
  }
  flags.sort((a, b) => (a.key < b.key ? -1 : 1))
  return pageData({ context, etag: compiled === undefined ? '' : `"${tagOf(compiled.state)}"`, flags })
}

function answerOf(
  key: FlagKey,
  { value, variant, reason, errorCode, errorDetails, metadata }: Decision,
): FlagAnswer {
  if (errorCode !== undefined) {
    // The missing attribute is the caller's to send; any other detail tells of the definition.
    const told =
      errorCode === 'TARGETING_KEY_MISSING' ? errorDetails : 'The flag cannot be evaluated. Ask who edits it.'
    return { key, errorCode, errorDetails: told }
  }
  const { version, killed } = metadata
  return {
    key,
    ...(value !== undefined && { value, variant }),
    reason,
    metadata: { ...(killed !== undefined && { killed }), ...(version !== undefined && { version }) },
  }
}
