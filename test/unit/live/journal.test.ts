import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { diskJournal } from '../../../server/live/kills/journal.ts'
import { temporaryFolder } from '../../support/postgres-embedded.ts'

it('a kill that cannot be read keeps no other from being found', async () => {
  const { dir, remove } = temporaryFolder()
  onTestFinished(remove)
  const journal = diskJournal(dir)
  await journal.put('one', 'first')
  mkdirSync(join(dir, 'broken.kill'))
  await journal.put('two', 'second')
  expect([...(await journal.all())].sort()).toEqual(['first', 'second'])
  await journal.remove('one')
  expect(await journal.all()).toEqual(['second'])
})
