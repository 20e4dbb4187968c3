/**
 * What every store must do, whatever it stands on; run by a short file for each driver.
 */
import { afterAll, beforeAll, describe } from 'vitest'
import { commits } from './store.commits.ts'
import { concurrency } from './store.concurrency.ts'
import { history } from './store.history.ts'
import { reading } from './store.reading.ts'
import { type Driver, type Subject, subjectOn } from './store.support.ts'

export function storeContract(open: () => Promise<Driver>): void {
  let driver: Driver
  let subject: Subject
  beforeAll(async () => {
    driver = await open()
    subject = subjectOn(driver.database)
  })
  afterAll(async () => {
    await subject.store.close()
    // A second time does nothing.
    await subject.store.close()
    await driver.remove()
  })
  describe('a commit', () => commits(() => subject))
  describe('reading', () => reading(() => subject))
  describe('many at once', () => concurrency(() => subject))
  describe('history', () => history(() => subject))
}
