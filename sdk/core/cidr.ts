/**
 * IP networks, of IPv4 (dotted decimal, no leading zeros) and IPv6 (RFC 4291, section 2.2). An IPv4-mapped IPv6
 * address is the IPv4 address; other IPv6 networks, `::/0` too, hold no IPv4 address.
 */

/** Four unsigned 32-bit words, the highest first; IPv4 in its mapped form. */
type Words = readonly [number, number, number, number]
type Network = { readonly first: Words; readonly last: Words }

const MAPPED = 0xffff
const V4_BITS = 32
const BITS = 128

/**
 * Prepares the question whether an address is in any of some networks; answered in time logarithmic in their number.
 *
 * @param networks in CIDR notation; a bare address is a network of one, host bits are masked
 * @returns the question, or the first operand that is no network
 */
export function networksOf(
  networks: readonly unknown[],
): ((address: string) => boolean) | { readonly fault: unknown } {
  const parsed: Network[] = []
  for (const text of networks) {
    const network = typeof text === 'string' ? parseNetwork(text) : undefined
    if (network === undefined) return { fault: text }
    parsed.push(network)
  }
  const four = disjoint(parsed.filter((network) => isMapped(network.first)))
  const six = disjoint(parsed.filter((network) => !isMapped(network.first)))
  return (text) => {
    const address = parseAddress(text)
    return address !== undefined && within(isMapped(address) ? four : six, address)
  }
}

/** Networks nest or are apart: sorted, and without those inside others, one search answers for all. */
function disjoint(networks: Network[]): readonly Network[] {
  networks.sort((a, b) => compare(a.first, b.first) || compare(b.last, a.last))
  const kept: Network[] = []
  for (const network of networks) {
    const previous = kept.at(-1)
    if (previous === undefined || compare(previous.last, network.first) < 0) kept.push(network)
  }
  return kept
}

function within(networks: readonly Network[], address: Words): boolean {
  let low = 0
  let high = networks.length
  while (low < high) {
    const middle = (low + high) >> 1
    const network = networks[middle] as Network
    if (compare(address, network.first) < 0) high = middle
    else if (compare(address, network.last) > 0) low = middle + 1
    else return true
  }
  return false
}

function compare(a: Words, b: Words): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2] || a[3] - b[3]
}

function isMapped(words: Words): boolean {
  return words[0] === 0 && words[1] === 0 && words[2] === MAPPED
}

function parseNetwork(text: string): Network | undefined {
  const slash = text.indexOf('/')
  const written = slash < 0 ? text : text.slice(0, slash)
  const address = parseAddress(written)
  if (address === undefined) return undefined
  const width = written.includes(':') ? BITS : V4_BITS
  const prefix = slash < 0 ? width : decimal(text.slice(slash + 1), width)
  if (prefix === undefined) return undefined
  const host = width - prefix
  const first = address.map((word, i) => (word & ~hostMask(i, host)) >>> 0)
  const last = address.map((word, i) => (word | hostMask(i, host)) >>> 0)
  return { first: first as unknown as Words, last: last as unknown as Words }
}

/** The bits of word `i` that belong to the lowest `host` bits of an address. */
function hostMask(i: number, host: number): number {
  const bits = Math.min(Math.max(host - (3 - i) * 32, 0), 32)
  return bits === 32 ? 0xffffffff : 2 ** bits - 1
}

function parseAddress(text: string): Words | undefined {
  return text.includes(':') ? parseV6(text) : parseV4(text)
}

function parseV4(text: string): Words | undefined {
  const parts = text.split('.', 5)
  if (parts.length !== 4) return undefined
  let word = 0
  for (const part of parts) {
    const octet = decimal(part, 255)
    if (octet === undefined) return undefined
    word = word * 256 + octet
  }
  return [0, 0, MAPPED, word]
}

/** A decimal number without leading zeros, at most `most`. */
function decimal(text: string, most: number): number | undefined {
  if (text.length > 3 || !/^(0|[1-9][0-9]*)$/.test(text)) return undefined
  const value = Number(text)
  return value <= most ? value : undefined
}

function parseV6(text: string): Words | undefined {
  if (text.length > 45) return undefined
  const gap = text.indexOf('::')
  if (gap < 0) {
    const groups = parseGroups(text, true)
    return groups?.length === 8 ? wordsOf(groups) : undefined
  }
  const head = parseGroups(text.slice(0, gap), false)
  const tail = parseGroups(text.slice(gap + 2), true)
  if (head === undefined || tail === undefined || head.length + tail.length > 7) return undefined
  const zeros = new Array<number>(8 - head.length - tail.length).fill(0)
  return wordsOf([...head, ...zeros, ...tail])
}

/** Groups of 16 bits; dotted decimal may stand for the last two of the address. */
function parseGroups(text: string, last: boolean): number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [i, part] of parts.entries()) {
    const four = last && i === parts.length - 1 && part.includes('.') ? parseV4(part) : undefined
    if (four !== undefined) groups.push(four[3] >>> 16, four[3] & 0xffff)
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16))
    else return undefined
  }
  return groups
}

function wordsOf(groups: readonly number[]): Words {
  const word = (i: number): number => (groups[i] as number) * 0x10000 + (groups[i + 1] as number)
  return [word(0), word(2), word(4), word(6)]
}
