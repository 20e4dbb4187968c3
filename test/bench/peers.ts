/**
 * The public JavaScript SDKs with local evaluation, each given the same flags in its own words and asked through its
 * own whole boolean call. They are configured for speed: no network, no events, no metrics, contexts made ready in
 * their own shape beforehand. Loaded by name, because they are installed for the benchmarks alone.
 */
import type { BenchContext, FlagShape, Question } from './workload.ts'

export type Peer = {
  readonly name: string
  /** Asks all questions once; answers how many were `true`. */
  readonly pass: () => number | Promise<number>
  readonly answers: () => readonly boolean[] | Promise<readonly boolean[]>
  readonly close: () => void
}
type MakePeer = (shapes: readonly FlagShape[], ask: readonly Question[]) => Promise<Peer>

const SILENT = { debug() {}, info() {}, warn() {}, error() {} }

/** `import` of a package that the root's type check may not find. */
const load = async <Module>(name: string): Promise<Module> => (await import(name)) as Module

const flagd: MakePeer = async (shapes, ask) => {
  type Core = {
    setConfigurations(json: string): unknown
    resolveBooleanEvaluation(key: string, fallback: boolean, context: BenchContext): { value?: boolean }
  }
  const { FlagdCore } = await load<{ FlagdCore: new (storage?: undefined, logger?: typeof SILENT) => Core }>(
    '@openfeature/flagd-core',
  )
  const core = new FlagdCore(undefined, SILENT)
  const flags = Object.fromEntries(
    shapes.map(({ key, countries, minimum }) => [
      key,
      {
        state: 'ENABLED',
        variants: { on: true, off: false },
        defaultVariant: 'off',
        targeting: {
          if: [
            { in: [{ var: 'country' }, countries] },
            'on',
            { and: [{ '==': [{ var: 'plan' }, 'pro'] }, { sem_ver: [{ var: 'version' }, '>=', minimum] }] },
            'on',
            {
              fractional: [
                ['on', 50],
                ['off', 50],
              ],
            },
          ],
        },
      },
    ]),
  )
  core.setConfigurations(JSON.stringify({ flags }))
  return {
    name: 'flagd-core',
    pass: () => {
      let on = 0
      for (const { key, context } of ask) {
        if (core.resolveBooleanEvaluation(key, false, context).value === true) on += 1
      }
      return on
    },
    answers: () =>
      ask.map(({ key, context }) => core.resolveBooleanEvaluation(key, false, context).value === true),
    close: () => {},
  }
}

const growthbook: MakePeer = async (shapes, ask) => {
  type User = { readonly attributes: { readonly [name: string]: string } }
  type Client = {
    initSync(options: { payload: unknown }): Client
    getFeatureValue(key: string, fallback: boolean, user: User): boolean
    destroy(): void
  }
  const { GrowthBookClient } = await load<{ GrowthBookClient: new (options?: object) => Client }>(
    '@growthbook/growthbook',
  )
  const features = Object.fromEntries(
    shapes.map(({ key, countries, minimum }) => [
      key,
      {
        defaultValue: false,
        rules: [
          { condition: { country: { $in: countries } }, force: true },
          { condition: { plan: 'pro', version: { $vgte: minimum } }, force: true },
          { force: true, coverage: 0.5, hashAttribute: 'id', hashVersion: 2 },
        ],
      },
    ]),
  )
  const client = new GrowthBookClient({}).initSync({ payload: { features } })
  const asked = inOwnWords(ask, ({ targetingKey, ...attributes }) => ({
    attributes: { id: targetingKey, ...attributes },
  }))
  return {
    name: 'GrowthBook',
    pass: () => {
      let on = 0
      for (const { key, context } of asked) if (client.getFeatureValue(key, false, context)) on += 1
      return on
    },
    answers: () => asked.map(({ key, context }) => client.getFeatureValue(key, false, context)),
    close: () => client.destroy(),
  }
}

const unleash: MakePeer = async (shapes, ask) => {
  type Context = { readonly userId: string; readonly properties: { readonly [name: string]: string } }
  type Client = {
    on(event: string, listener: (fault?: unknown) => void): unknown
    start(): Promise<void>
    isEnabled(key: string, context: Context, fallback: boolean): boolean
    destroy(): void
  }
  const { Unleash, InMemStorageProvider } = await load<{
    Unleash: new (options: object) => Client
    InMemStorageProvider: new () => object
  }>('unleash-client')
  const features = shapes.map(({ key, countries, minimum }) => ({
    name: key,
    enabled: true,
    type: 'release',
    strategies: [
      {
        name: 'default',
        parameters: {},
        constraints: [{ contextName: 'country', operator: 'IN', values: countries }],
      },
      {
        name: 'default',
        parameters: {},
        constraints: [
          { contextName: 'plan', operator: 'IN', values: ['pro'] },
          { contextName: 'version', operator: 'SEMVER_GTE', values: [], value: minimum },
        ],
      },
      {
        name: 'flexibleRollout',
        parameters: { rollout: '50', stickiness: 'userId', groupId: key },
        constraints: [],
      },
    ],
  }))
  const client = new Unleash({
    appName: 'bench',
    // Nothing listens there: the flags come from the bootstrap.
    url: 'http://127.0.0.1:9/api/',
    refreshInterval: 0,
    disableMetrics: true,
    disableAutoStart: true,
    skipInstanceCountWarning: true,
    storageProvider: new InMemStorageProvider(),
    bootstrap: { data: features },
  })
  const ready = new Promise<void>((resolve) => client.on('ready', () => resolve()))
  // That the address answers nothing is meant.
  client.on('error', () => {})
  client.on('warn', () => {})
  void client.start().catch(() => {})
  await ready
  const asked = inOwnWords(ask, ({ targetingKey, ...properties }) => ({ userId: targetingKey, properties }))
  return {
    name: 'Unleash',
    pass: () => {
      let on = 0
      for (const { key, context } of asked) if (client.isEnabled(key, context, false)) on += 1
      return on
    },
    answers: () => asked.map(({ key, context }) => client.isEnabled(key, context, false)),
    close: () => client.destroy(),
  }
}

const launchDarkly: MakePeer = async (shapes, ask) => {
  type Context = { readonly kind: 'user'; readonly key: string; readonly [name: string]: string }
  type Client = {
    waitForInitialization(options: { timeout: number }): Promise<unknown>
    boolVariation(key: string, context: Context, fallback: boolean): Promise<boolean>
    close(): void
  }
  const { init } = await load<{ init: (key: string, options: object) => Client }>(
    '@launchdarkly/node-server-sdk',
  )
  const { TestData } = await load<{
    TestData: new () => { usePreconfiguredFlag(flag: object): Promise<void>; getFactory(): unknown }
  }>('@launchdarkly/node-server-sdk/integrations')
  const data = new TestData()
  const client = init('sdk-key', {
    updateProcessor: data.getFactory(),
    sendEvents: false,
    diagnosticOptOut: true,
    logger: SILENT,
  })
  for (const { key, countries, minimum } of shapes) {
    const clause = (attribute: string, op: string, values: readonly string[], negate = false) => ({
      contextKind: 'user',
      attribute,
      op,
      values,
      negate,
    })
    await data.usePreconfiguredFlag({
      key,
      version: 1,
      on: true,
      variations: [true, false],
      offVariation: 1,
      salt: key,
      prerequisites: [],
      targets: [],
      rules: [
        { id: 'countries', variation: 0, clauses: [clause('country', 'in', countries)] },
        {
          id: 'pro-since',
          variation: 0,
          clauses: [clause('plan', 'in', ['pro']), clause('version', 'semVerLessThan', [minimum], true)],
        },
      ],
      fallthrough: {
        rollout: {
          contextKind: 'user',
          variations: [
            { variation: 0, weight: 50_000 },
            { variation: 1, weight: 50_000 },
          ],
        },
      },
    })
  }
  await client.waitForInitialization({ timeout: 5 })
  const asked = inOwnWords(ask, ({ targetingKey, ...attributes }) => ({
    kind: 'user' as const,
    key: targetingKey,
    ...attributes,
  }))
  return {
    name: 'LaunchDarkly',
    pass: async () => {
      let on = 0
      for (const { key, context } of asked) if (await client.boolVariation(key, context, false)) on += 1
      return on
    },
    answers: async () => {
      const all: boolean[] = []
      for (const { key, context } of asked) all.push(await client.boolVariation(key, context, false))
      return all
    },
    close: () => client.close(),
  }
}

export const PEERS: readonly MakePeer[] = [flagd, growthbook, unleash, launchDarkly]

/** One object a context, shared by its questions, as the contexts are. */
function inOwnWords<Own>(
  ask: readonly Question[],
  translate: (context: BenchContext) => Own,
): readonly { readonly key: string; readonly context: Own }[] {
  const made = new Map<BenchContext, Own>()
  return ask.map(({ key, context }) => {
    const own = made.get(context) ?? translate(context)
    made.set(context, own)
    return { key, context: own }
  })
}
