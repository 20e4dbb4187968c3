/**
 * From the spawn of the built server to its first ready answer, with a new embedded database and with one that
 * exists; what it then holds; and what ten thousand idle streams add.
 */

import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { api, makeFlags, makeKey } from './rig/api.ts'
import { type Bench, judged, median, type Row } from './rig/row.ts'
import { startServer } from './rig/server.ts'
import { flagShapes } from './workload.ts'

const STARTS = 5
const STREAMS = 10_000

export const start: Bench = {
  name: 'start',
  about: 'start to ready, memory, idle streams',
  run: async () => [...(await starts()), ...(await streams())],
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

async function streams(): Promise<readonly Row[]> {
  const server = await startServer({
    HALYARD_STREAMS_PER_SECOND: '1000000',
    HALYARD_MAX_STREAMS_PER_KEY: '20000',
  })
  const sockets: Socket[] = []
  try {
    const call = api(server)
    await makeFlags(call, flagShapes(10))
    const key = await makeKey(call, 'server')
    // The first ones pay for code and pools, and stay out of the account.
    for (let index = 0; index < 200; index += 1) sockets.push(await stream(server.port, key, index))
    const before = await server.memory()
    for (let opened = 0; opened < STREAMS; opened += 100) {
      const batch = Array.from({ length: 100 }, (_, index) => stream(server.port, key, 200 + opened + index))
      sockets.push(...(await Promise.all(batch)))
    }
    const after = await server.memory()
    const alive = sockets.filter((socket) => !socket.destroyed).length
    return [
      judged(
        {
          name: `an idle stream, of ${STREAMS.toLocaleString('en')}`,
          measured: (after.rss - before.rss) / STREAMS / 1_024,
          unit: 'KB',
          note: `heap ${((after.heapUsed - before.heapUsed) / STREAMS / 1_024).toFixed(1)} KB, external ${((after.external - before.external) / STREAMS / 1_024).toFixed(1)} KB, ${alive} open, resident ${(after.rss / 2 ** 20).toFixed(0)} MB`,
        },
        { of: 'measured', atMost: 20 },
      ),
    ]
  } finally {
    for (const socket of sockets) socket.destroy()
    await server.stop()
  }
}

/** Opens one stream, as another app each, and resolves with its first bytes. */
async function stream(port: number, key: string, index: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port })
  await once(socket, 'connect')
  const instance = `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`
  socket.write(
    `GET /sdk/v1/stream HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\nauthorization: Bearer ${key}\r\n` +
      `halyard-app: bench/1.0.0\r\nhalyard-instance: ${instance}\r\nhalyard-sdk: node/0.1.0\r\n\r\n`,
  )
  const [first] = (await once(socket, 'data')) as [Buffer]
  const head = first.toString('latin1')
  if (!head.startsWith('HTTP/1.1 200')) throw new Error(`stream ${index} was refused: ${head.slice(0, 600)}`)
  socket.resume()
  socket.on('error', () => socket.destroy())
  return socket
}
