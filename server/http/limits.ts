/**
 * Who asks too much, and is told to come again: each management key, each SDK key at an address, and each address that
 * sends keys which are not known. Refusals are counted by limit. Kills ask for none of these but have their own, which
 * nothing else uses up and nobody else is asked about: a script in a loop must not hold up the kills of others.
 */
import { Problem } from '../domain/problem.ts'
import { createLocalQuota, type MakeQuota, type Quota } from '../live/quota.ts'

/** Each throws Problem `too-many-requests`, or answers with a promise that does, where others are asked. */
export type Limits = {
  management(keyId: string): undefined | Promise<undefined>
  /** Never asks anybody. */
  kill(keyId: string): undefined
  /** Absent where evaluations are unlimited: then nothing is spent on it. */
  readonly evaluation: ((keyId: string, address: string) => undefined | Promise<undefined>) | undefined
  /** A key that this process does not know is about to be looked for or refused. Never asks anybody. */
  unknownKey(address: string): undefined
}

export type LimitsDeps = {
  readonly config: {
    /** Of each management key. */
    readonly managementRequestsPerSecond: number
    /** Of each SDK key and address; undefined: unlimited. */
    readonly evaluationsPerSecond: number | undefined
    /** Of each address. */
    readonly unknownKeysPerSecond: number
  }
  readonly clock: { now(): number }
  readonly quota: MakeQuota
  /** How many were refused by each. */
  readonly counts: LimitCounts
}

export type LimitCounts = Record<'management' | 'kills' | 'evaluations' | 'unknown-keys', number>

/** Of each key: far more than people kill. */
const KILLS_PER_SECOND = 100

export function createLimits({ config, clock, quota, counts }: LimitsDeps): Limits {
  const management = quota('management', config.managementRequestsPerSecond)
  const kills = createLocalQuota(KILLS_PER_SECOND, clock)
  const unknownKeys = createLocalQuota(config.unknownKeysPerSecond, clock)

  function judge(limit: keyof LimitCounts, retryAfter: number, detail: string): undefined {
    if (retryAfter <= 0) return undefined
    counts[limit]++
    throw new Problem('too-many-requests', detail, { retryAfter })
  }

  function ask(limit: keyof LimitCounts, { take }: Quota, caller: string, detail: string) {
    const retryAfter = take(caller)
    if (typeof retryAfter === 'number') return judge(limit, retryAfter, detail)
    return retryAfter.then((seconds) => judge(limit, seconds, detail))
  }

  function evaluationsOf(perSecond: number): NonNullable<Limits['evaluation']> {
    const evaluations = quota('evaluations', perSecond)
    return (keyId, address) =>
      ask(
        'evaluations',
        evaluations,
        `${keyId} ${networkOf(address)}`,
        'This key has used up its evaluations a second from this address.',
      )
  }

  return {
    management: (keyId) =>
      ask('management', management, keyId, 'This key has used up its requests a second.'),
    kill: (keyId) => judge('kills', kills.take(keyId), 'This key has used up its kills a second.'),
    evaluation:
      config.evaluationsPerSecond === undefined ? undefined : evaluationsOf(config.evaluationsPerSecond),
    unknownKey: (address) =>
      judge(
        'unknown-keys',
        unknownKeys.take(networkOf(address)),
        'Too many keys that are not known came from this address.',
      ),
  }
}

/** Longer than any address; what a proxy forwards may be any text. */
const MOST_CHARACTERS = 45

/** Whom a limit is for: an IPv4 address, or the /64 network that one IPv6 customer has to itself. */
export function networkOf(address: string): string {
  const text = address.slice(0, MOST_CHARACTERS).toLowerCase()
  if (!text.includes(':')) return text
  const mapped = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/.exec(text)
  if (mapped?.[1] !== undefined) return mapped[1]
  const [head = '', tail] = (text.split('%', 1)[0] ?? '').split('::', 2)
  const groups = head === '' ? [] : head.split(':')
  const behind = tail === undefined || tail === '' ? [] : tail.split(':')
  if (tail !== undefined) {
    while (groups.length + behind.length < 8) groups.push('0')
  }
  const network = [...groups, ...behind].slice(0, 4).map((group) => group.replace(/^0+(?=.)/, ''))
  return `${network.join(':')}::/64`
}
