import { describe, expect, it } from 'vitest'
import { meets, skippedFor } from './rulesets.ts'

const isAfter = (found: unknown, ...values: unknown[]): boolean =>
  meets({ attribute: 'at', op: 'after', values }, { at: found })
const isBefore = (found: unknown, ...values: unknown[]): boolean =>
  meets({ attribute: 'at', op: 'before', values }, { at: found })

/** The instant of a text, found by asking for its neighbours. */
function isInstant(text: string, milliseconds: number): boolean {
  return isAfter(text, milliseconds - 1) && isBefore(text, milliseconds + 1)
}

describe('dates', () => {
  it.each([
    ['2027-01-01T00:00:00Z', Date.UTC(2027, 0, 1)],
    ['2027-01-01t00:00:00z', Date.UTC(2027, 0, 1)],
    ['2027-01-01T00:00:00.5Z', Date.UTC(2027, 0, 1, 0, 0, 0, 500)],
    ['2027-01-01T00:00:00.123999Z', Date.UTC(2027, 0, 1, 0, 0, 0, 123)],
    ['2027-01-01T02:30:00+02:30', Date.UTC(2027, 0, 1)],
    ['2026-12-31T16:00:00-08:00', Date.UTC(2027, 0, 1)],
    ['2027-01-01T00:00:00-00:00', Date.UTC(2027, 0, 1)],
    ['2016-12-31T23:59:60Z', Date.UTC(2017, 0, 1) - 1],
    ['2016-12-31T23:59:60.7Z', Date.UTC(2017, 0, 1) - 1],
    ['2024-02-29T12:00:00Z', Date.UTC(2024, 1, 29, 12)],
    ['2000-02-29T00:00:00Z', Date.UTC(2000, 1, 29)],
    ['1970-01-01T00:00:00Z', 0],
    ['0001-01-01T00:00:00Z', -62135596800000],
    ['0000-02-29T00:00:00Z', -62162121600000],
    ['9999-12-31T23:59:59.999Z', 253402300799999],
  ])('%s is %d', (text, milliseconds) => {
    expect(isInstant(text, milliseconds)).toBe(true)
  })

  it.each([
    '',
    '2027-01-01',
    '2027-01-01T00:00:00',
    '2027-01-01 00:00:00Z',
    '2027-01-01T00:00Z',
    '2027-1-01T00:00:00Z',
    '2027-13-01T00:00:00Z',
    '2027-00-01T00:00:00Z',
    '2027-02-29T00:00:00Z',
    '1900-02-29T00:00:00Z',
    '2027-04-31T00:00:00Z',
    '2027-01-00T00:00:00Z',
    '2027-01-01T24:00:00Z',
    '2027-01-01T00:60:00Z',
    '2027-01-01T00:00:61Z',
    '2027-01-01T00:00:00.Z',
    '2027-01-01T00:00:00+2:00',
    '2027-01-01T00:00:00+0200',
    '2027-01-01T00:00:00+24:00',
    '2027-01-01T00:00:00+00:60',
    '2027-01-01T00:00:00Z ',
    '2027-01-01T00:00:00ZZ',
    '2027/01/01T00:00:00Z',
    '2027-01/01T00:00:00Z',
    '2027-01-01T00.00:00Z',
    '2027-01-01T00:00.00Z',
    'x027-01-01T00:00:00Z',
    '2027-01-01T0x:00:00Z',
    '+2027-01-01T00:00:00Z',
    'tomorrow',
  ])('"%s" is no instant: false as an attribute, not understood as an operand', (text) => {
    expect(isAfter(text, 0)).toBe(false)
    expect(isBefore(text, Number.MAX_SAFE_INTEGER)).toBe(false)
    expect(skippedFor({ attribute: 'at', op: 'after', values: [text] })).toContain(
      'is not a date-time of RFC 3339',
    )
  })

  it('are exclusive', () => {
    expect(isAfter('2027-01-01T00:00:00Z', '2027-01-01T00:00:00Z')).toBe(false)
    expect(isBefore('2027-01-01T00:00:00Z', '2027-01-01T00:00:00Z')).toBe(false)
    expect(isAfter('2027-01-01T00:00:00.001Z', '2027-01-01T00:00:00Z')).toBe(true)
  })

  it('may be epoch milliseconds on either side', () => {
    expect(isAfter(Date.UTC(2027, 0, 2), '2027-01-01T00:00:00Z')).toBe(true)
    expect(isBefore('2026-12-31T00:00:00Z', Date.UTC(2027, 0, 1))).toBe(true)
    expect(isAfter(Number.NaN, 0)).toBe(false)
    expect(isAfter(true, 0)).toBe(false)
    expect(isBefore(new Date(0), 1)).toBe(false)
  })

  it('are met by any of several operands', () => {
    expect(isAfter(5, 10, 3)).toBe(true)
    expect(isBefore(5, 3, 10)).toBe(true)
    expect(isBefore(5, 3, 5)).toBe(false)
  })

  it('compare the evaluation time as $now, which a context cannot set', () => {
    const when = { attribute: '$now', op: 'after', values: ['2027-01-01T00:00:00Z'] }
    expect(meets(when, { $now: Date.UTC(2030, 0, 1) }, Date.UTC(2027, 0, 1))).toBe(false)
    expect(meets(when, {}, Date.UTC(2027, 0, 1) + 1)).toBe(true)
  })
})
