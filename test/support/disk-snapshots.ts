/** What a server keeps on its disk, as a test waits for it before it takes everything else away. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { markIn, markOf } from '../../server/live/snapshots/shelf.ts'
import type { Server } from './process.ts'
import { until } from './until.ts'

type Readiness = {
  readonly environments: readonly {
    readonly environment: string
    readonly epoch: number
    readonly revision: number
  }[]
}

/** Resolves when the newest state of each environment that the server holds is on its disk. */
export async function keptOnDisk({ url, dataDir }: Pick<Server, 'url' | 'dataDir'>): Promise<void> {
  const folder = join(dataDir, 'snapshots')
  await until('the newest snapshots are on the disk', async () => {
    const { environments } = (await (await fetch(`${url}/health/ready`)).json()) as Readiness
    const kept = readdirSync(folder)
      .filter((name) => name.endsWith('.snapshot'))
      .map((name) => markIn(readFileSync(join(folder, name))))
    return environments.every((state) => kept.includes(markOf(state)))
  })
}
