/** What every shelf for snapshots must do, whatever it stands on. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { markOf, nameOf, type Shelf } from '../../server/live/snapshots/shelf.ts'

type Opened = { readonly shelf: Shelf; close(): Promise<void> | void }

const snapshot = (epoch: number, revision: number, rest = 'rest') =>
  Buffer.from(markOf({ epoch, revision }) + rest)

/** @param open an empty shelf */
export function shelfContract(open: () => Promise<Opened> | Opened): void {
  let opened: Opened
  let shelf: Shelf
  let count = 0
  const fresh = () => nameOf(`env_${count++}`)
  beforeAll(async () => {
    opened = await open()
    shelf = opened.shelf
  })
  afterAll(() => opened.close())

  it('is empty at first', async () => {
    expect(await shelf.names()).toEqual([])
    expect(await shelf.get(fresh())).toBeUndefined()
  })

  it('gives back the very bytes, and all names', async () => {
    const [one, other] = [fresh(), fresh()]
    const bytes = Buffer.concat([snapshot(1, 1), Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))])
    expect(await shelf.put(one, bytes)).toBe('kept')
    expect(await shelf.put(other, snapshot(1, 2))).toBe('kept')
    expect(await shelf.get(one)).toEqual(bytes)
    expect([...(await shelf.names())].sort()).toEqual([one, other].sort())
  })

  it('takes what is as new or newer, in revision or epoch, and leaves a newer one in its place', async () => {
    const name = fresh()
    for (const [epoch, revision] of [
      [5, 9],
      [5, 9],
      [5, 10],
      [6, 1],
    ] as const) {
      const bytes = snapshot(epoch, revision, `at ${epoch}-${revision}`)
      expect(await shelf.put(name, bytes)).toBe('kept')
      expect(await shelf.get(name)).toEqual(bytes)
    }
    expect(await shelf.put(name, snapshot(5, 11))).toBe('newer-there')
    expect(await shelf.put(name, snapshot(6, 0))).toBe('newer-there')
    expect(await shelf.get(name)).toEqual(snapshot(6, 1, 'at 6-1'))
  })

  it('lets the newest of many writers win', async () => {
    const name = fresh()
    const revisions = Array.from({ length: 20 }, (_, index) => (index * 7) % 20)
    for (const revision of revisions) await shelf.put(name, snapshot(1, revision))
    expect(await shelf.get(name)).toEqual(snapshot(1, 19))
  })

  it('takes the place of what is no snapshot', async () => {
    for (const garbage of ['', 'garbage', 'zzz', markOf({ epoch: 9, revision: 9 }).slice(0, -2)]) {
      const name = fresh()
      await shelf.put(name, Buffer.from(garbage))
      expect(await shelf.get(name)).toEqual(Buffer.from(garbage))
      expect(await shelf.put(name, snapshot(1, 1))).toBe('kept')
      expect(await shelf.get(name)).toEqual(snapshot(1, 1))
    }
  })

  it('holds megabytes', async () => {
    const name = fresh()
    const bytes = Buffer.concat([snapshot(1, 1), Buffer.alloc(6 * 2 ** 20, 'megabytes')])
    expect(await shelf.put(name, bytes)).toBe('kept')
    expect((await shelf.get(name))?.equals(bytes)).toBe(true)
  })

  it('forgets what is removed; an older one may come after it', async () => {
    const name = fresh()
    await shelf.put(name, snapshot(9, 9))
    await shelf.remove(name)
    await shelf.remove(name)
    expect(await shelf.get(name)).toBeUndefined()
    expect(await shelf.names()).not.toContain(name)
    expect(await shelf.put(name, snapshot(1, 1))).toBe('kept')
  })
}
