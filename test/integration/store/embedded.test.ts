/** The embedded database's folder: one process at a time, started from a prepared copy, kept between starts. */
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { embeddedDatabase } from '../../../server/store/embedded.ts'
import { FolderInUseError, lockFolder } from '../../../server/store/folder-lock.ts'
import { flag, loadOne, openEnvironment, subjectOn, write } from '../../contract/store.support.ts'
import { startWriter } from '../../support/postgres-child.ts'
import { preparedEmbedded, temporaryFolder } from '../../support/postgres-embedded.ts'

const folders: { remove(): void }[] = []
const folder = (): string => {
  const made = temporaryFolder()
  folders.push(made)
  return made.dir
}
afterEach(() => {
  for (const made of folders.splice(0)) made.remove()
})

describe('the embedded database', () => {
  it('keeps what was committed between starts', async () => {
    const options = { dir: folder(), prepared: await preparedEmbedded() }
    const first = subjectOn(await embeddedDatabase(options))
    const log = await openEnvironment(first.store)
    await write(first.store, log, flag('kept', { on: true }))
    const before = await loadOne(first.store, log)
    await first.store.close()
    const second = subjectOn(await embeddedDatabase(options))
    expect(await loadOne(second.store, log)).toEqual(before)
    await second.store.close()
  })

  it('makes a database where none was prepared', async () => {
    const dir = join(folder(), 'made', 'on the way')
    const { store } = subjectOn(await embeddedDatabase({ dir, prepared: join(dir, 'nowhere') }))
    expect((await store.heads()).map((head) => head.log)).toEqual(['system'])
    await store.close()
  })

  it('starts a copy anew that was cut short', async () => {
    const dir = folder()
    mkdirSync(join(dir, 'postgres.partial-dead'))
    writeFileSync(join(dir, 'postgres.partial-dead', 'PG_VERSION'), '')
    const { store } = subjectOn(await embeddedDatabase({ dir, prepared: await preparedEmbedded() }))
    await store.heads()
    expect(readdirSync(dir).filter((name) => name.includes('partial'))).toEqual([])
    await store.close()
  })

  it('refuses a second process on the same folder, and says which folder', async () => {
    const dir = folder()
    const prepared = await preparedEmbedded()
    const writer = startWriter({ dir, prepared }, '')
    await writer.until((said) => 'opened' in said)
    await expect(embeddedDatabase({ dir, prepared })).rejects.toThrow(FolderInUseError)
    await expect(embeddedDatabase({ dir, prepared })).rejects.toThrow(dir)
    await writer.kill('SIGKILL')
    const { store } = subjectOn(await embeddedDatabase({ dir, prepared }))
    await store.heads()

    const late = startWriter({ dir, prepared }, '')
    await late.until((said) => 'error' in said && said.error.includes('Another Halyard process uses'))
    await late.kill('SIGKILL')
    await store.close()
  })
})

describe('the lock of a folder', () => {
  it('is free again after it was given back', async () => {
    const dir = folder()
    for (let round = 0; round < 3; round++) await (await lockFolder(dir))()
    const unlock = await lockFolder(dir)
    await expect(lockFolder(dir)).rejects.toThrow(FolderInUseError)
    await unlock()
  })

  it('is one lock by whatever path the folder is reached', async () => {
    const dir = folder()
    const link = join(folder(), 'link')
    symlinkSync(dir, link)
    const unlock = await lockFolder(dir)
    await expect(lockFolder(link)).rejects.toThrow(FolderInUseError)
    await unlock()
  })

  it('works in a folder whose path is longer than a socket may have', async () => {
    const dir = join(folder(), 'deep'.repeat(20), 'deeper'.repeat(20))
    mkdirSync(dir, { recursive: true })
    const unlock = await lockFolder(dir)
    expect(existsSync(join(dir, '.lock'))).toBe(false)
    await expect(lockFolder(dir)).rejects.toThrow(FolderInUseError)
    await unlock()
    await (await lockFolder(dir))()
  })

  it('goes to exactly one of many that ask at once, also where a dead holder left its socket', async () => {
    const dir = folder()
    await (await lockFolder(dir))()
    for (let round = 0; round < 20; round++) {
      const tries = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(dir)))
      const won = tries.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
      for (const outcome of tries) {
        if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(FolderInUseError)
      }
      expect(won).toHaveLength(1)
      await won[0]!()
    }
    // Sockets do not pile up.
    expect(readdirSync(join(dir, '.lock')).length).toBeLessThan(3)
  })
})
