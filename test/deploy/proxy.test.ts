/** What the shipped proxy does with what an instance refuses: asks the other one, unless that made a storm worse. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { haproxyIsHere, startHaproxy } from '../faults/rig/haproxy.ts'

describe.runIf(haproxyIsHere())('the proxy', () => {
  const instances: Server[] = []
  let asked: string[] = []
  /** Ready, and refuses whatever it is asked. */
  const instance = async (): Promise<number> => {
    const server = createServer(({ url = '' }, response) => {
      const isCheck = url === '/health/ready'
      if (!isCheck) asked.push(url)
      response.writeHead(isCheck ? 200 : 503, { 'retry-after': '2' }).end()
    })
    instances.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return (server.address() as AddressInfo).port
  }
  let ports: number[]
  beforeAll(async () => {
    ports = [await instance(), await instance()]
  })
  afterAll(() => {
    for (const server of instances) server.close().closeAllConnections()
  })

  it('asks again for what somebody waits for, and not for what is refused so that less is asked', async () => {
    const proxy = await startHaproxy(ports)
    const times = async (path: string, method = 'GET') => {
      asked = []
      const { status, headers } = await fetch(`${proxy}${path}`, { method })
      expect([status, headers.get('retry-after')]).toEqual([503, '2'])
      return asked.length
    }
    expect(await times('/api/v1/projects')).toBeGreaterThan(1)
    expect(await times('/ofrep/v1/evaluate/flags', 'POST')).toBeGreaterThan(1)
    expect(await times('/sdk/v1/stream')).toBe(1)
    expect(await times('/ofrep/v1/stream?token=x')).toBe(1)
    expect(await times('/sdk/v1/telemetry', 'POST')).toBe(1)
  })
})
