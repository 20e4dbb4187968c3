import { beforeEach, expect, it, vi } from 'vitest'

const { compared } = vi.hoisted(() => ({ compared: [] as [Uint8Array, Uint8Array][] }))
vi.mock('node:crypto', async (original) => {
  const crypto = await original<typeof import('node:crypto')>()
  return {
    ...crypto,
    timingSafeEqual(a: Uint8Array, b: Uint8Array) {
      compared.push([a, b])
      return crypto.timingSafeEqual(a, b)
    },
  }
})

const { digestOfKey, mintKey } = await import('../../../server/domain/keys.ts')
const { createAuthenticate } = await import('../../../server/live/authenticate.ts')

const ADMIN = 'a configured key of thirty-two characters'
const text = mintKey('server', new Uint8Array(32).fill(1), 'k1')
const known = {
  kind: 'server',
  digest: digestOfKey(text),
  expiresAt: undefined,
  principal: { kind: 'server', keyId: 'k1' },
}
const authenticate = createAuthenticate({
  directory: () => ({ key: (id: string) => (id === 'k1' ? known : undefined) }) as never,
  adminKey: ADMIN,
  clock: { now: () => 0 },
  loaded: () => true,
  confirmed: () => true,
  storeAnswers: () => true,
  refresh: async () => undefined,
})
beforeEach(() => compared.splice(0))

it.each([
  ['the right secret', text, 'k1'],
  ['another secret under a known id', mintKey('server', new Uint8Array(32).fill(2), 'k1'), undefined],
])(
  'compares the digests of %s in constant time: with the configured key’s, and with the stored',
  async (_what, secret, id) => {
    const principal = await authenticate(secret)
    expect(typeof principal === 'string' ? undefined : principal.keyId).toBe(id)
    expect(compared.map(([, stored]) => Buffer.from(stored).toString())).toEqual([
      digestOfKey(ADMIN),
      known.digest,
    ])
    for (const [given] of compared) expect(Buffer.from(given).toString()).toBe(digestOfKey(secret))
  },
)

it('never compares the text itself, not even of the configured key', async () => {
  await authenticate(ADMIN)
  expect(compared.map(([given]) => Buffer.from(given).toString())).toEqual([digestOfKey(ADMIN)])
})
