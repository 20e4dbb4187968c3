import { mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { diskShelf } from '../../server/live/snapshots/disk-shelf.ts'
import { markOf } from '../../server/live/snapshots/shelf.ts'
import { temporaryFolder } from '../support/postgres-embedded.ts'
import { shelfContract } from './shelf.suite.ts'

const folders: { remove(): void }[] = []
function freshFolder(): string {
  const folder = temporaryFolder()
  folders.push(folder)
  return join(folder.dir, 'snapshots')
}
afterAll(() => {
  for (const folder of folders) folder.remove()
})
const BYTES = Buffer.from(`${markOf({ epoch: 1, revision: 1 })}rest`)

describe('the shelf on disk', () => {
  shelfContract(() => ({ shelf: diskShelf(freshFolder()), close: () => {} }))

  it('is for this user’s eyes alone, and holds nothing half-written', async () => {
    const dir = freshFolder()
    await diskShelf(dir).put('env_1.v1', BYTES)
    expect(readdirSync(dir)).toEqual(['env_1.v1.snapshot'])
    expect(statSync(dir).mode & 0o777).toBe(0o700)
    expect(statSync(join(dir, 'env_1.v1.snapshot')).mode & 0o777).toBe(0o600)
  })

  it('is what is there when it is opened again', async () => {
    const dir = freshFolder()
    await diskShelf(dir).put('env_1.v1', BYTES)
    expect(await diskShelf(dir).names()).toEqual(['env_1.v1'])
    expect(await diskShelf(dir).get('env_1.v1')).toEqual(BYTES)
  })

  it('passes over other files, and removes what killed processes left, but nothing that is being written', async () => {
    const dir = freshFolder()
    mkdirSync(dir)
    const [abandoned, written] = ['env_1.v1.1-aa.partial', 'env_1.v1.2-bb.partial']
    for (const name of [abandoned, written, 'README', '.hidden.snapshot']) writeFileSync(join(dir, name), 'x')
    utimesSync(join(dir, abandoned), 1, 1)
    expect(await diskShelf(dir).names()).toEqual([])
    expect(readdirSync(dir).sort()).toEqual(['.hidden.snapshot', 'README', written].sort())
  })

  it('lets no name lead out of its folder', async () => {
    const shelf = diskShelf(freshFolder())
    for (const name of ['../x', '/etc/x', '', '.x', 'a/b', 'a\0b']) {
      await expect(shelf.put(name, BYTES)).rejects.toThrow(RangeError)
      await expect(shelf.get(name)).rejects.toThrow(RangeError)
    }
  })

  it('fails where the disk does, and leaves what was there', async () => {
    const dir = freshFolder()
    const shelf = diskShelf(dir)
    await shelf.put('env_1.v1', BYTES)
    const blocked = diskShelf(join(dir, 'env_1.v1.snapshot'))
    await expect(blocked.put('env_1.v1', BYTES)).rejects.toThrow()
    await expect(blocked.names()).rejects.toThrow()
    expect(await shelf.get('env_1.v1')).toEqual(BYTES)
  })
})
