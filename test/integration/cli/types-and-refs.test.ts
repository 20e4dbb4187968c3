/** What the compiler, and a search through code, know of the flags of a real service. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ROOT } from '../../support/build.ts'
import { halyard } from '../../support/cli.ts'
import { ADMIN_KEY, startService, type TestService } from '../../support/start-service.ts'

let service: TestService
let url: string
beforeAll(async () => {
  service = await startService()
  url = await service.listen()
  const flags = '/api/v1/projects/default/flags'
  await service.ask('POST', flags, { body: { key: 'checkout', type: 'boolean', description: 'The new one' } })
  await service.ask('POST', flags, {
    body: { key: 'plan.name', type: 'string', variants: { a: 'free' }, offVariant: 'a' },
  })
  await service.ask('POST', flags, {
    body: { key: 'limit', type: 'number', variants: { a: 5 }, offVariant: null },
  })
  await service.ask('POST', flags, {
    body: {
      key: 'theme',
      type: 'object',
      variants: { a: { colour: 'red' }, b: { colour: 'blue', sizes: [1] } },
      offVariant: 'a',
    },
  })
  await service.ask('POST', flags, { body: { key: 'gone', type: 'boolean' } })
})
afterAll(async () => await service.close())

const cli = halyard(() => ({ HALYARD_URL: url, HALYARD_API_KEY: ADMIN_KEY }))
const write = (path: string, text: string) => {
  mkdirSync(join(cli.folder, path, '..'), { recursive: true })
  writeFileSync(join(cli.folder, path), text)
}

/** @returns what the compiler says of the files in the folder. @param args such as `--skipLibCheck false` */
function compiled(...args: string[]): string {
  try {
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
    return execFileSync(process.execPath, [tsc, '-p', cli.folder, ...args], { encoding: 'utf8' })
  } catch (error) {
    return String((error as { stdout?: unknown }).stdout ?? error)
  }
}

describe('types', () => {
  it('are written, and make a mistyped key or default a compile error, in OpenFeature’s client too', async () => {
    expect(await cli(['types'])).toMatchObject({
      code: 0,
      said: 'Wrote 5 flags to halyard-flags.d.ts.',
    })
    const text = readFileSync(join(cli.folder, 'halyard-flags.d.ts'), 'utf8')
    expect(text).toContain('    /** The new one */\n    checkout: boolean\n')
    expect(text).toContain("    'plan.name': string\n    theme: { colour: string; sizes?: number[] }\n")
    expect((await cli(['types'])).said).toContain('is as it should be')

    symlinkSync(join(ROOT, 'node_modules'), join(cli.folder, 'node_modules'))
    write(
      'tsconfig.json',
      JSON.stringify({
        extends: join(ROOT, 'test/types/tsconfig.json'),
        include: ['*.ts'],
      }),
    )
    write('package.json', '{"type": "module"}')
    write(
      'app.ts',
      `import { connect } from '@halyard/sdk/node'
       const flags = await connect()
       export const sizes: number[] | undefined = flags.object('theme', { colour: 'x' }).sizes
       export const plan: string = flags.string('plan.name', 'free')
       // @ts-expect-error an unknown key
       flags.boolean('chekout', false)
       // @ts-expect-error another type
       flags.details('limit', 'five')`,
    )
    expect(compiled('--skipLibCheck', 'false')).toBe('')
    expect((await cli(['types', '--openfeature'])).said).toBe('Wrote 5 flags to halyard-flags.d.ts.')
    write(
      'openfeature.ts',
      `import { OpenFeature } from '@openfeature/server-sdk'
       const client = OpenFeature.getClient()
       export const value: boolean = await client.getBooleanValue('checkout', false)
       // @ts-expect-error an unknown key
       await client.getBooleanValue('chekout', false)
       // @ts-expect-error another type
       await client.getStringValue('limit', '')`,
    )
    // OpenFeature's own way to name keys declares them twice, which its types alone are checked for.
    expect(compiled('--skipLibCheck', 'true')).toBe('')
  })

  it('hold while flags come, and not when they go; and then the code that names them does not compile', async () => {
    expect(await cli(['types', '--check'])).toMatchObject({ code: 0, said: 'halyard-flags.d.ts holds.' })
    await cli(['flags', 'create', 'fresh'])
    expect(await cli(['types', '--check'])).toMatchObject({
      code: 0,
      said: expect.stringContaining('new: fresh'),
    })
    expect(await cli(['types', '--check', '--strict'])).toMatchObject({ code: 2 })
    await cli(['flags', 'archive', 'gone'])
    await service.ask('PATCH', '/api/v1/projects/default/environments/staging/flags/theme', {
      body: { variants: { a: { colour: 7 } } },
      headers: { 'if-match': '*' },
    })
    const checked = await cli(['types', '--check'])
    expect(checked.code).toBe(2)
    expect(checked.said).toContain('gone: gone\nchanged: theme is { colour: string | number')
    expect(await cli.json('types', '--check')).toMatchObject({
      gone: ['gone'],
      changed: ['theme'],
      missing: ['fresh'],
      ok: false,
    })
    expect(await cli(['types', '--check', '-o', 'nowhere.d.ts'])).toMatchObject({
      code: 2,
      told: expect.stringContaining('is not there'),
    })
    await cli(['types', '--openfeature'])
    write(
      'old.ts',
      "import { connect } from '@halyard/sdk/node'\nexport const old = (await connect()).boolean('gone', false)",
    )
    expect(compiled('--skipLibCheck', 'true')).toMatch(/^\S*old\.ts\(2,\d+\): error .*"gone"/)
  })

  it('come from a committed file as well, without a server', async () => {
    await cli(['export', '-o', 'flags.yaml'])
    await cli(['types', '-o', 'a.d.ts'])
    expect(await cli(['types', '-o', 'b.d.ts', '-f', 'flags.yaml'], { environment: {} })).toMatchObject({
      code: 0,
    })
    expect(readFileSync(join(cli.folder, 'b.d.ts'), 'utf8')).toBe(
      readFileSync(join(cli.folder, 'a.d.ts'), 'utf8'),
    )
  })
})

describe('references', () => {
  it('are found in code, and what is not there or not used is told', async () => {
    write(
      'src/app.tsx',
      "flags.boolean('checkout', false)\nuseFlag('chekout', false)\nconst LIMIT = 'limit'\nflags.boolean('gone', true)\n",
    )
    write('src/node_modules/x/index.js', "flags.boolean('from-a-package', false)")
    write('src/.git/hooks/a.js', "flags.boolean('from-git', false)")
    write('src/data.json', '{"a": "theme"}')
    const found = await cli(['refs', 'src'])
    expect(found.code).toBe(2)
    expect(found.said).toBe(
      [
        'unknown  chekout (did you mean checkout?)',
        '    src/app.tsx:2:9',
        'archived  gone',
        '    src/app.tsx:4:15',
        'unused  fresh',
        'unused  plan.name',
        'unused  theme',
        '1 file: 2 flags used, 3 unused, 2 not there.',
      ].join('\n'),
    )
    expect(await cli.json('refs', 'src')).toMatchObject({
      files: 1,
      unknown: [
        { key: 'chekout', didYouMean: 'checkout', places: [{ file: 'src/app.tsx', line: 2, column: 9 }] },
        { key: 'gone', archived: true },
      ],
      unused: ['fresh', 'plan.name', 'theme'],
    })
  })

  it('that are all there exit 0, and flags without one only where it is asked', async () => {
    write('good/app.ts', "flags.boolean('checkout', false)\n")
    expect((await cli(['refs', 'good'])).code).toBe(0)
    expect((await cli(['refs', 'good', '--unused'])).code).toBe(2)
    expect((await cli(['refs', 'good/app.ts', '-f', 'flags.yaml'], { environment: {} })).code).toBe(0)
    expect(await cli(['refs', 'nowhere'])).toMatchObject({ code: 64, told: 'halyard: nowhere is not there.' })
  })

  it('in what git ignores are not looked at', async () => {
    write('repo/.gitignore', 'generated\n')
    write('repo/generated/a.ts', "flags.boolean('nobody-knows', false)")
    write('repo/b.ts', "flags.boolean('checkout', false)")
    execFileSync('git', ['init', '-q'], { cwd: join(cli.folder, 'repo') })
    expect(await cli(['refs', 'repo'])).toMatchObject({
      code: 0,
      said: expect.stringContaining('1 file: 1 flag used'),
    })
  })
})

describe('completion', () => {
  it.each(['bash', 'zsh', 'fish'])('for %s is a script', async (shell) => {
    const { code, said } = await cli(['completion', shell])
    expect(code).toBe(0)
    expect(said).toContain('unkill')
    expect(said).toContain('halyard completion keys')
  })

  it('in bash completes commands, options and the server’s flags', async () => {
    const { said } = await cli(['completion', 'bash'])
    write('bin/halyard', '#!/bin/sh\necho checkout\necho limit\n')
    const complete = (...words: string[]) =>
      execFileSync(
        'bash',
        [
          '-c',
          `${said}\nchmod +x bin/halyard; PATH="$PWD/bin:$PATH"; COMP_WORDS=(halyard "$@"); COMP_CWORD=$#; _halyard; echo "\${COMPREPLY[*]}"`,
          '-',
          ...words,
        ],
        { cwd: cli.folder, encoding: 'utf8' },
      ).trim()
    expect(complete('unk')).toBe('unkill')
    expect(complete('flags', 'cr')).toBe('create')
    expect(complete('kill', '--com')).toBe('--comment')
    expect(complete('flags', 'list', '--arch')).toBe('--archived')
    expect(complete('kill', 'ch')).toBe('checkout')
    expect(complete('flags', 'get', 'li')).toBe('limit')
  })

  it('answers no key, rather than an error, where no server does', async () => {
    expect(await cli(['completion', 'keys'])).toMatchObject({
      code: 0,
      said: expect.stringContaining('checkout'),
    })
    expect(await cli(['completion', 'keys', '--url', 'http://127.0.0.1:59999'])).toEqual({
      code: 0,
      said: '',
      told: '',
    })
    expect(await cli(['completion', 'csh'])).toMatchObject({ code: 64 })
  })
})
