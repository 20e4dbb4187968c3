/** A kill in a burning building: neither Postgres nor Redis is there, and whoever takes the kill is killed, too. */
import { expect, onTestFinished } from 'vitest'
import { keptOnDisk } from '../support/disk-snapshots.ts'
import { processes } from '../support/process.ts'
import { ANY, DEVELOPMENT, PROJECT, type Rest, sdkKey } from '../support/rest.ts'
import { type SdkProcess, startSdk } from '../support/sdk-process.ts'
import { until } from '../support/until.ts'
import { type Fleet, type Member, startFleet } from './rig/fleet.ts'
import { milliseconds } from './rig/gates.ts'
import { row } from './rig/row.ts'
import { now } from './rig/timeline.ts'

const all = processes()
const ANSWERED_WITHIN_MS = 1_000
const WRITTEN_WITHIN_MS = 5_000
const APPS_EACH = 3

type Answer = {
  readonly durability: string
  readonly servers: { readonly live: number; readonly applied: number }
  readonly kill: { readonly id: string; readonly at: string }
}
type App = SdkProcess<'it'>

row(
  'kill-in-journal',
  {
    fault:
      'Postgres and Redis are killed, then both frozen; each time a flag is killed at one of three servers, which is then killed (`kill -9`) and started again',
    pass: 'accepted ≤ 1 s, with all servers counted; in effect everywhere, also at the server that starts again; ≤ 5 s after Postgres is back in the log of every server: the same kill, one change record',
  },
  async (report) => {
    const fleet = await startFleet(all, { redis: true })
    const { postgres, redis, members } = fleet
    const [first] = members
    if (first === undefined || redis === undefined) throw new Error('there is no fleet')
    onTestFinished(() => {
      postgres.thaw()
      redis.thaw()
    })
    for (const flag of ['killed', 'frozen']) {
      await first.api.must('POST', `${PROJECT}/flags`, {
        key: flag,
        type: 'boolean',
        fallthrough: { variant: 'on' },
      })
      await first.api.must('POST', `${DEVELOPMENT}/flags/${flag}/enable`, undefined, ANY)
    }
    const key = await sdkKey(first.api, 'server')
    await knowEachOther(fleet)

    await inTurn('killed', {
      leave: () => Promise.all([postgres.kill(), redis.kill()]),
      comeBack: () => postgres.start(),
    })
    await redis.start()
    await knowEachOther(fleet)
    await inTurn('frozen', {
      leave: async () => [postgres.freeze(), redis.freeze()],
      comeBack: async () => postgres.thaw(),
    })
    redis.thaw()
    expect(fleet.accidents()).toEqual([])

    async function inTurn(
      flag: 'killed' | 'frozen',
      {
        leave,
        comeBack,
      }: { readonly leave: () => Promise<unknown>; readonly comeBack: () => Promise<unknown> },
    ) {
      const apps = await startApps(members, key, flag)
      await keptOnDisk(first!.server())
      await leave()
      const sentAt = now()
      const { body } = await first!.api.ask<Answer>('PUT', `${DEVELOPMENT}/flags/${flag}/kill`, {
        comment: 'INC-481',
      })
      const answered = now() - sentAt
      await Promise.all(
        apps.map((app) => app.see('the flag off', ({ results }) => results.it.value === false)),
      )
      const applied = now() - sentAt
      await first!.kill()
      await first!.start({ until: 'live' })
      await until('it serves what it took', async () => (await evaluated(first!.url, key, flag)) === false)
      const backAt = now()
      await comeBack()
      await Promise.all(
        members.map((member) =>
          until(
            `${member.name} has it in its log`,
            async () => (await loggedKill(member.api, flag)) === body.kill.id,
          ),
        ),
      )
      const written = now() - backAt
      const records = await until('its record is read', () => recordsOf(first!.api, flag))
      report.figure(
        `${flag}: answered`,
        `${milliseconds(answered)}, ${body.durability}, servers ${body.servers.applied} of ${body.servers.live}`,
      )
      report.figure(`${flag}: in all ${apps.length} apps`, milliseconds(applied))
      report.figure(
        `${flag}: in the log everywhere`,
        `${milliseconds(written)} after Postgres is back; records: ${records.length}`,
      )
      expect(body).toMatchObject({ durability: 'journal', servers: { live: 3, applied: 3, missing: [] } })
      expect(answered).toBeLessThanOrEqual(ANSWERED_WITHIN_MS)
      expect(written).toBeLessThanOrEqual(WRITTEN_WITHIN_MS)
      expect(records).toMatchObject([{ comment: 'INC-481' }])
      for (const app of apps) {
        expect((await app.ask()).results.it.value).toBe(false)
        await app.close()
      }
    }
  },
)

async function startApps(members: readonly Member[], key: string, flag: string): Promise<readonly App[]> {
  const probes = { it: { flag, otherwise: false, context: {} } }
  const apps = await Promise.all(
    Array.from({ length: APPS_EACH * members.length }, (_, at) =>
      // Each goes on to the next server when its own fails.
      startSdk(
        all,
        { url: members.map((_member, turn) => members[(at + turn) % members.length]!.url).join(','), key },
        probes,
      ),
    ),
  )
  for (const app of apps) {
    await until('its stream works', async () => {
      const { connected, results } = await app.ask()
      return connected && results.it.value === true
    })
  }
  return apps
}

/** Each has read where the others are: every few seconds. */
async function knowEachOther({ members }: Fleet): Promise<void> {
  for (const { api } of members) {
    await until(
      'all are known',
      async () => {
        const { body } = await api.ask<{ servers?: readonly { address?: string }[] }>(
          'GET',
          `${DEVELOPMENT}/delivery`,
        )
        return body.servers?.filter(({ address }) => address !== undefined).length === members.length
      },
      30_000,
    )
  }
}

async function evaluated(url: string, key: string, flag: string): Promise<unknown> {
  const answer = await fetch(`${url}/ofrep/v1/evaluate/flags/${flag}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: '{"context":{}}',
  })
  return ((await answer.json()) as { readonly value?: unknown }).value
}

/** The id of the flag's kill, where the log has it. */
async function loggedKill(api: Rest, flag: string): Promise<string | undefined> {
  if ((await recordsOf(api, flag)) === undefined) return undefined
  const { body } = await api.ask<{ readonly kill?: { readonly id: string } }>(
    'GET',
    `${DEVELOPMENT}/flags/${flag}`,
  )
  return body.kill?.id
}

async function recordsOf(
  api: Rest,
  flag: string,
): Promise<readonly { readonly comment: string | null }[] | undefined> {
  const { status, body } = await api.ask<{ readonly items: readonly { readonly comment: string | null }[] }>(
    'GET',
    `${DEVELOPMENT}/changes?flag=${flag}&action=flag.kill`,
  )
  return status === 200 && body.items.length > 0 ? body.items : undefined
}
