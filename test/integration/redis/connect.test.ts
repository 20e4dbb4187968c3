/** Every way that a Redis is reached, each once for real, and what a link does while its Redis fails. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { RedisLink } from '../../../server/live/redis/connect.ts'
import { redisNoticeboard } from '../../../server/live/redis/noticeboard.ts'
import { redisQuotas } from '../../../server/live/redis/quota.ts'
import { redisShelf } from '../../../server/live/redis/shelf.ts'
import { ROOT } from '../../support/build.ts'
import { canMakeCertificates, makeCertificates } from '../../support/certificates.ts'
import { freePort } from '../../support/postgres-process.ts'
import { canStartRedis } from '../../support/redis.ts'
import { tcpProxy } from '../../support/tcp-proxy.ts'
import { until } from '../../support/until.ts'
import { redisRoom, timeOf } from './support.ts'

const room = redisRoom()

/** Writes and reads, and hears on another connection what it publishes. */
async function works(link: RedisLink): Promise<void> {
  await until('the link is usable', () => link.usable())
  const keys = Array.from({ length: 20 }, (_, n) => `${link.prefix}key-${n}`)
  // Soon after a start, and on a busy machine, an answer may take longer than anybody waits: the link is tried again.
  for (const key of keys) {
    await until(`${key} is set`, () =>
      link
        .ask((client) => client.set(key, key))
        .then(
          () => true,
          () => false,
        ),
    )
  }
  for (const key of keys) expect(await link.ask((client) => client.get(key))).toBe(key)
  expect(await link.carry((client) => client.get(keys[0]!))).toBe(keys[0])
  const shelf = redisShelf(link)
  expect(await shelf.put('env_1.v1', Buffer.from('snapshot'))).toBe('kept')
  expect(await shelf.get('env_1.v1')).toEqual(Buffer.from('snapshot'))
  expect(await shelf.names()).toEqual(['env_1.v1'])
  await shelf.remove('env_1.v1')
  const board = redisNoticeboard(link, 'ours', 'instance')
  await board.put('one', 'text', 10_000)
  expect(await board.all()).toEqual(['text'])
  await board.remove('one')
  const quotas = redisQuotas(link, { clock: { now: () => Date.now() }, secret: Buffer.alloc(32) })
  expect(await quotas('evaluations', 1_000_000).take('somebody')).toBe(0)
  expect(link.usable()).toBe(true)
  const heard: string[] = []
  const stop = await link.listen('tests', (message) => heard.push(message))
  await until('what is published is heard', () => {
    link.publish('tests', 'hello')
    return heard.includes('hello')
  })
  await until('nothing is wrong', () => link.status().ok)
  await stop()
}

describe.runIf(canStartRedis())('a link', () => {
  it('speaks to a server, in the database that is asked for', async () => {
    const server = await room.server()
    await works(room.link(`${server.url}/3`))
    expect(await server.cli('-n', '3', 'get', 'halyard:key-7')).toBe('halyard:key-7')
    expect(await server.cli('exists', 'halyard:key-7')).toBe('0')
  })

  it('speaks as the user that README describes, who may do nothing else', async () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
    const user = /^ACL SETUSER (halyard .*)$/m.exec(readme)?.[1]
    const server = await room.server({ settings: [`user ${user}`] })
    await works(room.link(server.url.replace('//', '//halyard:password@')))
    const asThem = ['--no-auth-warning', '--user', 'halyard', '--pass', 'password']
    for (const command of [
      ['get', 'another:key'],
      ['publish', 'another:channel', 'text'],
      ['keys', '*'],
      ['flushall'],
      ['config', 'get', 'dir'],
      ['acl', 'list'],
    ]) {
      expect(await server.cli(...asThem, ...command), command.join(' ')).toMatch(/NOPERM/)
    }
  })

  it.runIf(canMakeCertificates())(
    'speaks over TLS, to a server that its authority vouches for alone',
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'halyard-tls-'))
      const { ca, caFile, certFile, keyFile } = makeCertificates(folder)
      const tlsPort = await freePort()
      await room.server({
        settings: [
          `tls-port ${tlsPort}`,
          `tls-cert-file ${certFile}`,
          `tls-key-file ${keyFile}`,
          `tls-ca-cert-file ${caFile}`,
          'tls-auth-clients no',
        ],
      })
      await works(room.link(`rediss://127.0.0.1:${tlsPort}`, { ca }))
      const distrustful = room.link(`rediss://127.0.0.1:${tlsPort}`)
      await until('it says why', () =>
        /certificate|signature|self.signed/i.test(distrustful.status().error ?? ''),
      )
      expect(distrustful.usable()).toBe(false)
      rmSync(folder, { recursive: true })
    },
  )

  it('is sent to the new master by Sentinel when the old one dies', async () => {
    const master = await room.server()
    const replica = await room.server({ settings: [`replicaof 127.0.0.1 ${master.port}`] })
    await until('the replica follows', async () =>
      (await replica.cli('info', 'replication')).includes('master_link_status:up'),
    )
    const sentinel = await room.server({
      sentinel: true,
      settings: [
        `sentinel monitor primary 127.0.0.1 ${master.port} 1`,
        'sentinel down-after-milliseconds primary 500',
        'sentinel failover-timeout primary 2000',
      ],
    })
    const link = room.link(`redis+sentinel://127.0.0.1:${sentinel.port}/primary`)
    await works(link)
    await until('the sentinel knows the replica', async () =>
      (await sentinel.cli('sentinel', 'replicas', 'primary')).includes(String(replica.port)),
    )
    await master.kill()
    await until('the replica has become the master', async () =>
      (await replica.cli('role').catch(() => '')).startsWith('master'),
    )
    await works(link)
    expect(await replica.cli('get', 'halyard:key-7')).toBe('halyard:key-7')
  })

  it('speaks to every node of a cluster, and again when one has come back', async () => {
    const nodes = await Promise.all(
      [1, 2, 3].map(() => room.server({ settings: ['cluster-enabled yes', 'cluster-node-timeout 1000'] })),
    )
    const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`)
    await nodes[0]!.cli('--cluster', 'create', ...addresses, '--cluster-yes')
    const link = room.link(`redis+cluster://${addresses.slice(0, 2).join(',')}`)
    await works(link)
    const sizes = await Promise.all(nodes.map((node) => node.cli('dbsize')))
    expect(sizes.every((size) => Number(size) > 0)).toBe(true)
    await nodes[2]!.kill()
    await until('it is noticed', async () => {
      await Promise.allSettled(
        [1, 2, 3, 4].map((n) => link.ask((client) => client.get(`${link.prefix}key-${n}`))),
      )
      return !link.usable()
    })
    await nodes[2]!.start()
    await until('every node answers', async () => {
      const gets = [1, 2, 3, 4].map((n) => link.ask((client) => client.get(`${link.prefix}key-${n}`)))
      return (await Promise.allSettled(gets)).every(({ status }) => status === 'fulfilled')
    })
    await works(link)
  })
})

describe.runIf(canStartRedis())('while its Redis', () => {
  it('is frozen, one caller waits 50 ms and the others not at all, until it is thawed', async () => {
    const server = await room.server()
    const link = room.link(server.url)
    await works(link)
    server.freeze()
    const get = () => link.ask((client) => client.get('halyard:key-1'))
    const first = await timeOf(get())
    expect(first).toBeGreaterThan(45)
    expect(first).toBeLessThan(500)
    const from = performance.now()
    for (let n = 0; n < 1_000; n++) await expect(get()).rejects.toThrow('bypassed')
    expect(performance.now() - from).toBeLessThan(1_000)
    expect(link.status()).toEqual({ ok: false, error: expect.stringContaining('no answer within 50 ms') })
    server.thaw()
    await works(link)
  })

  it('pauses its clients, the same', async () => {
    const server = await room.server()
    const link = room.link(server.url)
    await works(link)
    await server.cli('client', 'pause', '1500', 'all')
    await expect(link.ask((client) => client.get('halyard:key-1'))).rejects.toThrow('no answer')
    expect(link.usable()).toBe(false)
    await works(link)
  })

  it('is killed and comes back empty, it says so once and goes on by itself', async () => {
    const server = await room.server()
    const link = room.link(server.url)
    await works(link)
    const before = link.logged.length
    await server.kill()
    await until('it is noticed', () => !link.usable())
    link.publish('tests', 'lost')
    await expect(link.carry((client) => client.get('halyard:key-1'))).rejects.toThrow()
    await server.start()
    await works(link)
    expect(await link.ask((client) => client.get('halyard:another'))).toBeNull()
    const said = link.logged.slice(before).filter((line) => line.startsWith('Redis does not work'))
    expect(said.length).toBeGreaterThan(0)
    expect(said.length).toBeLessThan(4)
  })

  it('was never there, nothing waits and nothing ends, and it is used when it comes', async () => {
    const port = await freePort()
    const link = room.link(`redis://127.0.0.1:${port}`)
    const stop = await link.listen('tests', () => {})
    await expect(link.ask((client) => client.ping())).rejects.toThrow('bypassed')
    await until('it says why', () => link.status().error?.includes('ECONNREFUSED'))
    await room.server({ port })
    await works(link)
    await stop()
  })

  it('refuses the password, it says so without the password, and goes on once it is right', async () => {
    const server = await room.server({
      settings: ['requirepass right-canary'],
      cliArgs: ['-a', 'right-canary', '--no-auth-warning'],
    })
    const link = room.link(server.url.replace('//', '//:wrong-canary@'))
    const stop = await link.listen('tests', () => {})
    await until('it says why', () => link.status().error?.includes('WRONGPASS'))
    await expect(link.carry((client) => client.ping())).rejects.toThrow()
    expect(link.logged.join('\n') + JSON.stringify(link.status())).not.toContain('canary')
    await server.cli('config', 'set', 'requirepass', 'wrong-canary')
    await works(link)
    await stop()
  })

  it('lets us do nothing, or only read, it is bypassed and says why', async () => {
    const server = await room.server({ settings: ['user nobody on nopass ~* &* -@all +hello +auth'] })
    const link = room.link(server.url.replace('//', '//nobody:any@'))
    const stop = await link.listen('tests', () => {})
    await until('it says why', () => link.status().error?.includes('NOPERM'))
    expect(link.usable()).toBe(false)
    link.publish('tests', 'canary')
    await server.cli('acl', 'setuser', 'nobody', '+@all')
    await works(link)
    await server.cli('replicaof', '127.0.0.1', '1')
    await until('a write has failed', async () => {
      await link.ask((client) => client.set('halyard:canary', 'canary')).catch(() => undefined)
      return link.status().error?.includes('READONLY')
    })
    expect(link.usable()).toBe(false)
    await server.cli('replicaof', 'no', 'one')
    await works(link)
    expect(link.logged.join('\n')).not.toContain('canary')
    await stop()
  })

  it('is a master no more, it goes where the name leads by then, also with what is large', async () => {
    const master = await room.server()
    const replica = await room.server({ settings: [`replicaof 127.0.0.1 ${master.port}`] })
    const proxy = await tcpProxy(master.url)
    const link = room.link(proxy.via(master.url))
    await works(link)
    await until('the replica follows', async () =>
      (await replica.cli('info', 'replication')).includes('master_link_status:up'),
    )
    await replica.cli('replicaof', 'no', 'one')
    await master.cli('replicaof', '127.0.0.1', String(replica.port))
    proxy.leadTo(replica.url)
    await until('a large value is written', () =>
      link
        .carry((client) => client.set('halyard:large', 'large'))
        .then(
          () => true,
          () => false,
        ),
    )
    await until('a small one, too', () =>
      link
        .ask((client) => client.set('halyard:small', 'small'))
        .then(
          () => true,
          () => false,
        ),
    )
    expect(await replica.cli('get', 'halyard:small')).toBe('small')
    await works(link)
    await proxy.close()
  })

  it('is full, the same', async () => {
    const server = await room.server()
    const link = room.link(server.url)
    await works(link)
    await server.cli('config', 'set', 'maxmemory', '1')
    await expect(link.ask((client) => client.set('halyard:a', 'a'))).rejects.toThrow('OOM')
    expect(link.usable()).toBe(false)
    await server.cli('config', 'set', 'maxmemory', '0')
    await works(link)
  })
})

describe.runIf(canStartRedis())('a link that is closed', () => {
  it('leaves no connection behind, and nothing that keeps the process', async () => {
    const server = await room.server()
    const link = room.link(server.url)
    await works(link)
    await link.listen('tests', () => {})
    await link.close()
    await until('all are gone', async () => {
      const clients = await server.cli('client', 'list')
      return !clients.includes('name=halyard')
    })
    await expect(link.ask((client) => client.ping())).rejects.toThrow('bypassed')
    await expect(link.carry((client) => client.ping())).rejects.toThrow('closed')
  })
})
