/** The proxy that the deployment guide ships, with as many servers as a row has, as a process of its own. */
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { ROOT } from '../../support/build.ts'
import { freePort } from '../../support/postgres-process.ts'
import { until } from '../../support/until.ts'

export function haproxyIsHere(): boolean {
  try {
    execFileSync('haproxy', ['-v'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/**
 * Starts it; it ends with the test.
 * @param ports of the servers, on loopback
 * @returns the address at which it answers
 */
export async function startHaproxy(ports: readonly number[]): Promise<string> {
  const shipped = readFileSync(join(ROOT, 'docs/deploy/haproxy.cfg'), 'utf8')
  // As many connections as this machine lets any process have.
  const lines = shipped.replace(/maxconn \d+/, 'maxconn 3000').split('\n')
  const servers = lines.filter((line) => /^\s+server /.test(line))
  if (servers.length === 0) throw new Error('docs/deploy/haproxy.cfg names no server')
  const own = ports.map((port, index) => `  server s${index + 1} 127.0.0.1:${port}`)
  const folder = mkdtempSync(join(tmpdir(), 'halyard-haproxy-'))
  const config = join(folder, 'haproxy.cfg')
  const at = lines.indexOf(servers[0] as string)
  writeFileSync(
    config,
    [...lines.slice(0, at), ...own, ...lines.slice(at).filter((line) => !servers.includes(line))].join('\n'),
  )
  const port = await freePort()
  const address = `http://127.0.0.1:${port}`
  const child = spawn('haproxy', ['-db', '-f', config], {
    env: { ...process.env, HALYARD_BIND: `127.0.0.1:${port}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text: Buffer) => {
      said = (said + text.toString()).slice(-4_000)
    })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
    rmSync(folder, { recursive: true, force: true })
  })
  await until('HAProxy lets requests through', async () => {
    if (child.exitCode !== null) throw new Error(`HAProxy did not start:\n${said}`)
    const answer = await fetch(`${address}/health/ready`).catch(() => undefined)
    await answer?.body?.cancel()
    return answer?.ok
  })
  return address
}
