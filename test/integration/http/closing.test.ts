/** A service that ends does not wait for who began a request and is gone. */
import { connect } from 'node:net'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { startService } from '../../support/start-service.ts'
import { until } from '../../support/until.ts'

it('closes though a request has stopped half-way', async () => {
  const service = await startService()
  const { hostname, port } = new URL(await service.listen())
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  const key = await service.sdkKey('server')
  const head = `POST /ofrep/v1/evaluate/flags HTTP/1.1\r\nHost: halyard\r\nAuthorization: Bearer ${key}\r\n`
  socket.write(`${head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"context":`)
  const connections = promisify(service.http.server.getConnections.bind(service.http.server))
  await until('it has arrived', async () => (await connections()) === 1)
  const from = performance.now()
  await service.close()
  expect(performance.now() - from).toBeLessThan(12_000)
  expect(service.logged.some((line) => line.includes('were cut off'))).toBe(true)
})
