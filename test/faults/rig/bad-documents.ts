/** Documents that no evaluator could live with, and bodies that are none, each with the request that brings it. */
import { DEVELOPMENT, PROJECT } from '../../support/rest.ts'

export type Bad = {
  readonly what: string
  readonly method: string
  readonly path: string
  /** A text is sent as it is. */
  readonly body: unknown
}

const deep = (levels: number, open: string, close: string) => `${open.repeat(levels)}0${close.repeat(levels)}`
const flag = `${DEVELOPMENT}/flags/victim`
const segment = `${DEVELOPMENT}/segments/victims`
const rule = (when: unknown) => ({ rules: [{ id: 'r', when, serve: { variant: 'on' } }] })
const regex = (pattern: string) => rule({ attribute: 'plan', op: 'matches', values: [pattern] })
const shares = (on: unknown, off: unknown) => ({
  split: {
    shares: [
      { variant: 'on', percent: on },
      { variant: 'off', percent: off },
    ],
  },
})
const people = (count: number) => Array.from({ length: count }, (_, index) => `person-${index}`)

/** RELIABILITY, "Bad rules". They name the flag `victim` and the segment `victims`. */
export const BAD: readonly Bad[] = [
  ...(
    [
      [
        '20,000 nots',
        `{"rules":[{"id":"r","when":${deep(20_000, '{"not":', '}')},"serve":{"variant":"on"}}]}`,
      ],
      ['20,000 lists', `{"rules":${deep(20_000, '[', ']')}}`],
      ['an object of 20,000 levels', deep(20_000, '{"variants":', '}')],
      [
        'a condition of 9 levels',
        rule(JSON.parse(deep(8, '{"not":', '}').replace('0', '{"segment":"victims"}'))),
      ],
      ['nested counted repeats', regex('((a{100}){100}){100}')],
      ['one repeat of a thousand', regex('(?:ab){1000}')],
      ['a back reference', regex('(a+)\\1')],
      ['a look-ahead', regex('^(?=a)b')],
      ['half a pattern', regex('(')],
      ['a pattern of 513 characters', regex('a'.repeat(513))],
      ['101 patterns', rule({ attribute: 'plan', op: 'matches', values: people(101) })],
      ['10,001 values', rule({ attribute: 'plan', op: 'in', values: people(10_001) })],
      [
        '201 conditions',
        rule({ any: people(201).map((value) => ({ attribute: 'plan', op: 'in', values: [value] })) }),
      ],
      ['101 rules', { rules: people(101).map((id) => ({ id, serve: { variant: 'on' } })) }],
      ['65 variants', { variants: Object.fromEntries(people(65).map((key) => [key, true])) }],
      ['an unknown operator', rule({ attribute: 'plan', op: 'eval', values: ['x'] })],
      ['an empty any', rule({ any: [] })],
      ['a variant that is not there', { fallthrough: { variant: 'gone' } }],
      ['a segment that is not there', rule({ segment: 'gone' })],
      ['a prerequisite that is not there', { prerequisites: [{ flag: 'gone', variants: ['on'] }] }],
      ['itself as a prerequisite', { prerequisites: [{ flag: 'victim', variants: ['on'] }] }],
      ['__proto__ among variants', '{"variants":{"__proto__":true}}'],
      ['constructor with a prototype', '{"constructor":{"prototype":{"enabled":true}}}'],
      ['__proto__ as a member', '{"__proto__":{"enabled":true}}'],
      ['half a surrogate pair', '{"rules":[{"id":"\\ud800","serve":{"variant":"on"}}]}'],
      ['NUL', '{"rules":[{"id":"\\u0000","serve":{"variant":"on"}}]}'],
      ['no JSON', '{"rules":[}'],
      ['nothing in which bytes are text', '\u0000\u0001\u0002'],
    ] as const
  ).map(([what, body]): Bad => ({ what, method: 'PATCH', path: flag, body })),
  ...(
    [
      ['shares over 100', shares(60, 60)],
      ['shares under 100', shares(10, 10)],
      ['a negative share', shares(-5, 105)],
      ['a share of text', shares('50', 50)],
      ['a share beyond a double', '{"split":{"shares":[{"variant":"on","percent":1e400}]}}'],
      ['a share of NaN', '{"split":{"shares":[{"variant":"on","percent":NaN}]}}'],
      ['a share of four decimals', shares(33.3333, 66.6667)],
      ['a variant twice', { split: { shares: [1, 2].map(() => ({ variant: 'on', percent: 50 })) } }],
      ['no shares', { split: { shares: [] } }],
    ] as const
  ).map(([what, body]): Bad => ({ what, method: 'PUT', path: `${flag}/fallthrough`, body })),
  ...['__proto__', 'constructor', 'a/b', '', 'x'.repeat(129)].flatMap((key): Bad[] =>
    // `constructor` is a key like any other.
    key === 'constructor'
      ? []
      : [
          {
            what: `the key ${key.slice(0, 12)}`,
            method: 'POST',
            path: `${PROJECT}/flags`,
            body: { key, type: 'boolean' },
          },
        ],
  ),
  {
    what: 'a value of 70,000 bytes',
    method: 'POST',
    path: `${PROJECT}/flags`,
    body: { key: 'large', type: 'string', variants: { on: 'x'.repeat(70_000), off: '' } },
  },
  {
    what: '10,001 members at once',
    method: 'PATCH',
    path: `${segment}/members`,
    body: { included: { add: people(10_001) } },
  },
  {
    what: 'a million members at once',
    method: 'PATCH',
    path: `${segment}/members`,
    body: { included: { add: people(1_000_000) } },
  },
  {
    what: 'one member in both lists',
    method: 'PATCH',
    path: `${segment}/members`,
    body: { included: { add: ['a'] }, excluded: { add: ['a'] } },
  },
  {
    what: 'a member that is no text',
    method: 'PATCH',
    path: `${segment}/members`,
    body: { included: { add: [{ toString: 1 }] } },
  },
  { what: 'itself as a segment', method: 'PUT', path: segment, body: { when: { segment: 'victims' } } },
  {
    what: 'a body of 9 MB',
    method: 'PUT',
    path: segment,
    body: { when: null, description: 'x'.repeat(9_000_000) },
  },
]
