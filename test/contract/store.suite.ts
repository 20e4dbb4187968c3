/**
 * What every store must do, whatever it stands on; run by a short file for each driver.
 */
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { changes } from './store.changes.ts'
import { commits } from './store.commits.ts'
import { concurrency } from './store.concurrency.ts'
import { endedKills } from './store.ended-kills.ts'
import { epochs } from './store.epochs.ts'
import { history } from './store.history.ts'
import { keyUses } from './store.key-uses.ts'
import { notices } from './store.notices.ts'
import { pasts } from './store.past.ts'
import { reading } from './store.reading.ts'
import { repeats } from './store.repeats.ts'
import { type Driver, flag, type Subject, subjectOn, write } from './store.support.ts'
import { together } from './store.together.ts'
import { usage } from './store.usage.ts'

export function storeContract(open: () => Promise<Driver>): void {
  let driver: Driver
  let subject: Subject
  beforeAll(async () => {
    driver = await open()
    subject = subjectOn(driver.database)
  })
  afterAll(async () => {
    await subject.store.close()
    // A second time does nothing, and a closed store is merely unavailable.
    await subject.store.close()
    for (const call of [
      subject.store.heads(),
      subject.store.load(['system']),
      subject.store.ping(),
      write(subject.store, 'system', flag('a', 1)),
    ]) {
      await expect(call).rejects.toMatchObject({ type: 'unavailable' })
    }
    await driver.remove()
  })
  describe('a commit', () => commits(() => subject))
  describe('reading', () => reading(() => subject))
  describe('kills that are over', () => endedKills(() => subject))
  describe('many at once', () => concurrency(() => subject))
  describe('commits that go together', () => together(() => subject))
  describe('history', () => history(() => subject))
  describe('a new epoch', () => epochs(() => subject))
  describe('a request that comes again', () => repeats(() => subject))
  describe('uses of keys', () => keyUses(() => subject))
  describe('usage', () => usage(() => subject))
  describe('notices, and reports of kills', () => notices(() => subject))
  describe('the past', () => pasts(() => subject))
  describe('changes', () => changes(() => subject))
}
