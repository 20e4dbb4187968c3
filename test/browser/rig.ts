/** What these tests share: a server process with flags, a Chromium, and a site. */
import { connect } from '@halyard/sdk/node'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll } from 'vitest'
import { makeFlags } from '../support/openfeature-flags.ts'
import { type Processes, processes, type Server } from '../support/process.ts'
import { type Rest, rest, sdkKey } from '../support/rest.ts'
import { launchChromium } from './chromium.ts'
import { type Site, site } from './site.ts'

export type Rig = {
  server: Server
  readonly all: Processes
  api: Rest
  browser: Browser
  site: Site
  /** A client key, and a connected Node client of a server key. */
  key: string
  node: Awaited<ReturnType<typeof connect>>
  /** Streams that are open at the server, of client keys. */
  streams(): Promise<number>
}

export function rig(): Rig {
  const all = processes()
  const made = {
    all,
    async streams() {
      const metrics = await (await fetch(`${made.server.url}/metrics`)).text()
      return Number(/^halyard_streams\{kind="refetch"\} (\d+)/m.exec(metrics)?.[1] ?? Number.NaN)
    },
  } as Rig
  beforeAll(async () => {
    made.server = await all.startServer()
    made.api = rest(made.server.url, made.server.adminKey)
    await makeFlags(made.api)
    made.key = await sdkKey(made.api, 'client')
    made.node = await connect({ url: made.server.url, key: await sdkKey(made.api, 'server') })
    made.browser = await launchChromium()
    made.site = await site()
  })
  afterAll(async () => {
    await made.browser?.close()
    await made.node?.close()
    made.site?.close()
  })
  return made
}
