/**
 * An app with a connected SDK, in a process of its own, as a test sees it: the lines that it wrote so far, and what
 * it answers when asked. See sdk-process.mjs for the other side.
 */
import { fileURLToPath } from 'node:url'
import type { Context, Json } from '@halyard/sdk/core'
import type { Ended, Processes, Running } from './process.ts'
import { until } from './until.ts'

const SCRIPT = fileURLToPath(new URL('./sdk-process.mjs', import.meta.url))

export type Probe =
  | { readonly flag: string; readonly otherwise: Json; readonly context: Context }
  /** Which of `user-0`, `user-1`, … get true. */
  | { readonly flag: string; readonly crowd: number }

export type Result = {
  readonly value: Json
  readonly variant?: string
  readonly reason?: string
  readonly errorCode?: string
}

export type Line<P extends string = string> = {
  readonly event: 'start' | 'change' | 'ready' | 'stale' | 'error' | 'answer'
  readonly state: string
  readonly epoch: number
  readonly revision: number
  readonly source: string
  readonly connected: boolean
  readonly results: Readonly<Record<P, Result>>
}

export type SdkProcess<P extends string> = Running & {
  readonly lines: () => readonly Line<P>[]
  /** What the probes give now. */
  readonly ask: () => Promise<Line<P>>
  /** The first line, written or to come, for which the condition holds. */
  readonly see: (what: string, condition: (line: Line<P>) => boolean) => Promise<Line<P>>
  /** Closes the SDK, and with it the process. */
  readonly close: () => Promise<Ended>
}

/** Starts the app, and resolves when `connect` has. */
export async function startSdk<P extends string>(
  { startScript }: Pick<Processes, 'startScript'>,
  settings: { readonly url: string; readonly key: string },
  probes: Readonly<Record<P, Probe>>,
  options: Readonly<Record<string, Json>> = {},
): Promise<SdkProcess<P>> {
  const running = startScript(SCRIPT, { HALYARD_URL: settings.url, HALYARD_SDK_KEY: settings.key }, [
    JSON.stringify({ probes, options }),
  ])
  const lines = (): readonly Line<P>[] =>
    running
      .stdout()
      .split('\n')
      .slice(0, -1)
      .map((text) => JSON.parse(text))
  const see: SdkProcess<P>['see'] = (what, condition) =>
    until(`the app sees ${what}`, () => {
      const found = lines().find(condition)
      if (found === undefined && running.child.exitCode !== null) {
        throw new Error(`the app ended before it saw ${what}:\n${running.stderr()}`)
      }
      return found
    }).catch((cause: unknown) => {
      throw new Error(`${cause}\nlast line: ${JSON.stringify(lines().at(-1))}\n${running.stderr()}`)
    })
  await see('its SDK connected', ({ event }) => event === 'start')
  return {
    ...running,
    lines,
    see,
    ask: async () => {
      const answered = () => lines().filter(({ event }) => event === 'answer')
      const before = answered().length
      running.child.stdin?.write('\n')
      return await until('the app answers', () => answered()[before])
    },
    close: async () => {
      running.child.stdin?.end()
      return await running.ended
    },
  }
}
