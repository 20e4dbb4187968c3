import { describe, expect, it } from 'vitest'
import { meets, skippedFor } from './rulesets.ts'

const within = (address: unknown, ...values: unknown[]): boolean =>
  meets({ attribute: 'ip', op: 'cidr', values }, { ip: address })

describe('networks', () => {
  it.each([
    ['10.0.0.1', '10.0.0.0/8'],
    ['10.255.255.255', '10.0.0.0/8'],
    ['10.1.2.3', '10.9.9.9/8'],
    ['192.168.1.7', '192.168.1.7'],
    ['192.168.1.7', '192.168.1.7/32'],
    ['255.255.255.255', '0.0.0.0/0'],
    ['192.168.1.129', '192.168.1.128/25'],
    ['::ffff:10.0.0.1', '10.0.0.0/8'],
    ['::ffff:a00:1', '10.0.0.0/8'],
    ['10.0.0.1', '::ffff:10.0.0.0/104'],
    ['::1', '::1'],
    ['::1', '0:0:0:0:0:0:0:1/128'],
    ['2001:db8::1', '2001:db8::/32'],
    ['2001:DB8:0:0:8:800:200C:417A', '2001:db8::8:800:200c:417a'],
    ['2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', '2001:db8::/32'],
    ['fe80::1', '::/0'],
    ['2001:db8:8000::1', '2001:db8:8000::/33'],
    ['1::', '1:0:0:0:0:0:0:0'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:102:304'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ])('%s is in %s', (address, network) => {
    expect(within(address, network)).toBe(true)
  })

  it.each([
    ['11.0.0.1', '10.0.0.0/8'],
    ['9.255.255.255', '10.0.0.0/8'],
    ['192.168.1.8', '192.168.1.7'],
    ['192.168.1.127', '192.168.1.128/25'],
    ['2001:db9::1', '2001:db8::/32'],
    ['2001:db7:ffff::', '2001:db8::/32'],
    ['2001:db8:7fff::1', '2001:db8:8000::/33'],
    ['10.0.0.1', '::/0'],
    ['::ffff:10.0.0.1', '::/0'],
    ['::1', '0.0.0.0/0'],
  ])('%s is not in %s', (address, network) => {
    expect(within(address, network)).toBe(false)
  })

  it.each([
    '',
    '10.0.0',
    '10.0.0.0.0',
    '10.0.0.256',
    '10.0.0.01',
    '10.0.0.-1',
    '10.0.0.1e1',
    ' 10.0.0.1',
    'example.com',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '12345::',
    'g::',
    'fe80::1%eth0',
    '1.2.3.4::',
    '::1.2.3.4:5',
    '::1.2.3',
    '1:2:3:4:5:6:7:1.2.3.4',
    `::${'0'.repeat(60)}`,
  ])('"%s" is no address: false as an attribute, not understood as an operand', (text) => {
    expect(within(text, '0.0.0.0/0', '::/0')).toBe(false)
    expect(skippedFor({ attribute: 'ip', op: 'cidr', values: [text] })).toContain(
      'is not an IP address or network',
    )
  })

  it.each([
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '::/129',
    '::/x',
    '/8',
    8,
  ])('%s is no network', (network) => {
    expect(skippedFor({ attribute: 'ip', op: 'cidr', values: [network] })).toContain(
      'is not an IP address or network',
    )
  })

  it('an address with a prefix is a network, which no attribute is', () => {
    expect(within('10.0.0.1/32', '10.0.0.0/8')).toBe(false)
    expect(within(167772161, '10.0.0.0/8')).toBe(false)
  })

  it('are searched among many, nested and twice the same', () => {
    const networks = [
      '10.0.0.0/8',
      '10.1.0.0/16',
      '10.0.0.0/8',
      '192.168.0.0/16',
      '172.16.0.0/12',
      '8.8.8.8',
      '2001:db8::/32',
    ]
    for (const address of [
      '10.0.0.0',
      '10.1.2.3',
      '10.255.255.255',
      '192.168.3.4',
      '172.31.0.1',
      '8.8.8.8',
      '2001:db8::2',
    ]) {
      expect(within(address, ...networks), address).toBe(true)
    }
    for (const address of [
      '9.0.0.0',
      '11.0.0.0',
      '172.32.0.0',
      '8.8.8.7',
      '8.8.8.9',
      '192.169.0.0',
      '2001:db9::',
    ]) {
      expect(within(address, ...networks), address).toBe(false)
    }
  })

  it('an array matches when any element does', () => {
    expect(within(['1.1.1.1', '10.0.0.1'], '10.0.0.0/8')).toBe(true)
    expect(within([], '10.0.0.0/8')).toBe(false)
  })
})
