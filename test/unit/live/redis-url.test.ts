import { describe, expect, it } from 'vitest'
import { parseRedisUrl } from '../../../server/live/redis/url.ts'

const PLAIN = {
  kind: 'standalone',
  hosts: [{ host: 'localhost', port: 6379 }],
  tls: false,
  credentials: {},
  db: 0,
  name: undefined,
  sentinelCredentials: {},
}

describe('REDIS_URL', () => {
  it('names a server, who we are there, and a database', () => {
    expect(parseRedisUrl('redis://localhost')).toEqual(PLAIN)
    expect(parseRedisUrl('rediss://ann:p%40ss%2Fword@redis.example.com:6380/3')).toEqual({
      ...PLAIN,
      tls: true,
      hosts: [{ host: 'redis.example.com', port: 6380 }],
      credentials: { username: 'ann', password: 'p@ss/word' },
      db: 3,
    })
    expect(parseRedisUrl('redis://:secret@[::1]:7000/')).toMatchObject({
      hosts: [{ host: '::1', port: 7000 }],
      credentials: { password: 'secret' },
    })
    expect(parseRedisUrl('redis://:a:b@c@localhost')).toMatchObject({ credentials: { password: 'a:b@c' } })
  })

  it('names Sentinels, and what they call the server', () => {
    expect(
      parseRedisUrl('redis+sentinel://:one@s1,s2:26380/primary/2?sentinelUsername=ann&sentinelPassword=two'),
    ).toEqual({
      kind: 'sentinel',
      hosts: [
        { host: 's1', port: 26_379 },
        { host: 's2', port: 26_380 },
      ],
      tls: false,
      credentials: { password: 'one' },
      db: 2,
      name: 'primary',
      sentinelCredentials: { username: 'ann', password: 'two' },
    })
  })

  it('names nodes of a cluster', () => {
    expect(parseRedisUrl('REDISS+CLUSTER://c1,c2:7001')).toEqual({
      ...PLAIN,
      kind: 'cluster',
      tls: true,
      hosts: [
        { host: 'c1', port: 6379 },
        { host: 'c2', port: 7001 },
      ],
    })
  })

  it('says what is wrong without quoting it', () => {
    const wrong: readonly (readonly [string, RegExp])[] = [
      ['', /must be a URL/],
      ['http://:canary@localhost', /must be a URL/],
      ['redis+mesh://:canary@localhost', /must be a URL/],
      ['redis://', /must be a URL/],
      ['redis://:can/ary@localhost', /percent-encoded|number of a database|host:port/],
      ['redis://:canary@one,two', /one host/],
      ['redis://:canary@host:0', /host:port/],
      ['redis://:canary@host:70000', /host:port/],
      ['redis://:canary@ho st', /host:port/],
      ['redis://:canary@host/text', /number of a database/],
      ['redis://:canary@host/1/2', /number of a database/],
      ['redis://:canary%@host', /not percent-encoded/],
      ['redis://:canary@host?tls=no', /parameter/],
      ['redis://host?sentinelPassword=canary', /alone/],
      ['redis+sentinel://:canary@host', /as Sentinel does/],
      ['redis+sentinel://:canary@host/name/0?password=canary', /parameter/],
      ['redis+cluster://:canary@host/1', /a cluster has one/],
    ]
    for (const [url, says] of wrong) {
      const said = parseRedisUrl(url)
      expect(said).toMatch(says)
      expect(said).not.toContain('canary')
    }
  })
})
