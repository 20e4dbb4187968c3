/**
 * One process of `streams`: holds many streams over plain sockets, and notes when each of them was sent an event. Times
 * are CLOCK_MONOTONIC, which all processes of one machine share. One buffer serves all sockets: what comes is looked at
 * and forgotten, so that reading costs little beside what is measured.
 * Arguments: JSON of `StreamsJob`.
 */
import { connect, type Socket } from 'node:net'

export type StreamsJob = {
  readonly port: number
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly streams: number
  /** What the bytes of a counted event contain. */
  readonly event: string
}
/** `times`: of every counted event since it was last asked, milliseconds. */
export type StreamsReport = { readonly open: number; readonly times: readonly number[] }

/** Opened at once. */
const BATCH = 50

const jobs = JSON.parse(process.argv[2] ?? '[]') as readonly StreamsJob[]
const now = () => Number(process.hrtime.bigint()) / 1e6
const buffer = Buffer.allocUnsafe(64 * 1_024)

const groups = jobs.map((job) => {
  const group = { open: 0, times: [] as number[] }
  const event = Buffer.from(job.event)
  const head = Object.entries({ host: '127.0.0.1', accept: 'text/event-stream', ...job.headers })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')

  function stream(index: number): Promise<Socket> {
    return new Promise((resolve, reject) => {
      let greeted = false
      const callback = (length: number): boolean => {
        const bytes = buffer.subarray(0, length)
        if (greeted) {
          if (bytes.includes(event)) group.times.push(now())
          return true
        }
        const text = bytes.toString('latin1')
        if (!text.startsWith('HTTP/1.1 200')) reject(new Error(`a stream was refused: ${text.slice(0, 600)}`))
        greeted = true
        group.open += 1
        resolve(socket)
        return true
      }
      const socket = connect({
        host: '127.0.0.1',
        port: job.port,
        noDelay: true,
        onread: { buffer, callback },
      })
      const instance = `00000000-0000-4000-8000-${String(process.pid * 100_000 + index).padStart(12, '0')}`
      socket.write(`GET ${job.path} HTTP/1.1\r\n${head}halyard-instance: ${instance}\r\n\r\n`)
      socket.on('error', reject)
      socket.on('close', () => {
        if (greeted) group.open -= 1
      })
    })
  }
  return { group, streams: job.streams, stream }
})

async function open({ stream }: (typeof groups)[number], from: number, to: number): Promise<void> {
  for (let opened = from; opened < to; opened += BATCH) {
    await Promise.all(
      Array.from({ length: Math.min(BATCH, to - opened) }, async (_, index) => await stream(opened + index)),
    )
  }
}

/** `open`: the next streams of one group; `report`: what a group has noted. */
export type StreamsAsked =
  | { readonly ask: 'open'; readonly group: number; readonly from: number; readonly to: number }
  | { readonly ask: 'report'; readonly group: number }

process.on('message', async (asked: StreamsAsked) => {
  const chosen = groups[asked.group]
  if (chosen === undefined) return
  if (asked.ask === 'open') await open(chosen, asked.from, asked.to)
  const { group } = chosen
  process.send?.({ open: group.open, times: group.times } satisfies StreamsReport)
  group.times = []
})
process.on('disconnect', () => process.exit(0))
process.send?.('ready')
