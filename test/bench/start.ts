/**
 * From the spawn of the built server to its first ready answer, with a new embedded database and with one that
 * exists; and what it then holds.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Bench, judged, median, type Row } from './rig/row.ts'
import { startServer } from './rig/server.ts'

const STARTS = 5

export const start: Bench = {
  name: 'start',
  about: 'start to ready, and memory',
  run: starts,
}

async function starts(): Promise<readonly Row[]> {
  const fresh: number[] = []
  const again: number[] = []
  const rss: number[] = []
  const high: number[] = []
  for (let round = 0; round < STARTS; round += 1) {
    const folder = mkdtempSync(join(tmpdir(), 'halyard-bench-data-'))
    try {
      for (const times of [fresh, again]) {
        const server = await startServer({ HALYARD_DATA_DIR: folder })
        times.push(server.readyMs)
        const { now, most } = residentOf(server.pid)
        rss.push(now)
        high.push(most)
        await server.stop()
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
  return [
    judged(
      { name: 'start to ready, new embedded database', measured: median(fresh), unit: 'ms' },
      { of: 'measured', atMost: 3_000 },
    ),
    judged(
      { name: 'start to ready, existing embedded database', measured: median(again), unit: 'ms' },
      { of: 'measured', atMost: 1_500 },
    ),
    judged(
      {
        name: 'resident when ready',
        measured: median(rss),
        unit: 'MB',
        note: `most while starting ${median(high).toFixed(0)} MB`,
      },
      { of: 'measured', atMost: 400 },
    ),
  ]
}

/** From /proc, megabytes. */
function residentOf(pid: number): { readonly now: number; readonly most: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  const line = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1_024
  return { now: line('VmRSS'), most: line('VmHWM') }
}
