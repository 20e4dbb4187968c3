import { describe } from 'vitest'
import { embeddedDatabase } from '../../server/store/embedded.ts'
import { preparedEmbedded, temporaryFolder } from '../support/postgres-embedded.ts'
import { storeContract } from './store.suite.ts'

describe('the store on PGlite', () => {
  storeContract(async () => {
    const { dir, remove } = temporaryFolder()
    return {
      database: await embeddedDatabase({ dir, prepared: await preparedEmbedded() }),
      remove: async () => remove(),
    }
  })
})
