/** Makes links that kill. Nothing is written: who made one stands in it, and in the kills that it makes. */
import type { z } from 'zod'
import type { KillLinkBody } from '../../contract/endpoints/kill-links.ts'
import { collectFaults } from '../../domain/faults.ts'
import { Problem } from '../../domain/problem.ts'
import { readInstant } from '../../domain/reading.ts'
import type { KillTarget } from '../../live/kill-link.ts'
import { cleaned } from '../alerts.ts'
import type { Handlers } from '../call.ts'
import { findEnvironment } from '../find.ts'
import { foresee } from '../foreseen.ts'

const DAY_MS = 86_400_000
const DEFAULT_DAYS = 30
const MOST_DAYS = 400
const ID_BYTES = 6
/** UTF-16 code units, as the contract has it: a comment may come by header, too. */
const LONGEST_COMMENT = 200

export const killLinkHandlers: Handlers<'kill-links.create'> = {
  'kill-links.create': async (call, world) => {
    const { live, clock, randomBytes } = world
    const { body: asks } = call
    const environment = findEnvironment(live, call.manager, call.params)
    const { kills } = await foresee(world, environment, asks)
    const target = targetOf(asks, kills.size, call.dryRun)
    const comment = cleaned(call.comment ?? '', LONGEST_COMMENT) || undefined
    const asked = {
      id: Buffer.from(randomBytes(ID_BYTES)).toString('hex'),
      environment: environment.id,
      ...{ target, comment },
      expiresAt: expiryOf(asks.expiresAt, clock.now()),
    }
    const made = await live.makeKillLink(call.manager.keyId, asked)
    if (made === undefined) throw new Problem('unauthenticated', 'This key has ended a moment ago.')
    const body = {
      ...{ id: asked.id, ...target },
      ...(comment !== undefined && { comment }),
      expiresAt: new Date(made.expiresAt).toISOString(),
    }
    if (call.dryRun) return { status: 201, body: { ...body, dryRun: true } }
    return { status: 201, body: { url: `${call.origin ?? ''}/k/${made.token}`, ...body } }
  },
}

/** @throws Problem `invalid-request` where it is not said how many flags are meant */
function targetOf(asks: z.output<typeof KillLinkBody>, matching: number, dryRun: boolean): KillTarget {
  if ('flag' in asks) return { flag: asks.flag }
  if (asks.expect === undefined && !dryRun) {
    const message = 'Say how many flags that is, so that no other is killed: a dry run tells.'
    throw new Problem('invalid-request', message, { errors: [{ pointer: '/expect', message }] })
  }
  return 'tag' in asks ? { tag: asks.tag, expect: matching } : { all: true, expect: matching }
}

/** Epoch milliseconds. */
function expiryOf(asked: string | undefined, now: number): number {
  if (asked === undefined) return now + DEFAULT_DAYS * DAY_MS
  const faults = collectFaults()
  const at = Date.parse(readInstant(asked, { faults, pointer: '/expiresAt' }, 'expiresAt'))
  if (at <= now) faults.add('/expiresAt', 'This is in the past: the link would never work.')
  if (at > now + MOST_DAYS * DAY_MS) {
    faults.add('/expiresAt', `A link is for ${MOST_DAYS} days at most: make another one in time.`)
  }
  faults.refuse()
  return at
}
