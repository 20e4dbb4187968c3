/** Taking a person out of documents: everywhere that units stand, and nowhere else. */
import { compile, emptyState, type Json, memberChunk } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { mentions, personOf, redacted, standInsFrom, withoutPerson } from '../../../server/domain/erasure.ts'

const ANN = personOf('Ann@x.org')
let minted = 0
const mint = () => `m${(minted++).toString(36)}`
const values = (...list: Json[]): Json => ({ attribute: 'a', op: 'in', values: list })
const config = (parts: object): Json => ({
  type: 'object',
  enabled: true,
  visibility: 'server',
  variants: { on: { units: ['Ann@x.org'], owner: 'Ann@x.org' } },
  offVariant: null,
  prerequisites: [],
  targets: [],
  rules: [],
  fallthrough: null,
  valueSchema: { values: ['Ann@x.org'], op: 'in' },
  ...parts,
})
const without = (document: Json) => withoutPerson(document, ANN, standInsFrom(mint))
const redact = (document: Json) => redacted(document, ANN, standInsFrom(mint))
const erased = expect.stringMatching(/^erased-m/)

describe('a document that does not name them', () => {
  it.each<[string, Json]>([
    ['a flag', config({ targets: [{ variant: 'on', by: 'targetingKey', units: ['Ann', 'ann@x.organic'] }] })],
    ['members', { included: ['b'], excluded: [] }],
    ['a rule', config({ rules: [{ id: 'r', description: 'for Ann@x.org', serve: { variant: 'on' } }] })],
    ['numbers of a comparison', { attribute: 'a', op: 'lt', values: ['Ann@x.org'] }],
    ['other values', values(true, 7, 'ANN@X.ORG')],
    ['no document', null],
  ])('is the very same: %s', (_, document) => {
    expect(without(document)).toBe(document)
    expect(redact(document)).toBe(document)
  })
})

describe('an old version', () => {
  it('has other units in their place, sorted, and in the same chunk of members', () => {
    const members = redact({ included: ['Ann@x.org', 'b', 'z'], excluded: ['a'] }) as { included: string[] }
    expect(members.included).toEqual([...members.included].sort())
    const [standIn] = members.included.filter((unit) => unit.startsWith('erased-'))
    expect(memberChunk(standIn!)).toBe(memberChunk('Ann@x.org'))
    expect(members.included).toHaveLength(3)
  })

  it('has the same stand-in in every version of a document', () => {
    const standIn = standInsFrom(mint)
    const versions = [{ units: ['Ann@x.org'] }, { units: ['Ann@x.org', 'b'] }]
    const [one, two] = versions.map((version) => redacted(version, ANN, standIn)) as { units: string[] }[]
    expect(one?.units[0]).toBe(two?.units[0])
  })

  it('is understood wherever units stand: targets, conditions below conditions, identities and what they archived', () => {
    const when = { all: [{ not: values('Ann@x.org', 'b') }, { any: [values('ann@x.org')] }] }
    const flag = config({
      targets: [{ variant: 'on', by: 'targetingKey', units: ['Ann@x.org'] }],
      rules: [{ id: 'r', when, serve: { variant: 'on' } }],
    })
    const changed = config({
      targets: [{ variant: 'on', by: 'targetingKey', units: [erased] }],
      rules: [
        {
          id: 'r',
          when: { all: [{ not: values(erased, 'b') }, { any: [values(erased)] }] },
          serve: { variant: 'on' },
        },
      ],
    })
    expect(redact(flag)).toEqual(changed)
    expect(redact({ initial: flag, archived: { configurations: { env_a: flag } } })).toEqual({
      initial: changed,
      archived: { configurations: { env_a: changed } },
    })
  })

  it('compiles as before, with operands that their operators take', () => {
    const conditions = [
      { attribute: 'ip', op: 'cidr', values: ['10.0.0.1'] },
      { attribute: 'a', op: 'matches', values: ['10.0.0.1'] },
      { attribute: 'a', op: 'contains', values: ['10.0.0.1'], ignoreCase: true },
    ]
    const flag = {
      ...(config({
        rules: conditions.map((when, index) => ({ id: `r${index}`, when, serve: { variant: 'on' } })),
      }) as object),
      type: 'object',
    }
    const next = redacted(flag as Json, personOf('10.0.0.1'), standInsFrom(mint))
    expect(JSON.stringify(next)).not.toContain('10.0.0.1')
    const entries = new Map([['flag', new Map([['f', { revision: 1, definition: next }]])]])
    const compiled = compile({ ...emptyState('p', 'e', 1), entries })
    expect(compiled.flags.get('f')?.error).toBe(undefined)
  })
})

describe('a current document', () => {
  it('is without them: members, targets, the target that was theirs alone, values', () => {
    expect(without({ included: ['Ann@x.org', 'b'], excluded: ['ann@x.org'] })).toEqual({
      included: ['b'],
      excluded: [],
    })
    expect(
      without(
        config({
          targets: [
            { variant: 'on', by: 'targetingKey', units: ['Ann@x.org'] },
            { variant: 'on', by: 'email', units: ['b', 'Ann@x.org'] },
          ],
        }),
      ),
    ).toEqual(config({ targets: [{ variant: 'on', by: 'email', units: ['b'] }] }))
    expect(without({ when: values('Ann@x.org', 'b') })).toEqual({ when: values('b') })
  })

  it('keeps a condition that would have no value left, with one that nobody has', () => {
    expect(without({ when: values('Ann@x.org') })).toEqual({ when: values(erased) })
    const address = { attribute: 'ip', op: 'cidr', values: ['10.0.0.1'] }
    expect(withoutPerson(address, personOf('10.0.0.1'), standInsFrom(mint))).toEqual({
      ...address,
      values: ['0.0.0.0/32'],
    })
    expect(without({ attribute: 'a', op: 'in', values: [] })).toEqual({
      attribute: 'a',
      op: 'in',
      values: [],
    })
  })

  it('finds them in any case where case is not regarded, and by a number', () => {
    const any = { attribute: 'a', op: 'in', values: ['ANN@X.org', 'b'], ignoreCase: true }
    expect(without(any)).toEqual({ ...any, values: ['b'] })
    expect(withoutPerson(values(42, 43), personOf('42'), standInsFrom(mint))).toEqual(values(43))
  })
})

it.each([
  ['for ann@X.org, please', true],
  ['Ann@x.org', true],
  ['joAnn@x.org', false],
  ['Ann@x.organic', false],
  ['Ann@x.organic and ann@x.org', true],
  ['nobody', false],
])('%j names them as a word of its own: %s', (text, named) => {
  expect(mentions(text, ANN)).toBe(named)
})
