/**
 * Many apps in one process, each with an SDK of the build: they evaluate all the time, and tell what they got, by
 * which state, and when they held it. What was told once is not told again. The first argument is JSON; an end of the
 * input closes them.
 */
import { connect } from '@halyard/sdk/node'

const { clients, key, probes, users, killed, tickMs, perTick, options } = JSON.parse(process.argv[2])
const now = () => Number(process.hrtime.bigint()) / 1e6
const LAG_EVERY_MS = 20
const silent = { warn() {}, error() {} }

let heard = []
let outcomes = []
let wrong = []
let evaluations = 0
let paces = []
let lags = []
let connects = []
let streams = []
let kills = []
const streaming = clients.map(() => undefined)
const isKilled = clients.map(() => killed.map(() => false))
const told = new Set()
const held = clients.map(() => ({ epoch: 0, revision: 0 }))

function holds(client, { epoch, revision }) {
  const last = held[client]
  if (epoch === last.epoch && revision === last.revision) return
  if (epoch < last.epoch || (epoch === last.epoch && revision < last.revision))
    wrong.push(`client ${client} went back from ${last.epoch}-${last.revision} to ${epoch}-${revision}`)
  held[client] = { epoch, revision }
  heard.push([client, epoch, revision, now()])
}

/** Which flags serve as killed here, from this moment on. */
function looks(client) {
  for (const [index, flag] of killed.entries()) {
    const is = apps[client].details(flag, false, users[0]).reason === 'DISABLED'
    if (is === isKilled[client][index]) continue
    isKilled[client][index] = is
    kills.push([client, index, is, now()])
  }
}

function streamsOf(client) {
  const { connected } = apps[client].status()
  if (connected === streaming[client]) return
  streaming[client] = connected
  streams.push([client, connected, now()])
}

const apps = clients.map(() => undefined)
await Promise.all(
  clients.map(async ({ urls, name, ...more }, client) => {
    const from = performance.now()
    const flags = await connect({
      url: urls,
      key,
      app: { name: 'faults', version: '1.0.0', instance: name },
      logger: silent,
      ...options,
      ...more,
    })
    connects.push([client, Math.round(performance.now() - from)])
    apps[client] = flags
    flags.on('change', () => {
      holds(client, flags.status())
      looks(client)
    })
    looks(client)
  }),
)

let cursor = 0
function evaluate() {
  const from = performance.now()
  for (let client = 0; client < apps.length; client += 1) {
    streamsOf(client)
    for (let turn = 0; turn < perTick; turn += 1) {
      cursor = (cursor + 1) % probes.length
      const { flag, fallback, user } = probes[cursor]
      const {
        value,
        variant = null,
        reason,
        errorCode = null,
        epoch,
        revision,
        source,
      } = apps[client].details(flag, fallback, users[user])
      holds(client, { epoch, revision })
      const outcome = [cursor, epoch, revision, value, variant, reason, errorCode, source === 'default']
      // An object may have a `toString` of its own that is no function.
      const text = typeof value === 'object' ? JSON.stringify(value) : value
      const name = `${text} ${cursor} ${epoch} ${revision} ${variant} ${reason} ${errorCode} ${source}`
      if (told.has(name)) continue
      told.add(name)
      outcomes.push(outcome)
    }
  }
  evaluations += apps.length * perTick
  paces.push(((performance.now() - from) / (apps.length * perTick)) * 1e6)
}

const states = () => {
  const counts = {}
  let connected = 0
  for (const app of apps) {
    const status = app.status()
    counts[status.state] = (counts[status.state] ?? 0) + 1
    if (status.connected) connected += 1
  }
  return { counts, connected }
}

function tell() {
  const line = {
    at: now(),
    heard,
    outcomes,
    wrong,
    evaluations,
    paces,
    lags,
    connects,
    streams,
    kills,
    held,
    ...states(),
  }
  heard = []
  streams = []
  kills = []
  outcomes = []
  wrong = []
  paces = []
  lags = []
  connects = []
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

/** How late the machine lets a timer be: what any process here may have to wait for a core. */
let due = performance.now() + LAG_EVERY_MS
setInterval(() => {
  const at = performance.now()
  lags.push(Math.max(0, Math.round(10 * (at - due)) / 10))
  due = at + LAG_EVERY_MS
}, LAG_EVERY_MS)
setInterval(() => {
  try {
    evaluate()
  } catch (error) {
    wrong.push(`an evaluation threw: ${error?.stack}`)
  }
}, tickMs)
setInterval(tell, 250)
tell()
process.stdin.resume()
process.stdin.on('end', async () => {
  await Promise.all(apps.map((app) => app.close()))
  evaluate()
  tell()
  process.stdout.end(() => process.exit(0))
})
