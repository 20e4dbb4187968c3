/** What kills take and answer: the flags that are off, how far that has come, and who is there to be reached. */
import { z } from 'zod'
import { Instant, Json, Key, Kill } from './documents.ts'
import { ActionBody, outcome } from './resources.ts'

const expect = {
  expect: z
    .int()
    .min(1)
    .meta({ description: 'How many flags that is, killed before or not. Needed unless `dryRun`' })
    .optional(),
}
export const KillGroupBody = z.union([
  z.strictObject({
    tag: z.string().meta({ description: 'All flags that have it' }),
    ...expect,
    ...ActionBody.shape,
  }),
  z.strictObject({
    all: z.literal(true).meta({ description: 'All flags of the environment' }),
    ...expect,
    ...ActionBody.shape,
  }),
])
const Counted = { known: z.int(), applied: z.int() }
const Waiting = z.strictObject({
  app: z.string(),
  version: z.string(),
  instance: z.string().meta({ description: 'Tells a process from others of the same app' }),
  epoch: z
    .int()
    .meta({ description: 'Of its revision; missing where an instance of an older version says it' })
    .exactOptional(),
  revision: z.int().meta({ description: 'What it is known to hold; 0: nothing' }),
  silentMs: z.int().meta({ description: 'Since it was heard last' }),
})

/** What `KillReport` of the live room says, which see. */
export const delivered = {
  servers: z.strictObject({
    live: z.int().meta({ description: 'Instances that should be there' }),
    applied: z.int(),
    refused: z.array(z.strictObject({ server: z.string(), reason: z.string() })),
    missing: z.array(z.string()).meta({ description: 'Those that have not said that they applied it' }),
    addresses: z
      .record(z.string(), z.string())
      .meta({ description: 'Of those that are missing or refuse: where they are reached, if they said so' })
      .exactOptional(),
  }),
  sdks: z
    .strictObject({
      ...Counted,
      waiting: z.array(Waiting).meta({ description: 'At most 1,000, the longest silent first' }),
      p50Ms: z.number().exactOptional(),
      p99Ms: z.number().exactOptional(),
      slowestMs: z.number().exactOptional(),
      uncounted: z
        .literal(true)
        .meta({
          description:
            'No instance counts apps for this kill any more: it is older than ten minutes, or they have started since. Nothing is known of them here',
        })
        .exactOptional(),
    })
    .meta({ description: 'Processes that were connected to a stream when it was killed' }),
  pollers: z
    .strictObject({ ...Counted, worstCaseMs: z.number() })
    .meta({ description: 'Processes that ask now and then: by their longest interval they will know' }),
}

const Behind = z
  .int()
  .nullable()
  .meta({ description: 'Revisions behind the newest that an instance serves; null: it is of another epoch' })
const state = { epoch: z.int(), revision: z.int() }
const names = { app: z.string(), version: z.string(), sdk: z.string() }
const Present = {
  processes: z.int(),
  current: z.int().meta({ description: 'Those that hold the newest state' }),
  polling: z.int(),
  away: z
    .int()
    .meta({ description: 'Those that lost their stream without a word: nobody knows whether they run' }),
}

/** What `Attendance` of the live room says, which see. */
export const DeliveryNow = z.strictObject({
  at: Instant,
  complete: z.boolean().meta({ description: 'Whether all instances have answered' }),
  newest: z.strictObject(state),
  servers: z.array(
    z.strictObject({
      server: z.string(),
      version: z.string(),
      address: z.string().exactOptional(),
      since: Instant,
      ...state,
      behind: Behind,
      refused: z.string().meta({ description: 'Why it cannot serve what is newer' }).exactOptional(),
    }),
  ),
  missing: z
    .array(
      z.strictObject({
        server: z.string(),
        version: z.string().exactOptional(),
        address: z.string().exactOptional(),
        silentMs: z.int().exactOptional(),
      }),
    )
    .meta({ description: 'Instances that did not answer: their apps are not among these' }),
  total: z.strictObject(Present),
  apps: z
    .array(z.strictObject({ ...names, ...Present, oldest: z.strictObject({ ...state, behind: Behind }) }))
    .meta({ description: 'Those first that have somebody behind' }),
  moreApps: z.int().meta({ description: 'Left off here' }),
  processes: z
    .array(
      z.strictObject({
        ...names,
        instance: z.string(),
        server: z.string().meta({ description: 'The instance that it is connected to' }),
        ...state,
        behind: Behind,
        how: z.enum(['stream', 'poll', 'away']),
        everyMs: z
          .int()
          .meta({ description: 'Of those that poll: the longest time from one poll to the next' })
          .exactOptional(),
        silentMs: z.int().meta({ description: 'Since it was heard last' }),
      }),
    )
    .meta({ description: 'The furthest behind first, then the longest silent' }),
  moreProcesses: z.int().meta({ description: 'Left off here' }),
})

export const KillStatus = z.strictObject({
  kill: z.string(),
  complete: z.boolean().meta({ description: 'Whether all have applied it' }),
  at: Instant.meta({ description: 'When it was so' }),
  ...delivered,
})

/** What every kill answers, however many flags it is of. */
const told = {
  ...z.strictObject(delivered).partial().shape,
  durability: z
    .enum(['postgres', 'journal+redis', 'journal'])
    .meta({
      description:
        'Where it is kept. Not `postgres`: the database did not take it in time; it is in effect, and is written there when that returns',
    })
    .exactOptional(),
  status: z.string().meta({ description: 'The address at which its status is told' }).exactOptional(),
  ...outcome,
}
const killed = {
  kill: Kill,
  already: z
    .literal(true)
    .meta({ description: 'It was killed before; this is the first kill' })
    .exactOptional(),
  serves: z
    .union([z.strictObject({ variant: Key, value: Json }), z.strictObject({ codeDefault: z.literal(true) })])
    .meta({ description: 'What apps get now' }),
}
const alsoOff = {
  alsoOff: z.array(Key).meta({ description: 'Flags that require what is killed, and are off with it' }),
}
export const Killed = z.strictObject({ ...killed, ...alsoOff, ...told })
export const KilledGroup = z.strictObject({
  kills: z.array(z.strictObject({ key: Key, ...killed })),
  ...alsoOff,
  ...told,
})

/** What `EditedWhileKilled` of the domain says, which see. */
export const EditedWhileKilled = z.strictObject({
  kind: z.enum(['flag', 'segment', 'members']),
  key: Key,
  revision: z.int(),
  at: Instant.exactOptional(),
  by: z.string().exactOptional(),
})
export const Unkilled = z.strictObject({
  key: Key,
  ended: Kill,
  editedWhileKilled: z
    .array(EditedWhileKilled)
    .meta({ description: 'Edits since the kill, which were accepted' })
    .exactOptional(),
  ...outcome,
})
