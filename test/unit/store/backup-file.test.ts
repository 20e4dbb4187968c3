/** On a file system without hard links, which no test can mount: its refusal stands in for it. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gunzipSync } from 'node:zlib'
import { beforeEach, expect, it, onTestFinished, vi } from 'vitest'
import { writeBackupFile } from '../../../server/store/moving/file.ts'

const refusal = vi.hoisted(() => ({ code: 'EPERM', meanwhile: () => {} }))

vi.mock('node:fs', async (importOriginal) => ({
  ...(await importOriginal<typeof import('node:fs')>()),
  linkSync: () => {
    refusal.meanwhile()
    throw Object.assign(new Error('no links here'), { code: refusal.code, syscall: 'link' })
  },
}))

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'halyard-no-links-'))
  Object.assign(refusal, { code: 'EPERM', meanwhile: () => {} })
  onTestFinished(() => rmSync(dir, { recursive: true }))
})

it.each(['EPERM', 'ENOTSUP', 'ENOSYS'])('a backup is written all the same (%s)', async (code) => {
  refusal.code = code
  const path = join(dir, 'b.gz')
  await writeBackupFile(path, Readable.from(['a line\n']))
  expect(gunzipSync(readFileSync(path)).toString()).toBe('a line\n')
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(readdirSync(dir)).toEqual(['b.gz'])
})

it('a file that came to be there meanwhile is not overwritten', async () => {
  const path = join(dir, 'b.gz')
  refusal.meanwhile = () => writeFileSync(path, 'another’s')
  await expect(writeBackupFile(path, Readable.from(['a line\n']))).rejects.toThrow('choose another name')
  expect(readFileSync(path, 'utf8')).toBe('another’s')
  expect(readdirSync(dir)).toEqual(['b.gz'])
})

it('another failure is told as one', async () => {
  refusal.code = 'EIO'
  const path = join(dir, 'b.gz')
  await expect(writeBackupFile(path, Readable.from(['a line\n']))).rejects.toThrow('cannot be written')
  expect(readdirSync(dir)).toEqual([])
})
