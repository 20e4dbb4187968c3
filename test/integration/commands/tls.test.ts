/** A Postgres that is reached over TLS, as managed ones are; and what is said where the two do not agree on it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openPostgres, postgresDatabase } from '../../../server/store/postgres.ts'
import { flag, openEnvironment, subjectOn, write } from '../../contract/store.support.ts'
import { type Certificates, canMakeCertificates, makeCertificates } from '../../support/certificates.ts'
import { command } from '../../support/edge.ts'
import { canStartPostgres, type PostgresProcess, startPostgres } from '../../support/postgres.ts'

describe.runIf(canStartPostgres() && canMakeCertificates())('a Postgres over TLS', () => {
  let folder: string
  let certificates: Certificates
  let secure: PostgresProcess
  let plain: PostgresProcess
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'halyard-tls-'))
    certificates = makeCertificates(folder)
    secure = await startPostgres({ listen_addresses: '127.0.0.1,127.0.0.2' }, certificates)
    plain = await startPostgres()
  })
  afterAll(async () => {
    await Promise.all([secure?.remove(), plain?.remove()])
    rmSync(folder, { recursive: true, force: true })
  })

  const asking = ({ url }: PostgresProcess, parameters: Readonly<Record<string, string>>) => {
    const asked = new URL(url)
    asked.password = 'canary'
    asked.search = String(new URLSearchParams(parameters))
    return asked.href
  }
  const trusted = (sslmode: string) => asking(secure, { sslmode, sslrootcert: certificates.caFile })

  it.each(['verify-full', 'verify-ca', 'require'])(
    'is spoken to in secret, by every connection (%s)',
    async (mode) => {
      const url = trusted(mode)
      expect(await command(['migrate'], { DATABASE_URL: url })).toMatchObject({ code: 0, told: '' })
      const subject = subjectOn(postgresDatabase({ url }))
      try {
        await subject.store.listen(() => {})
        const log = await openEnvironment(subject.store)
        await write(subject.store, log, flag('a', 1))
        await subject.store.ping()
        const all = await subject.rows<{ ssl: boolean }>(
          `SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'halyard'`,
        )
        expect(all.length).toBeGreaterThanOrEqual(3)
        expect(all.filter(({ ssl }) => !ssl)).toEqual([])
      } finally {
        await subject.store.close()
      }
    },
  )

  it('is spoken to without a look at who answers, where that is asked for', async () => {
    const url = asking(secure, { sslmode: 'no-verify' })
    expect(await command(['migrate'], { DATABASE_URL: url })).toMatchObject({ code: 0, told: '' })
  })

  it.each([
    ['nobody vouches for', () => asking(secure, { sslmode: 'require' }), /is not trusted \(.*sslrootcert=/],
    [
      'is another host’s',
      () => trusted('verify-ca').replace('127.0.0.1', '127.0.0.2'),
      /is not trusted \(.*127\.0\.0\.2.*sslrootcert=/,
    ],
    ['is not there', () => asking(plain, { sslmode: 'verify-full' }), /takes none.*leave sslmode out/],
  ])(
    'says what to set where the certificate %s, and that the settings are wrong (78)',
    async (_, url, sentence) => {
      for (const args of [['migrate'], ['migrate', '--unless-away'], ['backup'], ['verify']]) {
        const { code, said, told } = await command(args, { DATABASE_URL: url() })
        expect([args, code, said]).toEqual([args, 78, ''])
        expect(told).toMatch(sentence)
        expect(told).not.toContain('canary')
      }
      const store = await openPostgres({ url: url() })
      await expect(store.ping()).rejects.toMatchObject({
        type: 'unavailable',
        message: expect.stringMatching(/its operator should check ssl(mode|rootcert) in DATABASE_URL/),
      })
      await store.close()
    },
  )

  it('is not even asked where what the URL says of TLS cannot be', async () => {
    const empty = join(folder, 'empty.pem')
    writeFileSync(empty, '')
    for (const [parameters, sentence] of [
      [{ sslmode: 'prefer' }, /DATABASE_URL: its sslmode must be one of disable, require/],
      [
        { sslmode: 'verify-full', sslrootcert: '/not/there' },
        /its sslrootcert: cannot read \/not\/there \(ENOENT/,
      ],
      [
        { sslmode: 'verify-full', sslrootcert: empty },
        /its sslrootcert must name a file with a CERTIFICATE as PEM/,
      ],
      [
        { sslcert: certificates.certFile, sslkey: certificates.certFile },
        /its sslkey must name a file with a PRIVATE KEY/,
      ],
    ] as const) {
      const url = asking(secure, parameters)
      const { code, told } = await command(['migrate'], { DATABASE_URL: url })
      expect([code, told]).toEqual([78, expect.stringMatching(sentence)])
      expect(told).not.toContain('canary')
      const moved = await command(['move', '--to', url], { DATABASE_URL: plain.url })
      expect([moved.code, moved.told]).toEqual([64, expect.stringContaining('--to takes a postgres:// URL')])
      expect(moved.told).not.toContain('canary')
    }
  })
})
