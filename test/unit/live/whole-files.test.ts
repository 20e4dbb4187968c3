import { mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { wholeFiles } from '../../../server/live/whole-files.ts'
import { temporaryFolder } from '../../support/postgres-embedded.ts'

function place(): string {
  const { dir, remove } = temporaryFolder()
  onTestFinished(remove)
  return join(dir, 'texts')
}

describe('a folder of whole files', () => {
  it('gives back what was put, also when it is opened again, until it is removed', async () => {
    const dir = place()
    const files = wholeFiles(dir, '.text')
    expect(await files.names()).toEqual([])
    await files.put('one', 'first')
    await files.put('one', 'second')
    await files.put('two.v1', Buffer.from([0, 255]))
    const again = wholeFiles(dir, '.text')
    expect([...(await again.names())].sort()).toEqual(['one', 'two.v1'])
    expect(String(await again.get('one'))).toBe('second')
    expect(await again.get('two.v1')).toEqual(Buffer.from([0, 255]))
    await again.remove('one')
    await again.remove('one')
    expect([await files.names(), await files.get('one')]).toEqual([['two.v1'], undefined])
  })

  it('gives the first bytes alone to who wants no more', async () => {
    const files = wholeFiles(place(), '.text')
    await files.put('one', 'first')
    expect(String(await files.start('one', 3))).toBe('fir')
    expect(String(await files.start('one', 30))).toBe('first')
    expect(await files.start('two', 3)).toBeUndefined()
  })

  it('is for this user’s eyes alone', async () => {
    const dir = place()
    await wholeFiles(dir, '.text').put('one', 'first')
    expect(statSync(dir).mode & 0o777).toBe(0o700)
    expect(statSync(join(dir, 'one.text')).mode & 0o777).toBe(0o600)
  })

  it('shows a file whole or not at all, however many write it at once, and nothing beside it', async () => {
    const dir = place()
    const files = wholeFiles(dir, '.text')
    const texts = Array.from({ length: 8 }, (_, index) => String(index).repeat(2 ** 20))
    let writing = true
    const writes = Promise.all(texts.map((text) => files.put('one', text))).finally(() => {
      writing = false
    })
    while (writing) {
      const seen = await files.get('one')
      if (seen !== undefined) expect(texts.includes(seen.toString())).toBe(true)
    }
    await writes
    expect(readdirSync(dir)).toEqual(['one.text'])
  })

  it('passes over other files, and removes what killed processes left, but nothing that is being written', async () => {
    const dir = place()
    mkdirSync(dir)
    const [abandoned, written] = ['one.aa.partial', 'one.bb.partial']
    for (const name of [abandoned, written, 'README', '.hidden.text']) writeFileSync(join(dir, name), 'x')
    utimesSync(join(dir, abandoned), 1, 1)
    expect(await wholeFiles(dir, '.text').names()).toEqual([])
    expect(readdirSync(dir).sort()).toEqual(['.hidden.text', 'README', written].sort())
  })

  it('lets no name lead out of its folder', async () => {
    const files = wholeFiles(place(), '.text')
    for (const name of ['../x', '/etc/x', '', '.x', 'a/b', 'a\0b']) {
      await expect(files.put(name, 'x')).rejects.toThrow(RangeError)
      await expect(files.get(name)).rejects.toThrow(RangeError)
      await expect(files.start(name, 1)).rejects.toThrow(RangeError)
      await expect(files.remove(name)).rejects.toThrow(RangeError)
    }
  })

  it('fails where the disk does, and leaves what was there', async () => {
    const dir = place()
    const files = wholeFiles(dir, '.text')
    await files.put('one', 'first')
    const blocked = wholeFiles(join(dir, 'one.text'), '.text')
    await expect(blocked.put('one', 'second')).rejects.toThrow()
    await expect(blocked.names()).rejects.toThrow()
    mkdirSync(join(dir, 'two.text'))
    await expect(files.put('two', 'second')).rejects.toThrow()
    await expect(files.get('two')).rejects.toThrow()
    expect(String(await files.get('one'))).toBe('first')
    expect(readdirSync(dir).sort()).toEqual(['one.text', 'two.text'])
  })
})
