import { describe } from 'vitest'
import { memoryShelf } from '../support/memory-shelf.ts'
import { shelfContract } from './shelf.suite.ts'

describe('the tests’ own shelf', () => shelfContract(() => ({ shelf: memoryShelf(), close: () => {} })))
