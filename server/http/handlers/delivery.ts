/** Who is connected to an environment. */
import type { Handlers } from '../call.ts'
import { findEnvironment } from '../find.ts'

const LISTED = 100
const MOST_APPS = 500

export const deliveryHandlers: Handlers<'delivery.get'> = {
  'delivery.get': async ({ params, manager, query }, { live }) => {
    const environment = findEnvironment(live, manager, params)
    const { limit = LISTED } = query
    const { at, newest, servers, missing, total, apps, processes, unnamed } = await live.rollCall(
      environment.id,
    )
    return {
      status: 200,
      body: {
        at: new Date(at).toISOString(),
        complete: missing.length === 0,
        newest,
        servers: servers.map((one) => ({ ...one, since: new Date(one.since).toISOString() })),
        missing,
        total: { ...total, processes: total.processes + unnamed },
        apps: apps.slice(0, MOST_APPS),
        moreApps: Math.max(0, apps.length - MOST_APPS),
        processes: processes.slice(0, limit),
        moreProcesses: Math.max(0, processes.length - limit) + unnamed,
      },
    }
  },
}
