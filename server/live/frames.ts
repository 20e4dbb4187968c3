/**
 * The frames of server-sent events (HTML Living Standard, 9.2.6), as bytes ready to be written.
 */
import { murmur3 } from '@halyard/sdk/core'

type At = { readonly epoch: number; readonly revision: number }

/** An event of the server SDKs' stream: `id` is `<epoch>-<revision>-<murmur3 of the data, 8 hexadecimal digits>`. */
export function eventFrame(event: string, data: string, { epoch, revision }: At, retryMs?: number): Buffer {
  const retry = retryMs === undefined ? '' : `retry: ${retryMs}\n`
  const hash = murmur3(data, 0).toString(16).padStart(8, '0')
  return Buffer.from(`${retry}event: ${event}\nid: ${epoch}-${revision}-${hash}\ndata: ${data}\n\n`)
}

/** An unnamed message, as browsers' EventSource hands to `onmessage`. */
export function messageFrame(id: string, data: string): Buffer {
  return Buffer.from(`id: ${id}\ndata: ${data}\n\n`)
}

/** Sets the last event id without an event, behind a comment that shows at once. */
export function idFrame(id: string): Buffer {
  return Buffer.from(`: halyard\nid: ${id}\n\n`)
}

export const KEEP_ALIVE: Buffer = Buffer.from(': keep-alive\n\n')

export function retryFrame(retryMs: number): Buffer {
  return Buffer.from(`retry: ${retryMs}\n\n`)
}

/** The state that a `Last-Event-ID` names; undefined where it names none. */
export function stateOfEventId(id: string | undefined): At | undefined {
  if (id === undefined || id.length > 128) return undefined
  const [, epoch, revision] = /^(\d{1,15})-(\d{1,15})(?:[-+@].*)?$/.exec(id) ?? []
  return epoch === undefined ? undefined : { epoch: Number(epoch), revision: Number(revision) }
}
