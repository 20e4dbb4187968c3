import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TransportError } from '../../../sdk/transport/errors.ts'
import { createEventParser, type ServerEvent } from '../../../sdk/transport/sse.ts'

type Parsed = { events: ServerEvent[]; retries: number[] }

function parse(chunks: readonly (string | Uint8Array)[], mostCharacters = 1_000): Parsed {
  const parsed: Parsed = { events: [], retries: [] }
  const parser = createEventParser({
    mostCharacters,
    onEvent: (event) => parsed.events.push(event),
    onRetry: (ms) => parsed.retries.push(ms),
  })
  for (const chunk of chunks) parser.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk)
  return parsed
}
const data = (...chunks: string[]) => parse(chunks).events.map((event) => event.data)

describe('the examples of the WHATWG standard', () => {
  test('lines of data are joined by a line feed', () => {
    expect(data('data: YHOO\ndata: +2\ndata: 10\n\n')).toEqual(['YHOO\n+2\n10'])
  })
  test('a comment, an id, an id that is reset, and one space dropped after the colon', () => {
    const { events } = parse([
      ': test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n',
    ])
    expect(events).toEqual([
      { type: 'message', data: 'first event', id: '1', lastEventId: '1' },
      { type: 'message', data: 'second event', id: '', lastEventId: '' },
      { type: 'message', data: ' third event', id: undefined, lastEventId: '' },
    ])
  })
  test('an empty data field is an event, and what is not finished at the end is none', () => {
    expect(data('data\n\ndata\ndata\n\ndata:')).toEqual(['', '\n'])
  })
  test('a space after the colon is left out', () => {
    expect(data('data:test\n\ndata: test\n\n')).toEqual(['test', 'test'])
  })
})

describe('fields', () => {
  test('an event has the last type given, and the next event has none of it', () => {
    const { events } = parse(['event: a\nevent: b\ndata: 1\n\ndata: 2\n\n'])
    expect(events.map(({ type }) => type)).toEqual(['b', 'message'])
  })
  test('an event without data is no event, but its id counts', () => {
    const { events } = parse(['event: ping\nid: 7\n\ndata: x\n\n'])
    expect(events).toEqual([{ type: 'message', data: 'x', id: undefined, lastEventId: '7' }])
  })
  test('an id with NUL is ignored', () => {
    expect(parse(['id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n']).events.map((e) => e.lastEventId)).toEqual([
      '1',
      '1',
    ])
  })
  test('a retry of digits alone counts', () => {
    expect(parse(['retry: 2500\nretry: 1.5\nretry: -1\nretry\nretry: 10 \n\n']).retries).toEqual([2_500])
  })
  test('unknown fields, and names in other case, are ignored', () => {
    expect(data('Data: no\nfoo: bar\nfoo\ndata: yes\n\n')).toEqual(['yes'])
  })
})

describe('line ends and bytes', () => {
  test.each(['\n', '\r', '\r\n'])('lines end with %j', (end) => {
    expect(data(['event: a', 'data: 1', 'data: 2', '', 'data: 3', '', ''].join(end))).toEqual(['1\n2', '3'])
  })
  test('a CRLF that is cut in two ends one line', () => {
    expect(data('data: a\r', '\ndata: b\r', '\n\r', '\n')).toEqual(['a\nb'])
  })
  test('a CR at the end of a chunk ends the line at once, without waiting for a line feed', () => {
    expect(data('data: a\r\r')).toEqual(['a'])
  })
  test('one leading byte order mark is dropped, a second is not', () => {
    expect(data('\uFEFFdata: a\n\n')).toEqual(['a'])
    expect(data('\uFEFF\uFEFFdata: a\n\n')).toEqual([])
  })
  test('a byte order mark cut in pieces is dropped', () => {
    const bytes = Buffer.from('\uFEFFdata: a\n\n')
    expect(parse([bytes.subarray(0, 1), bytes.subarray(1, 2), bytes.subarray(2)]).events).toHaveLength(1)
  })
  test('bytes that are no UTF-8 become replacement characters', () => {
    const bytes = Buffer.concat([Buffer.from('data: '), Buffer.from([0xff]), Buffer.from('\n\n')])
    expect(parse([bytes]).events[0]?.data).toBe('\uFFFD')
  })

  test('however the bytes are cut, the events are the same', () => {
    const end = fc.constantFrom('\n', '\r', '\r\n')
    const text = fc
      .string({ unit: 'grapheme', maxLength: 12 })
      .map((line) => line.replace(/[\r\n\0\uFEFF]/g, ''))
    const line = fc.oneof(
      text.map((value) => `data: ${value}`),
      text.map((value) => `event: ${value}`),
      text.map((value) => `id:${value}`),
      text.map((value) => `:${value}`),
      fc.nat(5_000).map((ms) => `retry: ${ms}`),
      fc.constant(''),
    )
    const stream = fc
      .array(fc.tuple(line, end), { maxLength: 30 })
      .map((lines) => Buffer.from(`${lines.map(([one, eol]) => one + eol).join('')}\n\n`))
    fc.assert(
      fc.property(stream, fc.array(fc.nat(400), { maxLength: 20 }), (bytes, cuts) => {
        const at = [0, ...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length]
        const pieces = at.slice(1).map((to, index) => bytes.subarray(at[index], to))
        expect(parse(pieces)).toEqual(parse([bytes]))
      }),
    )
  })
})

describe('bounds', () => {
  test.each([
    ['one endless line', `data: ${'x'.repeat(1_100)}`],
    ['an endless comment', `: ${'x'.repeat(1_100)}`],
    ['endless lines of data', 'data: 0123456789\n'.repeat(100)],
  ])('%s is refused', (_, text) => {
    const chunks = text.match(/[\s\S]{1,64}/g) ?? []
    expect(() => parse(chunks)).toThrow(TransportError)
    expect(() => parse(chunks)).toThrow('longer than 1000 characters')
  })
  test('many events that each keep the bound are none too many', () => {
    expect(data(...Array.from({ length: 50 }, () => `data: ${'x'.repeat(900)}\n\n`))).toHaveLength(50)
  })
})
