import { afterAll, describe } from 'vitest'
import { diskShelf } from '../../server/live/snapshots/disk-shelf.ts'
import { temporaryFolder } from '../support/postgres-embedded.ts'
import { shelfContract } from './shelf.suite.ts'

const folder = temporaryFolder()
afterAll(() => folder.remove())

describe('the shelf on disk', () => shelfContract(() => ({ shelf: diskShelf(folder.dir), close: () => {} })))
