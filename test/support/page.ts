/**
 * What the browser client uses of a page, in this process: real HTTP with CORS, a real EventSource, storage and
 * events; but no browser. What needs one is in test/browser.
 */
import { EventSource as NodeEventSource } from 'eventsource'
import { vi } from 'vitest'
import { type Browser, browser } from './browser-fetch.ts'

export type Page = Browser & {
  /** Event streams that are open now. */
  readonly streams: () => number
  /** The network is back, says the browser. */
  readonly online: () => void
}

const { fetch } = globalThis

/**
 * From now on this process is a page of that origin, until `vi.unstubAllGlobals()`.
 *
 * @param server whose address makes a request the page's; others are the test's own
 */
export function asPage(origin: string, server: string): Page {
  const network = browser(origin)
  const events = new EventTarget()
  const kept = new Map<string, string>()
  const sources: NodeEventSource[] = []
  vi.stubGlobal('fetch', (input: string, init?: RequestInit) =>
    input.startsWith(server) ? network.fetch(input, init) : fetch(input, init),
  )
  vi.stubGlobal('navigator', {})
  vi.stubGlobal('location', new URL(origin))
  vi.stubGlobal('document', { hidden: false, visibilityState: 'visible' })
  vi.stubGlobal('addEventListener', events.addEventListener.bind(events))
  vi.stubGlobal('localStorage', {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => void kept.set(name, value),
  })
  vi.stubGlobal(
    'EventSource',
    class extends NodeEventSource {
      constructor(url: string) {
        super(url, { fetch: network.fetch })
        sources.push(this)
      }
    },
  )
  return {
    ...network,
    streams: () => sources.filter(({ readyState }) => readyState === NodeEventSource.OPEN).length,
    online: () => void events.dispatchEvent(new Event('online')),
  }
}
