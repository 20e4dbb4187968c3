/** Thousands of streams in a process of their own, as a row sees them. */
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Processes } from '../../support/process.ts'

const SCRIPT = fileURLToPath(new URL('./storm.mjs', import.meta.url))

export type Weather = {
  readonly at: number
  readonly open: number
  /** Answered, but not let in; not reached at all; polls of the ruleset meanwhile: since the start. */
  readonly refused: number
  readonly unreachable: number
  readonly polls: number
  readonly events: number
}

export type Storm = {
  readonly last: () => Weather
  /** The most streams that came to be open within a second. */
  readonly fastest: () => number
  readonly end: () => Promise<void>
}

export function startStorm(
  { startScript }: Pick<Processes, 'startScript'>,
  options: {
    readonly port: number
    readonly key: string
    readonly streams: number
    readonly lastEventId: string
  },
): Storm {
  const running = startScript(SCRIPT, {}, [JSON.stringify(options)])
  let last: Weather = { at: 0, open: 0, refused: 0, unreachable: 0, polls: 0, events: 0 }
  let recent: Weather[] = []
  let fastest = 0
  if (running.child.stdout === null) throw new Error('the storm has no output')
  createInterface({ input: running.child.stdout }).on('line', (line) => {
    last = JSON.parse(line) as Weather
    recent = [...recent.filter(({ at }) => at > last.at - 1_000), last]
    fastest = Math.max(fastest, last.open - Math.min(...recent.map(({ open }) => open)))
  })
  return {
    last: () => last,
    fastest: () => fastest,
    end: async () => {
      running.child.stdin?.end()
      await running.ended
    },
  }
}
