/**
 * What a page evaluated, and what it tracked, on its way to the server: bounded, in batches that count once however
 * often they arrive, dropped rather than grown. No context ever travels.
 */
import type { FlagAnswer } from '../answers.ts'

/** An answer that is held; how often it was read, and how many of these reads were counted. */
export type Held = FlagAnswer & { reads: number; told: number }

export type Counts = {
  /** Takes over what was read since it was last counted. */
  count(): void
  /** One event, told for each flag that the page has read. */
  track(event: string, value: number): void
  /** Sends what there is. Never rejects. */
  flush(): Promise<void>
  /** The same while the page goes away. */
  beacon(): void
}

/** Of each kind, a batch; a beacon takes 64 KiB. */
const MOST_ROWS = 200

/**
 * @param sender what each batch says of its sender
 * @param answers those that are held now
 * @param clock epoch milliseconds
 */
export function createCounts(
  url: string,
  sender: { readonly [name: string]: string },
  answers: () => Iterable<Held>,
  clock: () => number,
  uuid: () => string,
): Counts {
  let counts: object[] = []
  let events: object[] = []
  /** A batch that failed once. */
  let failed: string | undefined

  function add(rows: object[], answer: FlagAnswer | undefined, told: object): void {
    if (rows.length === MOST_ROWS) return
    const { key: flag = null, variant = null, metadata } = answer ?? {}
    rows.push({
      flag,
      variant,
      version: metadata?.version ?? null,
      minute: Math.floor(clock() / 60_000),
      ...told,
    })
  }

  function count(): void {
    for (const answer of answers()) {
      if (answer.reads > answer.told) add(counts, answer, { count: answer.reads - answer.told })
      answer.told = answer.reads
    }
  }

  function take(): string | undefined {
    count()
    if (!counts[0] && !events[0]) return
    const body = JSON.stringify({ batch: uuid(), ...sender, counts, events })
    counts = []
    events = []
    return body
  }

  return {
    count,
    track(event, sum) {
      const read = [...answers()].filter(({ reads }) => reads)
      for (const answer of read[0] ? read : [undefined]) add(events, answer, { event, count: 1, sum })
    },
    async flush() {
      const again = failed
      const body = again ?? take()
      failed = undefined
      // As text, with the key inside: no preflight, and the very batch that a beacon would bring.
      if (body)
        await fetch(url, { method: 'POST', body, keepalive: true }).catch(() => {
          if (!again) failed = body
        })
    },
    beacon() {
      for (const body of [failed, take()]) if (body) navigator.sendBeacon(url, body)
      failed = undefined
    },
  }
}
