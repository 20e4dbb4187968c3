/** How far a kill has come, as people read it: one line, and one for each server that stands in its way. */
import { EXIT } from './command.ts'
import { oneLine } from './output.ts'

/** What the answer to a kill says of its delivery. */
export type Delivered = {
  /** Of the state that has the kill. */
  readonly epoch?: number
  /** Where the kill is kept. */
  readonly durability?: string
  /** The address at which more is told later. */
  readonly status?: string
  readonly servers: {
    readonly live: number
    readonly applied: number
    readonly refused: readonly { readonly server: string; readonly reason: string }[]
    readonly missing: readonly string[]
    readonly addresses?: Readonly<Record<string, string>>
  }
  readonly sdks: {
    readonly known: number
    readonly applied: number
    readonly waiting: readonly {
      readonly app: string
      readonly version: string
      readonly instance: string
      /** A server of before does not say it; 0: it holds nothing. */
      readonly epoch?: number
      readonly revision: number
      readonly silentMs: number
    }[]
    readonly p50Ms?: number
    readonly p99Ms?: number
    readonly slowestMs?: number
    /** Nothing is known of them: the kill is an old one. */
    readonly uncounted?: true
  }
  readonly pollers: { readonly known: number; readonly applied: number; readonly worstCaseMs: number }
}

type Reach = {
  readonly servers: { readonly live: number; readonly applied: number }
  readonly sdks: { readonly known: number; readonly applied: number; readonly uncounted?: true }
}

/** How a command ends that waited for them. */
export function exitOf(told: Partial<Delivered>, wait: string): number {
  if (told.durability?.startsWith('journal')) return EXIT.accepted
  return wait === 'none' || isEverywhere(told, wait) ? EXIT.done : EXIT.partly
}

/** Whether all that were waited for have applied it. A server of before, or a dry run, does not say. */
export function isEverywhere({ servers, sdks }: Partial<Reach>, wait: string): boolean {
  if (servers === undefined || sdks === undefined) return true
  const applied = !sdks.uncounted && sdks.applied === sdks.known
  return servers.applied === servers.live && (wait === 'servers' || applied)
}

/** A server as people find it. */
export function serverName(one: { readonly server: string; readonly address?: string | undefined }): string {
  return oneLine(one.address === undefined ? one.server : `${one.server} (${one.address})`)
}

/** So many are named; the others are counted. */
const NAMED = 10

/** @param first what happened, such as `killed at revision 812` */
export function deliveryLines(first: string, told: Partial<Delivered>): readonly string[] {
  const { servers, sdks, pollers, durability, epoch } = told
  if (servers === undefined || sdks === undefined || pollers === undefined) return [`  ${first}`]
  const times = sdks.p50Ms === undefined ? '' : ` (p50 ${sdks.p50Ms} ms, p99 ${sdks.p99Ms} ms)`
  const named = (server: string) => serverName({ server, address: servers.addresses?.[server] })
  // What is kept in a journal has no revision yet.
  const said = durability?.startsWith('journal')
    ? `killed, and kept in the ${durability.replace('+redis', ' and in Redis')} until the database is back`
    : first
  const reached = [
    said,
    `servers ${servers.applied} of ${servers.live}`,
    sdks.uncounted
      ? 'SDKs not counted (see halyard delivery)'
      : `SDKs ${count(sdks.applied)} of ${count(sdks.known)} applied it${times}`,
    ...(pollers.known === 0
      ? []
      : [`${count(pollers.known - pollers.applied)} poll, within ${ago(pollers.worstCaseMs)}`]),
    ...waitingFor(sdks, epoch),
  ]
  return [
    `  ${reached.join(' · ')}`,
    ...(servers.missing.length === 0
      ? []
      : [`  missing   ${servers.missing.map(named).join(', ')} (servers without a word)`]),
    ...servers.refused.map(({ server, reason }) => `  refused   ${named(server)}: ${oneLine(reason)}`),
  ]
}

function waitingFor(
  { known, applied, waiting }: Delivered['sdks'],
  epoch: number | undefined,
): readonly string[] {
  if (waiting.length === 0) return []
  const named = waiting
    .slice(0, NAMED)
    .map((one) =>
      oneLine(
        `${appOf(one)} ${one.instance} (at ${one.revision}${otherEpoch(one, epoch)}, silent ${ago(one.silentMs)})`,
      ),
    )
  const more = known - applied - named.length
  return [`waiting for: ${named.join(', ')}${more > 0 ? ` and ${count(more)} more` : ''}`]
}

/** The same revision of another epoch is another state. */
function otherEpoch({ epoch = 0 }: Delivered['sdks']['waiting'][number], of: number | undefined): string {
  if (epoch === 0 || of === undefined || epoch === of) return ''
  return epoch < of ? ' of an older epoch' : ' of a newer epoch'
}

export function appOf({ app, version }: { readonly app: string; readonly version: string }): string {
  return oneLine(`${app || 'an app'}${version === '' ? '' : `@${version}`}`)
}

/** A duration, in the unit that fits it. */
export function ago(ms: number): string {
  if (ms < 60_000) return `${Math.ceil(ms / 1_000)} s`
  return ms < 3_600_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`
}

export const count = (number: number): string => number.toLocaleString('en-US')
