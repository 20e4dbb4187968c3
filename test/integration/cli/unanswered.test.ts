/** Servers that take a connection and say nothing, or nothing of use: soon told, and what is not known is said. */
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { halyard, type Told } from '../../support/cli.ts'

const cli = halyard(() => ({ HALYARD_API_KEY: 'hly_api_any_key', HALYARD_ENV: 'production' }))

/** How long each try was given, milliseconds. */
let asked: number[] = []
/** What the command's clock has moved on by. */
let passed = 0
/** Lets the time of the try that is under way be over, by the command's clock. */
let timeIsOver = (): void => {}

beforeEach(() => {
  asked = []
  passed = 0
  vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => {
    asked.push(ms)
    const ended = new AbortController()
    timeIsOver = () => {
      passed += ms
      ended.abort(new DOMException('', 'TimeoutError'))
    }
    return ended.signal
  })
})
afterEach(() => vi.restoreAllMocks())

const edge = {
  now: () => passed,
  random: () => 1,
  pause: async (ms: number) => {
    passed += ms
  },
}

/** A server that answers as it is told, and the requests that it got. */
async function server(answer: RequestListener = () => timeIsOver()) {
  const got: IncomingMessage[] = []
  const started = createServer((request, response) => {
    got.push(request)
    answer(request, response)
  })
  await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    started.closeAllConnections()
    started.close()
  })
  const url = `http://127.0.0.1:${(started.address() as AddressInfo).port}`
  const run = (...args: readonly string[]): Promise<Told> => cli([...args, '--url', url], edge)
  return { url, got, run }
}

describe('a server that does not answer', () => {
  it('is told at each try, and a kill ends within some ten seconds, and says that nobody knows', async () => {
    const { url, got, run } = await server()
    const { code, said, told } = await run('kill', 'checkout')
    expect([code, said]).toEqual([75, ''])
    const lines = told.split('\n')
    expect(lines).toHaveLength(2)
    expect(lines[0]).toBe(`${url} has not answered within 6 s: trying again.`)
    expect(lines[1]).toBe(
      `halyard: ${url} cannot be reached: it did not answer in time. It is NOT known whether checkout is killed in production. The same command again is safe; to ask another instance, add --url <its address>.`,
    )
    expect(passed).toBeLessThanOrEqual(11_000)
    const keys = got.map(({ headers }) => headers['idempotency-key'])
    expect(keys).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/), keys[0]])
  })

  it('is given the time that a kill was asked to wait, and no try that could not come to its end', async () => {
    const { run } = await server()
    expect((await run('kill', 'checkout', '--timeout', '30s')).code).toBe(75)
    expect(asked).toEqual([34_000])
  })

  it('leaves unknown whether a group is killed, or a kill has ended', async () => {
    const { run } = await server()
    const group = await run('kill', '--tag', 'payments', '--expect', '3')
    expect(group.told).toContain(
      'NOT known whether the flags tagged payments are killed in production. The same command again is safe',
    )
    expect((await run('kill', '--all', '--expect', '3')).told).toContain('whether all flags are killed')
    const named = await run('unkill', 'checkout', '--kill', 'k3v9')
    expect(named.told).toContain('NOT known whether the kill of checkout in production has ended. The same')
    // Without its name, the same command could end a kill that came meanwhile.
    const any = await run('unkill', 'checkout')
    expect(any.told).toContain('Look first: halyard flags get checkout --env production')
    expect(passed).toBeLessThanOrEqual(4 * 11_000)
  })

  it.each([
    [['kill', 'checkout', '--dry-run']],
    [['kill', '--all']],
    [['delivery']],
    [['drill', 'production']],
  ])('that nothing was asked to do leaves nothing unknown: %j', async (args) => {
    const { run } = await server()
    const { code, said, told } = await run(...args)
    expect([code, said]).toEqual([75, ''])
    expect(told).toContain('trying again')
    expect(told).not.toContain('NOT known')
    expect(passed).toBeLessThanOrEqual(11_000)
  })

  it('leaves a drill to say whether its flag may be killed', async () => {
    const { run } = await server((request, response) => {
      if (request.method === 'GET') response.end('{}')
      else timeIsOver()
    })
    const { code, said } = await run('drill', 'production')
    expect(code).toBe(1)
    expect(said).toMatch(
      /It may have been killed\. halyard-drill may still be killed in production: the next/,
    )
    const other = await server((request, response) => {
      if (request.method === 'PUT') timeIsOver()
      else response.end('{}')
    })
    expect((await other.run('drill', 'production')).said).toMatch(
      /It may have been killed\. It is un-killed\.$/,
    )
  })

  it('is told of in half a minute by commands that nobody waits for', async () => {
    const { run } = await server()
    const listed = await run('flags', 'list')
    expect(listed.told).toMatch(/has not answered within 15 s: trying again\.\n.*cannot be reached/)
    expect(passed).toBeLessThanOrEqual(31_000)
    const enabled = await run('flags', 'enable', 'checkout')
    expect(enabled.told).toMatch(/It is NOT known whether it was done: look before you do it again\.$/)
  })

  it('holds up no completion, and says nothing into the prompt', async () => {
    const { run } = await server()
    expect(await run('completion', 'keys')).toEqual({ code: 0, said: '', told: '' })
    expect(passed).toBeLessThanOrEqual(2_000)
  })
})

describe('a server that is away for a moment', () => {
  it('is told at each try, with when the next one is', async () => {
    let times = 0
    const { url, run } = await server((request, response) => {
      times += 1
      if (times === 1) return void request.socket.destroy()
      response.writeHead(503, { 'retry-after': '2' }).end('{"detail": "The database is away."}')
    })
    const { code, told } = await run('kill', 'checkout')
    expect(code).toBe(75)
    const [first, second, third, fourth] = told.split('\n')
    expect(first).toMatch(new RegExp(`^${url} cannot be reached \\(.+\\): trying again\\.$`))
    expect(second).toBe(`${url} is away for now (503): trying again in 2 s.`)
    expect(third).toBe(second)
    // The first try may have come through.
    expect(fourth).toMatch(/^halyard: The database is away\. It is NOT known whether checkout is killed/)
  })

  it('and has said so each time, has not done it', async () => {
    const { run } = await server((_, response) => void response.writeHead(503).end('{"detail": "Away."}'))
    const { told } = await run('kill', 'checkout')
    expect(told).toMatch(/halyard: Away\.$/)
  })

  it('behind a proxy that gives up leaves it unknown', async () => {
    const { run } = await server((_, response) => void response.writeHead(504).end('<html>'))
    expect((await run('kill', 'checkout')).told).toContain('NOT known whether checkout is killed')
  })

  it('and asks to come again later than anyone waits ends it at once', async () => {
    const { run } = await server((_, response) => {
      response.writeHead(503, { 'retry-after': '60' }).end('{"detail": "Away."}')
    })
    expect(await run('kill', 'checkout')).toMatchObject({ code: 75, told: 'halyard: Away.' })
    expect(passed).toBe(0)
  })
})
