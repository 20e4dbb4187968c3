import { describe, expect, it } from 'vitest'
import { folderFault } from '../../../server/data-folder.ts'

const fault = (code: string, path: string) => Object.assign(new Error(`${code}: said so`), { code, path })

describe('what the file system says of the data folder', () => {
  it.each([
    ['EEXIST', '/data'],
    ['ENOTDIR', '/data'],
    ['EACCES', '/data/secret'],
    ['EACCES', '/'],
    ['EROFS', '/data/kills'],
  ])('%s of %s names HALYARD_DATA_DIR, and what to do', (code, path) => {
    const said = folderFault(fault(code, path), '/data')
    expect(said).toMatch(/^The data folder \/data cannot be used: .*said so.*HALYARD_DATA_DIR/)
  })

  it('is nothing where it is of something else', () => {
    expect(folderFault(fault('EACCES', '/database/x'), '/data')).toBeUndefined()
    expect(folderFault(fault('EMFILE', '/data'), '/data')).toBeUndefined()
    expect(folderFault(new Error('a bug'), '/data')).toBeUndefined()
  })
})
