/** Remote evaluations at a steady rate, in a process of their own, as a row sees them. */
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Json } from '@halyard/sdk/core'
import type { Processes, Running } from '../../support/process.ts'
import { until } from '../../support/until.ts'
import { PROBES, USERS } from './flags.ts'

const script = (name: string) => fileURLToPath(new URL(name, import.meta.url))
/** Longer than any answer may take. */
const TIMEOUT_MS = 5_000

/** One answer, by one revision; however often it was given. Failures that name no revision have null. */
export type RemoteOutcome = {
  readonly flag: string
  readonly user: number
  readonly revision: number | null
  readonly value: Json
  readonly variant: string | null
  readonly reason: string
  readonly errorCode: string | null
  readonly at: number
}
export type Timed = { readonly target: string; readonly at: number; readonly ms: number }
export type Failure = { readonly target: string; readonly at: number; readonly why: string }

/** That target answered by that state when it was asked at that time. */
export type Served = {
  readonly target: string
  readonly epoch: number
  readonly revision: number
  readonly flag: string
  readonly killed: boolean
  readonly at: number
}

export type Evaluations = {
  readonly running: readonly Running[]
  readonly outcomes: readonly RemoteOutcome[]
  /** Of each answer; those of the bare server stand under `control`. */
  readonly times: readonly Timed[]
  readonly failures: readonly Failure[]
  readonly wrong: readonly string[]
  /** Of answers for the same flag by the same state, those that were asked for last. */
  readonly served: readonly Served[]
  readonly close: () => Promise<void>
}

type Line = {
  readonly times: readonly [string, number, number, boolean][]
  readonly outcomes: readonly [
    string,
    number,
    number | null,
    Json,
    string | null,
    string,
    string | null,
    number,
  ][]
  readonly failures: readonly [string, number, string][]
  readonly wrong: readonly string[]
  readonly served: readonly [
    at: number,
    target: string,
    epoch: number,
    revision: number,
    flag: string,
    killed: boolean,
  ][]
}

/** @param perSecond against each target */
export async function startEvaluations(
  { startScript }: Pick<Processes, 'startScript'>,
  {
    targets,
    key,
    perSecond = 20,
  }: {
    /** `many`: behind one address are several servers, of which one may be some milliseconds behind another. */
    readonly targets: readonly { readonly name: string; readonly url: string; readonly many?: boolean }[]
    readonly key: string
    readonly perSecond?: number
  },
): Promise<Evaluations> {
  const bare = startScript(script('./control.mjs'))
  const port = await until('the bare server listens', () => /^(\d+)\n/.exec(bare.stdout())?.[1])
  const asking = startScript(script('./evaluations.mjs'), {}, [
    JSON.stringify({
      targets,
      control: `http://127.0.0.1:${port}`,
      key,
      probes: PROBES.map(({ flag, user }) => ({ flag, user })),
      users: USERS,
      perSecond,
      timeoutMs: TIMEOUT_MS,
    }),
  ])
  const outcomes: RemoteOutcome[] = []
  const times: Timed[] = []
  const failures: Failure[] = []
  const wrong: string[] = []
  const served: Served[] = []
  if (asking.child.stdout === null) throw new Error('the evaluations have no output')
  createInterface({ input: asking.child.stdout }).on('line', (text) => {
    const line = JSON.parse(text) as Line
    for (const [target, at, ms, bulk] of line.times) if (!bulk) times.push({ target, at, ms })
    for (const [flag, user, revision, value, variant, reason, errorCode, at] of line.outcomes)
      outcomes.push({ flag, user, revision, value, variant, reason, errorCode, at })
    for (const [target, at, why] of line.failures) failures.push({ target, at, why })
    for (const [at, target, epoch, revision, flag, killed] of line.served)
      served.push({ at, target, epoch, revision, flag, killed })
    wrong.push(...line.wrong)
  })
  return {
    running: [bare, asking],
    outcomes,
    times,
    failures,
    wrong,
    served,
    close: async () => {
      asking.child.stdin?.end()
      await asking.ended
      bare.child.stdin?.end()
      await bare.ended
    },
  }
}
