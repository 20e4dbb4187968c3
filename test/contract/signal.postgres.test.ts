import pg from 'pg'
import { storeSignal } from '../../server/live/signal.ts'
import { openPostgres } from '../../server/store/postgres.ts'
import type { Store } from '../../server/store/store.ts'
import { freshDatabase } from '../support/postgres.ts'
import { signalContract, type Wire, wireContract } from './signal.suite.ts'
import { flag, openEnvironment, write } from './store.support.ts'

async function open(): Promise<Wire> {
  const database = await freshDatabase()
  const stores: Store[] = []
  const admin = new pg.Client({ connectionString: database.url })
  await admin.connect()
  let edits = 0
  const newStore = async () => {
    const store = await openPostgres({ url: database.url, connections: 2, random: () => 0 })
    stores.push(store)
    return store
  }
  const join = async () => {
    const store = await newStore()
    const signal = storeSignal(store)
    return { signal, tell: async (log: string) => void (await write(store, log, flag('n', ++edits))) }
  }
  const editor = await newStore()
  return {
    join,
    log: () => openEnvironment(editor),
    async interrupt() {
      await admin.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN halyard' AND datname = current_database() AND pid <> pg_backend_pid()`,
      )
    },
    async rubbish(text) {
      await admin.query('SELECT pg_notify($1, $2)', ['halyard', text])
    },
    async close() {
      await admin.end()
      for (const one of stores) await one.close()
      await database.drop()
    },
  }
}

signalContract(open)
wireContract(open)
