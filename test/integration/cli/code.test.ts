/** Flags as code against a real service: a file, what would change, one commit an environment, and back again. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { halyard } from '../../support/cli.ts'
import { ADMIN_KEY, startService, type TestService } from '../../support/start-service.ts'

let service: TestService
let url: string
beforeAll(async () => {
  service = await startService()
  url = await service.listen()
})
afterAll(async () => await service.close())

const cli = halyard(() => ({ HALYARD_URL: url, HALYARD_API_KEY: ADMIN_KEY }))
const write = (text: string, name = 'flags.yaml') => writeFileSync(join(cli.folder, name), text)
const read = (name: string) => readFileSync(join(cli.folder, name), 'utf8')
const production = '/api/v1/projects/default/environments/production'
const revisionOf = async (environment = 'production') =>
  (await service.ask('GET', `/api/v1/projects/default/environments/${environment}/changes?limit=1`)).body.head
    .revision

const FILE = `
project: default
flags:
  checkout:
    type: boolean
    description: The new checkout
    tags: [payments]
  express:
    type: boolean
  theme:
    type: object
    owner: design
environments:
  production:
    segments:
      beta:
        when: { attribute: plan, op: in, values: [beta] }
    flags:
      checkout:
        enabled: true
        variants: { on: true, off: false }
        offVariant: off
        rules:
          - description: the beta
            when: { segment: beta }
            serve: { variant: on }
        fallthrough:
          split:
            shares:
              - { variant: on, percent: 25 }
              - { variant: off, percent: 75 }
      express:
        enabled: true
        variants: { on: true, off: false }
        offVariant: off
        prerequisites:
          - { flag: checkout, variants: [on] }
        fallthrough: { variant: on }
      theme:
        variants:
          dark: { colour: "#000" }
          light: { colour: "#fff", sizes: [1, 2] }
        offVariant: light
  staging:
    flags:
      checkout: { enabled: true, variants: { on: true, off: false }, offVariant: off, fallthrough: { variant: on } }
`

describe('a file', () => {
  it('is applied to a service that has nothing: flags are made, each environment is one commit', async () => {
    write(FILE)
    const start = await revisionOf()
    const plan = await cli(['plan', '-f', 'flags.yaml'])
    expect(plan.code).toBe(2)
    expect(plan.said).toContain('+ flag checkout (boolean)')
    expect(plan.said).toContain('+ segment beta')
    expect(plan.said).toContain('~ flag express (not tried')
    expect(await revisionOf()).toBe(start)

    const applied = await cli(['apply', '-f', 'flags.yaml', '-m', 'OPS-1'])
    expect(applied).toMatchObject({
      code: 0,
      said: expect.stringContaining('production: 4 changes, revision'),
    })
    const { items } = (await service.ask('GET', `${production}/changes`)).body
    const commits = items.filter(({ action }: { action: string }) => action === 'environment.commit')
    expect([commits.length, commits[0].comment]).toEqual([1, 'OPS-1'])
    const theme = (await service.ask('GET', '/api/v1/projects/default/flags/theme')).body
    expect(theme).toMatchObject({ type: 'object', owner: 'design', initial: { offVariant: 'light' } })
  })

  it('that is applied has nothing to change, though its rules have no ids', async () => {
    const revision = await revisionOf()
    expect(await cli(['plan', '-f', 'flags.yaml'])).toMatchObject({ code: 0, said: 'Nothing to change.' })
    expect(await cli(['apply', '-f', 'flags.yaml'])).toMatchObject({ code: 0, said: 'Nothing to change.' })
    expect(await revisionOf()).toBe(revision)
  })

  it('shows a drift in words, and a dry run exits 2 and changes nothing', async () => {
    await cli(['flags', 'disable', 'checkout', '-e', 'staging'])
    write(
      FILE.replace('percent: 25', 'percent: 40')
        .replace('percent: 75', 'percent: 60')
        .replace('The new checkout', 'Checkout'),
    )
    const revision = await revisionOf()
    const plan = await cli(['apply', '-f', 'flags.yaml', '--dry-run'])
    expect(plan.code).toBe(2)
    expect(plan.said).toContain('~ flag checkout\n      raised on from 25 % to 40 % for everyone else')
    expect(plan.said).toMatch(/project default\n {2}~ flag checkout\n {6}.*Checkout/)
    expect(plan.said).toMatch(/staging\n {2}~ flag checkout\n {6}enabled/)
    expect(plan.said).toMatch(/\n3 changes\.$/)
    expect(await revisionOf()).toBe(revision)
    expect((await cli(['apply', '-f', 'flags.yaml'])).code).toBe(0)
    const { body } = await service.ask('GET', `${production}/flags/checkout`)
    // 25 % had been on: they stay, and 15 % join them.
    expect(body.fallthrough.split.ranges).toEqual([
      { variant: 'on', from: 0, to: 25_000 },
      { variant: 'off', from: 25_000, to: 85_000 },
      { variant: 'on', from: 85_000, to: 100_000 },
    ])
  })

  it('is left alone where a person says no', async () => {
    write(FILE)
    const asked: string[] = []
    const ask = async (question: string) => {
      asked.push(question)
      return 'n'
    }
    expect(await cli(['apply', '-f', 'flags.yaml'], { ask })).toMatchObject({
      code: 1,
      told: 'Nothing was changed.',
    })
    expect(asked).toEqual(['Apply this? [y/N] '])
  })
})

describe('an export', () => {
  it('is a file that changes nothing, with the ranges that shares alone would not give', async () => {
    expect(await cli(['export', '-o', 'exported.yaml'])).toMatchObject({
      code: 0,
      told: 'Wrote exported.yaml.',
    })
    expect(await cli(['plan', '-f', 'exported.yaml'])).toMatchObject({ code: 0, said: 'Nothing to change.' })
    const text = read('exported.yaml')
    expect(text).toContain('ranges:')
    expect(text).not.toContain('targetingKey')
    expect(text).not.toMatch(/revision|changedAt/)
    const json = await cli.json<{ flags: object; environments: object }>('export', '--env', 'staging')
    expect(Object.keys(json.environments)).toEqual(['staging'])
    write(JSON.stringify(json), 'exported.json')
    expect((await cli(['plan', '-f', 'exported.json'])).said).toBe('Nothing to change.')
  })

  it('gives every user the same variant on another server', async () => {
    const other = await startService()
    try {
      const elsewhere = { environment: { HALYARD_URL: await other.listen(), HALYARD_API_KEY: ADMIN_KEY } }
      expect((await cli(['apply', '-f', 'exported.yaml'], elsewhere)).code).toBe(0)
      expect((await cli(['plan', '-f', 'exported.yaml'], elsewhere)).said).toBe('Nothing to change.')
      const flag = async (one: TestService) => (await one.ask('GET', `${production}/flags/checkout`)).body
      const [here, there] = [await flag(service), await flag(other)]
      expect([there.fallthrough, there.rules]).toEqual([here.fallthrough, here.rules])
    } finally {
      await other.close()
    }
  })

  it('may be edited: ranges that are no longer the shares’ are left to the server, and told', async () => {
    const edited = read('exported.yaml')
      .replace('percent: 40', 'percent: 50')
      .replace('percent: 60', 'percent: 50')
    write(edited, 'edited.yaml')
    const plan = await cli(['plan', '-f', 'edited.yaml'])
    expect(plan).toMatchObject({
      code: 2,
      told: expect.stringContaining('production/checkout: the ranges are no longer'),
    })
    expect(plan.said).toContain('raised on from 40 % to 50 % for everyone else')
  })
})

describe('what the file does not name', () => {
  it('is told, and left alone; with --prune flags are archived and segments deleted', async () => {
    await cli(['apply', '-f', 'exported.yaml'])
    await cli(['flags', 'create', 'stray'])
    await service.ask('PUT', `${production}/segments/old`, { body: { when: null } })
    const told = await cli(['plan', '-f', 'exported.yaml'])
    expect(told.code).toBe(0)
    expect(told.said).toContain('left alone (--prune takes them away): flags stray; segments production/old')
    const plan = await cli(['plan', '-f', 'exported.yaml', '--prune'])
    expect(plan).toMatchObject({
      code: 2,
      said: expect.stringMatching(/- flag stray, archived[\s\S]*- segment old[\s\S]*2 changes\./),
    })
    expect((await cli(['apply', '-f', 'exported.yaml', '--prune'])).code).toBe(0)
    expect((await service.ask('GET', '/api/v1/projects/default/flags/stray')).body.archived).not.toBeNull()
    expect((await service.ask('GET', `${production}/segments/old`)).status).toBe(404)
    expect(await cli(['plan', '-f', 'exported.yaml', '--prune'])).toMatchObject({
      code: 0,
      said: 'Nothing to change.',
    })
  })

  it('is everything, for an empty file; which prunes nothing of what it says nothing about', async () => {
    write('')
    expect(await cli(['apply', '-f', 'flags.yaml', '--prune'])).toMatchObject({
      code: 0,
      said: 'Nothing to change.',
    })
  })
})

describe('races', () => {
  it('what somebody changes in between is not overwritten', async () => {
    write(FILE)
    const ask = async () => {
      await cli(['flags', 'disable', 'checkout', '-e', 'production'])
      return 'y'
    }
    const revision = await revisionOf()
    const raced = await cli(['apply', '-f', 'flags.yaml'], { ask })
    expect(raced.code).toBe(1)
    expect(raced.told).toContain('Somebody changed production since the plan was made')
    expect(raced.told).toContain('Run halyard plan again')
    expect(await revisionOf()).toBe(revision + 1)
  })

  it('a kept plan is done as it was shown, or not at all', async () => {
    expect((await cli(['plan', '-f', 'flags.yaml', '--out', 'plan.json'])).code).toBe(2)
    await cli(['flags', 'enable', 'checkout', '-e', 'production'])
    expect(await cli(['apply', '--plan', 'plan.json'])).toMatchObject({
      code: 1,
      told: expect.stringContaining('Somebody changed production'),
    })
    await cli(['plan', '-f', 'flags.yaml', '--out', 'plan.json'])
    expect((await cli(['apply', '--plan', 'plan.json'])).code).toBe(0)
    expect((await cli(['plan', '-f', 'flags.yaml'])).said).toBe('Nothing to change.')
    write('{}', 'plan.json')
    expect(await cli(['apply', '--plan', 'plan.json'])).toMatchObject({ code: 64 })
  })
})

describe('a file with faults', () => {
  const refused = async (text: string) => {
    write(text, 'bad.yaml')
    const { code, told, said } = await cli(['plan', '-f', 'bad.yaml'])
    expect([code, said]).toEqual([1, ''])
    return told
  }

  it('that is no YAML says where', async () => {
    expect(await refused('flags:\n  a: {type: boolean\n  b: 1\n')).toMatch(/bad\.yaml:3:\d+: /)
    expect(await refused('flags:\n  a: {type: boolean}\n  a: {type: string}\n')).toMatch(/bad\.yaml:3:3: /)
    expect(await refused('flags:\n  a: !!js/function x\n')).toMatch(/bad\.yaml:2:3: Fields are expected/)
    expect(await cli(['plan', '-f', 'nowhere.yaml'])).toMatchObject({ code: 64 })
  })

  it('of its frame says every place, and what was meant', async () => {
    expect(await refused('flags:\n  a: {typ: boolean}\nenviroments: {}\n')).toBe(
      [
        'halyard: bad.yaml:3:1: There is no field "enviroments" here: there are project, flags, environments. Did you mean environments?',
        'bad.yaml:2:7: There is no field "typ" here: there are type, description, tags, owner, temporary, expiresAt. Did you mean type?',
        'bad.yaml:2:3: A flag has a type: boolean, string, number, object.',
      ].join('\n'),
    )
  })

  it('of the model says the server’s words at the file’s places', async () => {
    const wrong = FILE.replace('serve: { variant: on }', 'serve: { variant: onn }').replace(
      'op: in',
      'op: inn',
    )
    const told = await refused(wrong)
    expect(told).toMatch(/bad\.yaml:17:34: .*inn/)
    expect(told).toMatch(/bad\.yaml:26:22: The flag has no variant "onn"/)
    expect(
      await refused(FILE.replace('flags:\n      checkout: { enabled', 'flags:\n      checkot: { enabled')),
    ).toMatch(/bad\.yaml:\d+:7: .*checkot[\s\S]*Did you mean "checkout"\?/)
    expect(await refused(FILE.replace('  staging:', '  stagin:'))).toMatch(
      /bad\.yaml:\d+:3: .*stagin[\s\S]*Did you mean "?staging/,
    )
    expect(await refused(FILE.replace('    type: object', '    type: string'))).toMatch(
      /bad\.yaml:\d+:5: theme’s type is object/,
    )
    expect(await refused('flags:\n  new:\n    type: string\n')).toMatch(/bad\.yaml:\d+:\d+: /)
  })

  it('of another project is not mixed up', async () => {
    write(FILE)
    expect(await cli(['plan', '-f', 'flags.yaml', '-p', 'other'])).toMatchObject({
      code: 64,
      told: expect.stringContaining('flags.yaml:2:1'),
    })
  })
})
