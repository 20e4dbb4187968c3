/** The bounds of an evaluation context, wherever one is sent. */
import { type Context, LIMITS } from '@halyard/sdk/core'
import { Problem } from '../domain/problem.ts'
import { inspect } from './json-body.ts'

export const CONTEXT_LIMITS = { depth: LIMITS.contextDepth, members: LIMITS.contextAttributes }
/** Room for what stands around the context in a body. */
export const ENVELOPE_BYTES = 1_024

/** The context of a management request, whose text was looked over before. @throws Problem */
export function checkContext(context: object): Context {
  const fault = inspect(context, CONTEXT_LIMITS, false)
  if (fault !== undefined) {
    const pointer = `/context${fault.pointer}`
    throw new Problem('invalid-request', `${pointer}: ${fault.message}`, {
      errors: [{ pointer, message: fault.message }],
    })
  }
  refuseLarge(context)
  return context as Context
}

/** @throws Problem `too-large` */
export function refuseLarge(context: object): void {
  if (Buffer.byteLength(JSON.stringify(context)) <= LIMITS.contextBytes) return
  throw new Problem('too-large', `A context has at most ${LIMITS.contextBytes} bytes.`)
}
