/** What people say about a flag, apart from what it does: read from what they send. */
import type { Identity } from './documents.ts'
import { at } from './faults.ts'
import { type Fields, inside, type Reading, readBoolean, readInstant, readList, readText } from './reading.ts'

export const TOLD_FIELDS = ['description', 'tags', 'owner', 'temporary', 'expiresAt'] as const
const LONGEST_DESCRIPTION = 4_096
const LONGEST_OWNER = 256
const MOST_TAGS = 64
const LONGEST_TAG = 128

export type Told = Pick<Identity, 'description' | 'tags' | 'owner' | 'temporary' | 'expiresAt'>
export const NOTHING_TOLD: Told = { description: '', tags: [], owner: null, temporary: false }

/** What people say about a flag: each field as given, null as if new, absent as it was. */
export function readTold(fields: Fields, before: Told, reading: Reading): Told {
  const given = <T>(name: string, otherwise: T, initial: T, read: (value: unknown, at: Reading) => T): T => {
    const value = fields[name]
    if (value === undefined) return otherwise
    return value === null ? initial : read(value, inside(reading, name))
  }
  const temporary = given('temporary', before.temporary, NOTHING_TOLD.temporary, (value, here) =>
    readBoolean(value, here, 'temporary'),
  )
  const expiresAt = given<string | undefined>(
    'expiresAt',
    temporary ? before.expiresAt : undefined,
    undefined,
    (value, here) => readInstant(value, here, 'expiresAt'),
  )
  if (expiresAt !== undefined && !temporary) {
    reading.faults.add(
      at(reading.pointer, 'expiresAt'),
      'Only a temporary flag expires: set temporary to true.',
    )
  }
  return {
    description: given('description', before.description, NOTHING_TOLD.description, (value, here) =>
      readText(value, here, 'A description', { most: LONGEST_DESCRIPTION }),
    ),
    tags: given('tags', before.tags, NOTHING_TOLD.tags, readTags),
    owner: given('owner', before.owner, NOTHING_TOLD.owner, (value, here) =>
      readText(value, here, 'An owner', { most: LONGEST_OWNER }),
    ),
    temporary,
    ...(expiresAt === undefined ? {} : { expiresAt }),
  }
}

function readTags(value: unknown, reading: Reading): readonly string[] {
  const tags = readList(value, reading, 'Tags', MOST_TAGS).map((tag, index) =>
    readText(tag, inside(reading, index), 'A tag', { least: 1, most: LONGEST_TAG }),
  )
  return [...new Set(tags)]
}
