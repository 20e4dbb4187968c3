/**
 * An app in a process of its own that holds a connected SDK of the build. It writes a line of JSON whenever the SDK
 * says something, and whenever a line arrives on its input: what its probes give at that moment.
 * HALYARD_URL and HALYARD_SDK_KEY say where to connect; the first argument is `{probes, options}` as JSON.
 */
import { createInterface } from 'node:readline'
import { connect } from '@halyard/sdk/node'

const { probes, options } = JSON.parse(process.argv[2])
const logger = Object.fromEntries(
  ['debug', 'info', 'warn', 'error'].map((level) => [
    level,
    (message, cause) => process.stderr.write(`${level} ${message} ${cause?.message ?? ''}\n`),
  ]),
)
const flags = await connect({ app: { name: 'shop', version: '2.4.0' }, logger, ...options })

const one = ({ flag, otherwise, context }) => {
  const { value, variant, reason, errorCode } = flags.details(flag, otherwise, context)
  return { value, variant, reason, errorCode }
}
const results = () =>
  Object.fromEntries(
    Object.entries(probes).map(([name, probe]) => [
      name,
      probe.crowd === undefined
        ? one(probe)
        : {
            value: Array.from({ length: probe.crowd }, (_, index) => `user-${index}`).filter((targetingKey) =>
              flags.boolean(probe.flag, false, { targetingKey }),
            ),
          },
    ]),
  )
const say = (event) => {
  const { state, epoch, revision, source, connected } = flags.status()
  const line = { event, state, epoch, revision, source, connected, results: results() }
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

for (const event of ['change', 'ready', 'stale', 'error']) flags.on(event, () => say(event))
createInterface({ input: process.stdin })
  .on('line', () => say('answer'))
  .on('close', async () => {
    await flags.close()
    process.exit(0)
  })
say('start')
