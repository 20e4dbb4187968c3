/**
 * One user added to a segment of 100,000 members, as a person does it: over HTTP, to the 2xx. On the embedded
 * database, and on a real Postgres where there is one.
 */
import { api, ENVIRONMENT } from './rig/api.ts'
import { withPostgres } from './rig/postgres.ts'
import { type Bench, judged, median, quantile, type Row } from './rig/row.ts'
import { startServer } from './rig/server.ts'

const MEMBERS = 100_000
const EDITS = 100

export const members: Bench = {
  name: 'members',
  about: 'one member more in a segment of 100,000',
  run: async () => [
    ...(await overDatabase('embedded', {})),
    ...(await withPostgres(async (url) => await overDatabase('Postgres', { DATABASE_URL: url }))),
  ],
}

async function overDatabase(
  database: string,
  settings: Readonly<Record<string, string>>,
): Promise<readonly Row[]> {
  const server = await startServer(settings)
  try {
    const call = api(server)
    await call('PUT', `${ENVIRONMENT}/segments/beta`, { by: 'targetingKey', when: null })
    for (let from = 0; from < MEMBERS; from += 10_000) {
      const add = Array.from({ length: 10_000 }, (_, index) => `user-${from + index}`)
      await call('PATCH', `${ENVIRONMENT}/segments/beta/members`, { included: { add } })
    }
    const times: number[] = []
    for (let edit = 0; edit < EDITS + 10; edit += 1) {
      const start = performance.now()
      await call('PATCH', `${ENVIRONMENT}/segments/beta/members`, { included: { add: [`late-${edit}`] } })
      if (edit >= 10) times.push(performance.now() - start)
    }
    return [
      judged(
        {
          name: `a member edit among ${MEMBERS.toLocaleString('en')}, ${database}`,
          measured: median(times),
          unit: 'ms',
          note: `p99 ${quantile(times, 0.99).toFixed(1)} ms`,
        },
        { of: 'measured', atMost: 50 },
      ),
    ]
  } finally {
    await server.stop()
  }
}
