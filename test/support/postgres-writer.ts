/** Started by `postgres-child.ts`: opens a store, commits numbers to a log for ever, and says each on a line. */
import { openEmbedded } from '../../server/store/embedded.ts'
import { openPostgres } from '../../server/store/postgres.ts'

const [target = '', log = ''] = process.argv.slice(3)
const say = (what: object) => process.stdout.write(`${JSON.stringify(what)}\n`)
const options = JSON.parse(target) as { url: string } | { dir: string; prepared: string }

try {
  const store = 'url' in options ? await openPostgres(options) : await openEmbedded(options)
  say({ opened: true })
  for (let n = 1; log !== ''; n++) {
    const { heads } = await store.commit({
      scope: { path: [log] },
      actor: { kind: 'system', id: 'writer', name: 'Writer' },
      edit: () => ({
        action: 'test.write',
        edits: new Map([
          [log, [{ kind: 'flag', key: `n-${n % 50}`, definition: { n, pad: 'x'.repeat(500) } }]],
        ]),
        warnings: [],
        result: undefined,
      }),
    })
    say({ acknowledged: n, revision: heads.get(log)?.revision })
  }
} catch (error) {
  say({ error: error instanceof Error ? error.message : String(error) })
  process.exitCode = 1
}
