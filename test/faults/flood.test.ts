/**
 * The quick part of the row `server-flooded`, for every run of the tests: while a script uses up its own key, and
 * everything else comes at ten times its limit, that very key kills. No time is looked at; the row does that.
 */
import { expect, it } from 'vitest'
import { processes } from '../support/process.ts'
import { DEVELOPMENT, rest, sdkKey } from '../support/rest.ts'
import { until } from '../support/until.ts'
import { flagsToKill, floodedKey, killsIn, startFlood } from './rig/flood.ts'

const all = processes()

it('kills with the very key that a flood of ten times each limit uses up, and refuses the flood', async () => {
  const server = await all.startServer({
    settings: {
      HALYARD_MANAGEMENT_REQUESTS_PER_SECOND: '50',
      HALYARD_EVALUATIONS_PER_SECOND: '50',
      HALYARD_STREAMS_PER_SECOND: '10',
    },
  })
  const api = rest(server.url, server.adminKey)
  const paths = await flagsToKill(api, 6)
  const managementKey = await floodedKey(api)
  const key = await sdkKey(api, 'server')
  const flood = startFlood(all, {
    port: server.port,
    managementKey,
    sdkKey: key,
    perSecond: { management: 500, evaluations: 500, streams: 100 },
    path: `${DEVELOPMENT}/flags/flooded-0`,
  })
  const refused = () => {
    const last = flood.last()
    return (
      last?.management.statuses['429'] !== undefined &&
      last.evaluations.statuses['429'] !== undefined &&
      last.streams.statuses['503'] !== undefined
    )
  }
  await until('each part of the flood is refused', refused)
  const before = flood.last()?.management.statuses['429'] ?? 0

  const kills = await killsIn(server.url, managementKey, paths, 100)

  await until('the flood goes on', () => (flood.last()?.management.statuses['429'] ?? 0) > before)
  await flood.end()
  expect(kills.map(({ status }) => status)).toEqual(paths.map(() => 200))
  for (const path of paths) {
    const { body } = await api.ask('GET', path)
    expect(body).toMatchObject({ kill: expect.anything() })
  }
})
