import { advance, compile, type Segment } from '@halyard/sdk/core'
import { expect, test } from 'vitest'
import { changedFlags } from '../../../sdk/node/changed.ts'
import { booleanFlag, type Edit, edit, environment } from './rulesets.ts'

const inSegment = (segment: string) =>
  booleanFlag(false, { rules: [{ id: 'r', when: { not: { segment } }, serve: { variant: 'on' } }] })
const requires = (flag: string) => booleanFlag(true, { prerequisites: [{ flag, variants: ['on'] }] })
const segment = (when: Segment['when']): Segment => ({ by: 'targetingKey', when })

const start = edit(
  environment({
    plain: booleanFlag(true),
    first: requires('plain'),
    second: requires('first'),
    cohort: inSegment('inner'),
    nested: inSegment('outer'),
    leaning: requires('nested'),
  }),
  [
    { kind: 'segment', key: 'inner', definition: segment(null) },
    { kind: 'segment', key: 'outer', definition: segment({ all: [{ segment: 'inner' }] }) },
  ],
)
const changedBy = (...edits: Edit[]) => changedFlags(compile(start), compile(edit(start, edits)))

const advanced = (...edits: Edit[]) => {
  const before = compile(start)
  return changedFlags(before, advance(before, edit(start, edits)))
}

test('from nothing, every flag', () => {
  expect(changedFlags(undefined, compile(start))).toEqual([
    'cohort',
    'first',
    'leaning',
    'nested',
    'plain',
    'second',
  ])
})

test('compiled anew, every flag', () => {
  expect(changedBy()).toHaveLength(6)
})

test.each<[string, Edit[], string[]]>([
  ['nothing', [], []],
  ['a flag that nobody leans on', [{ key: 'second', definition: booleanFlag(true) }], ['second']],
  ['a new flag', [{ key: 'new', definition: booleanFlag(true) }], ['new']],
  ['a flag that is removed', [{ key: 'leaning', definition: null }], ['leaning']],
  [
    'a flag that others require, at any remove',
    [{ key: 'plain', definition: booleanFlag(false) }],
    ['first', 'plain', 'second'],
  ],
  [
    'a kill, and who requires the killed',
    [{ kind: 'kill', key: 'first', definition: { id: 'k' } }],
    ['first', 'second'],
  ],
  [
    'a segment’s condition',
    [{ kind: 'segment', key: 'outer', definition: segment({ attribute: 'a', op: 'exists', values: [] }) }],
    ['leaning', 'nested'],
  ],
  [
    'one member of a segment, through segments and flags',
    [{ kind: 'members', key: 'inner/0a', definition: { included: ['u'], excluded: [] } }],
    ['cohort', 'leaning', 'nested'],
  ],
  ['an entry of a kind that is not known', [{ kind: 'weather', key: 'plain', definition: {} }], []],
  ['the kill of a flag that is not there', [{ kind: 'kill', key: 'ghost', definition: { id: 'k' } }], []],
])('%s', (_, edits, keys) => {
  expect(advanced(...edits)).toEqual(keys)
})
