import { describe } from 'vitest'
import { postgresDatabase } from '../../server/store/postgres.ts'
import { freshDatabase } from '../support/postgres.ts'
import { storeContract } from './store.suite.ts'

describe('the store on Postgres', () => {
  storeContract(async () => {
    const { url, drop } = await freshDatabase()
    return { database: postgresDatabase({ url }), remove: drop }
  })
})
