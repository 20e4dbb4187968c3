/** Segments out of spreadsheets, promotions and changes, against a real service. */
import { createWriteStream, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { rowsOf } from '../../../sdk/cli/segments/rows.ts'
import { halyard } from '../../support/cli.ts'
import { ADMIN_KEY, startService, type TestService } from '../../support/start-service.ts'

let service: TestService
let url: string
beforeAll(async () => {
  service = await startService()
  url = await service.listen()
})
afterAll(async () => await service.close())

const cli = halyard(() => ({ HALYARD_URL: url, HALYARD_API_KEY: ADMIN_KEY, HALYARD_ENV: 'staging' }))
const write = (name: string, text: string) => writeFileSync(join(cli.folder, name), text)
const segment = '/api/v1/projects/default/environments/staging/segments/beta'
const membersOf = async () =>
  (await service.ask('GET', `${segment}/members`)).body.items.map(({ unit }: { unit: string }) => unit).sort()

describe('an import', () => {
  it('takes one column of real CSV: quotes, commas, line ends, a byte-order mark', async () => {
    write(
      'emails.csv',
      '\ufeffname,email\r\n"Doe, Jane",jane@shop.example\r\n"O""Hara","quo""ted@shop.example"\r\n\r\nJo, jo@shop.example \r\n',
    )
    expect(await cli(['segments', 'import', 'beta', 'emails.csv', '--column', 'email'])).toMatchObject({
      code: 1,
      told: expect.stringContaining('beta'),
    })
    const done = await cli([
      'segments',
      'import',
      'beta',
      'emails.csv',
      '--column',
      'email',
      '--create',
      '-m',
      'OPS-3',
    ])
    expect(done).toMatchObject({
      code: 0,
      said: expect.stringContaining('Added 3 members to beta; 0 were there before.'),
    })
    expect(await membersOf()).toEqual(['jane@shop.example', 'jo@shop.example', 'quo"ted@shop.example'])
    const again = await cli.json<{ added: number; present: number }>(
      'segments',
      'import',
      'beta',
      'emails.csv',
      '--column',
      '2',
    )
    // Without the heading's name the heading is a row like any other.
    expect(again).toMatchObject({ added: 1, present: 3 })
    expect((await cli(['segments', 'list'])).said).toMatch(/beta +targetingKey +4 +0/)
  })

  it('replaces the whole list in one change, and a dry run changes nothing', async () => {
    write('new.csv', 'unit\na\nb\n')
    const tried = await cli(['segments', 'import', 'beta', 'new.csv', '--mode', 'replace', '--dry-run'])
    expect(tried.said).toContain('Would add 2 members to beta, and remove 4')
    expect(await membersOf()).toHaveLength(4)
    await cli(['segments', 'import', 'beta', 'new.csv', '--mode', 'replace'])
    expect(await membersOf()).toEqual(['a', 'b'])
  })

  it('does not take an empty file for a whole list, unless that is said', async () => {
    const before = await membersOf()
    expect(before).toHaveLength(2)
    const replace = (...args: string[]) =>
      cli(['segments', 'import', 'beta', ...args, '--mode', 'replace', '--column', 'unit'])
    write('empty.csv', '')
    write('heading.csv', 'unit,name\n')
    for (const file of ['empty.csv', 'heading.csv']) {
      expect(await replace(file)).toEqual({
        code: 1,
        said: '',
        told: `halyard: ${file} has no rows, and replace would take all included members away. Nothing was changed; if that is meant, add --empty.`,
      })
    }
    expect((await replace('heading.csv', '--empty', '--dry-run')).said).toContain('and remove 2')
    expect(await membersOf()).toEqual(before)
    expect(await replace('heading.csv', '--empty')).toMatchObject({
      code: 0,
      said: expect.stringContaining('Added 0 members to beta, and removed 2;'),
    })
    expect(await membersOf()).toEqual([])
    expect(await replace('heading.csv', '--empty')).toMatchObject({ code: 0 })
    expect(await replace('new.csv', '--empty')).toMatchObject({ code: 0 })
    expect(await membersOf()).toEqual(before)
  })

  it('tells rows that cannot be used with their lines in the file', async () => {
    write('faulty.csv', 'id,note\nc,"two\nlines"\n,empty\nd,x\n"e\ne",y\n')
    const done = await cli(['segments', 'import', 'beta', 'faulty.csv', '--column', 'id'])
    expect(done.code).toBe(1)
    expect(done.said).toContain('Added 2 members')
    expect(done.told).toMatch(
      /^line 4: [\s\S]*\nline 7: [\s\S]*\n2 rows could not be used, and were left out\.$/,
    )
    write('faulty2.csv', 'id,note\na,"two\nlines"\n,empty\n')
    const replaced = await cli([
      'segments',
      'import',
      'beta',
      'faulty2.csv',
      '--column',
      'id',
      '--mode',
      'replace',
    ])
    expect(replaced.told).toMatch(/^line 4: /)
  })

  it('says which columns there are, and what is no CSV', async () => {
    const told = async (...args: string[]) => {
      const { code, told } = await cli(['segments', 'import', 'beta', ...args])
      return [code, told]
    }
    expect(await told('emails.csv')).toEqual([
      64,
      expect.stringContaining('2 columns: say which one with --column (name, email'),
    ])
    expect(await told('emails.csv', '--column', 'emial')).toEqual([
      64,
      expect.stringContaining('Did you mean email?'),
    ])
    expect(await told('nowhere.csv')).toEqual([64, expect.stringContaining('cannot be read')])
    // Where, and never what stands there: it may be a person.
    for (const [text, place] of [
      ['id\n"jane@shop.example\n', 'line 2, column 1: a quote is not closed.'],
      ['name,id\nJo,jane@"shop.example\n', 'line 2, column 2: there is a quote in the midst of a field'],
      ['name,id\nJo,"jane"shop.example\n', 'line 2, column 2: something follows a closing quote'],
    ] as const) {
      write('broken.csv', text)
      const [code, sentence] = await told('broken.csv', '--column', 'id')
      expect([code, sentence]).toEqual([1, expect.stringContaining(`broken.csv is no CSV: ${place}`)])
      expect(sentence).not.toMatch(/jane|shop/)
    }
  })

  it('reads standard input, in as many requests as it needs', async () => {
    const rows = Readable.from(
      (function* () {
        for (let at = 0; at < 25_000; at += 1) yield `user-${at}\n`
      })(),
    )
    const done = await cli(['segments', 'import', 'beta', '-'], { input: rows })
    expect(done).toMatchObject({ code: 0, said: expect.stringContaining('Added 25,000 members') })
    expect(await cli(['segments', 'import', 'beta', '-', '--mode', 'replace'])).toMatchObject({ code: 64 })
  })

  it('of a file of a hundred megabytes holds a few rows at a time', async () => {
    const file = createWriteStream(join(cli.folder, 'large.csv'))
    const line = `${'x'.repeat(990)},user\n`
    for (let at = 0; at < 100; at += 1)
      if (!file.write(line.repeat(1_050))) await new Promise<void>((resolve) => file.once('drain', resolve))
    await finished(file.end())
    const edge = { folder: cli.folder } as Parameters<typeof rowsOf>[0]
    let rows = 0
    let most = 0
    const before = process.memoryUsage()
    for await (const _row of rowsOf(edge, { file: 'large.csv', column: '2', delimiter: ',' })) {
      rows += 1
      if (rows % 5_000 === 0) {
        const { heapUsed, external, arrayBuffers } = process.memoryUsage()
        most = Math.max(
          most,
          heapUsed - before.heapUsed + external - before.external + arrayBuffers - before.arrayBuffers,
        )
      }
    }
    expect(rows).toBe(105_000)
    expect(most).toBeLessThan(80 * 1024 * 1024)
  })
})

describe('a promotion', () => {
  it('is shown first, asks, and is then exactly that', async () => {
    await cli(['flags', 'create', 'checkout'])
    await service.ask('PUT', '/api/v1/projects/default/environments/staging/flags/checkout/fallthrough', {
      body: { variant: 'on' },
      headers: { 'if-match': '*' },
    })
    const promote = ['promote', 'checkout', '--from', 'staging', '--to', 'production']
    const tried = await cli([...promote, '--dry-run'])
    expect(tried.code).toBe(2)
    expect(tried.said).toMatch(/^staging → production\n {2}~ flag checkout\n {6}everyone gets on/)
    expect(await cli(promote, { ask: async () => 'no' })).toMatchObject({
      code: 1,
      told: 'Nothing was changed.',
    })
    const raced = await cli(promote, {
      ask: async () => {
        await cli(['flags', 'enable', 'checkout', '-e', 'production'])
        return 'y'
      },
    })
    expect(raced).toMatchObject({ code: 1, told: expect.stringMatching(/changed since|plan/) })
    expect(await cli([...promote, '--yes', '-m', 'tested'])).toMatchObject({
      code: 0,
      said: expect.stringContaining('Done in production'),
    })
    expect(await cli([...promote, '--dry-run'])).toMatchObject({
      code: 0,
      said: expect.stringContaining('(the same)'),
    })
    expect(await cli(['promote', 'checkout', '--from', 'staging'])).toMatchObject({
      code: 64,
      told: expect.stringContaining('--to is missing'),
    })
  })
})

it('changes are told with their author and reason', async () => {
  const told = await cli(['changes', 'checkout', '-e', 'production', '--limit', '1'])
  expect(told.said).toMatch(/^\d+ {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}.* {2}tested\n {4}everyone gets on/)
  expect((await cli.json<unknown[]>('changes', '-e', 'production')).length).toBeGreaterThan(1)
  for (const option of ['--since', '--until']) {
    const refused = await cli(['changes', '-e', 'production', option, 'yesterday'])
    expect([refused.code, refused.told]).toEqual([
      1,
      expect.stringMatching(new RegExp(`^halyard: ${option} is a time`)),
    ])
  }
})

it('changes of a key that nobody knows say what was meant, and those of what is gone are told', async () => {
  const changes = (...args: string[]) => cli(['changes', ...args, '-e', 'production'])
  for (const [asked, meant] of [
    ['chekout', 'checkout'],
    ['gama', 'gamma'],
  ] as const) {
    if (asked === 'gama') {
      await cli(['segments', 'import', 'gamma', '-', '--create', '-e', 'production'], { stdin: 'user-1\n' })
    }
    expect(await changes(asked)).toEqual({
      code: 1,
      said: '',
      told: expect.stringMatching(new RegExp(`^halyard: .*${asked}.*\nDid you mean ${meant}\\?$`)),
    })
  }
  const segment = await changes('gamma')
  expect([segment.code, segment.said]).toEqual([0, expect.stringContaining('1 member included')])
  // Known, and without a change in that time.
  expect(await changes('checkout', '--until', '2020-01-01T00:00:00Z')).toEqual({
    code: 0,
    said: 'There are no such changes.',
    told: '',
  })
  await service.ask('DELETE', '/api/v1/projects/default/environments/production/segments/gamma', {
    headers: { 'if-match': '*' },
  })
  expect((await changes('gamma')).said).toContain('1 member included')
  expect(await changes('gamma', '--until', '2020-01-01T00:00:00Z')).toMatchObject({ code: 0 })
})
