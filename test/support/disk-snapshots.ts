/** What a server keeps on its disk, as a test waits for it before it takes everything else away. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { markIn, markOf } from '../../server/live/snapshots/shelf.ts'
import type { Server } from './process.ts'
import { rest } from './rest.ts'
import { until } from './until.ts'

type State = { readonly epoch: number; readonly revision: number }

/** Resolves when the newest state of every log is on its disk: of each environment that it holds, and of what has the keys. */
export async function keptOnDisk({ url, dataDir, adminKey }: Server): Promise<void> {
  const folder = join(dataDir, 'snapshots')
  const api = rest(url, adminKey)
  const newest = async (log: string): Promise<State | undefined> =>
    (await api.must<{ items: State[] }>('GET', `/api/v1/${log}changes?limit=1`)).items[0]
  await until('the newest snapshots are on the disk', async () => {
    const { environments } = await api.must<{ environments: State[] }>('GET', '/health/ready')
    const others = [await newest(''), await newest('projects/default/')]
    const kept = readdirSync(folder)
      .filter((name) => name.endsWith('.snapshot'))
      .map((name) => markIn(readFileSync(join(folder, name))))
    return [...environments, ...others].every((state) => state && kept.includes(markOf(state)))
  })
}
