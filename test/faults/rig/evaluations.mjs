/**
 * Remote evaluations at a steady rate, one at a time against each server and against a bare one that no fault touches:
 * what was answered, by which state, and how long it took. The first argument is JSON; an end of the input ends it.
 */
import http from 'node:http'

const { targets, control, key, probes, users, perSecond, timeoutMs } = JSON.parse(process.argv[2])
const now = () => Number(process.hrtime.bigint()) / 1e6
/** Every so many requests, one asks for all flags. */
const BULK_EVERY = 10

let times = []
let outcomes = []
let failures = []
let wrong = []
/** By target, state, flag, and whether that was killed: when an answer by it was last asked for. */
const asked = new Map()
const told = new Set()

function post(url, path, body, agent) {
  const text = JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const request = http.request(
      `${url}${path}`,
      {
        method: 'POST',
        agent,
        timeout: timeoutMs,
        headers: {
          authorization: `Bearer ${key}`,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(text),
        },
      },
      (response) => {
        let answer = ''
        response.setEncoding('utf8')
        response.on('data', (piece) => {
          answer += piece
        })
        response.on('end', () => resolve({ status: response.statusCode, text: answer }))
        response.on('error', reject)
      },
    )
    request.on('timeout', () => request.destroy(Object.assign(new Error('no answer'), { code: 'TIMEOUT' })))
    request.on('error', reject)
    request.end(text)
  })
}

/** What an answer says, told once per state. */
function took(target, at, answers, user) {
  for (const {
    key: flag,
    value = null,
    variant = null,
    reason = 'ERROR',
    errorCode = null,
    metadata,
  } of answers) {
    const revision = metadata?.revision ?? null
    if (revision !== null) {
      // Releases of the past say no epoch.
      const { epoch = target.epoch } = metadata
      const back = epoch < target.epoch || (epoch === target.epoch && revision < target.revision)
      if (back && !target.many) {
        wrong.push(`${target.name} went back from ${target.epoch}-${target.revision} to ${epoch}-${revision}`)
      }
      target.epoch = epoch
      target.revision = revision
      const state = JSON.stringify([target.name, epoch, revision, flag, metadata.killed === true])
      asked.set(state, Math.max(at, asked.get(state) ?? 0))
    }
    const outcome = [flag, user, revision, value, variant, reason, errorCode]
    // An object may have a `toString` of its own that is no function.
    const text = typeof value === 'object' ? JSON.stringify(value) : value
    const name = `${text} ${flag} ${user} ${revision} ${variant} ${reason} ${errorCode}`
    if (told.has(name)) continue
    told.add(name)
    outcomes.push([...outcome, at])
  }
}

let cursor = 0
let turns = 0
async function ask(target) {
  cursor = (cursor + 1) % probes.length
  turns += 1
  const { flag, user } = probes[cursor]
  const bulk = turns % BULK_EVERY === 0
  const path = bulk ? '/ofrep/v1/evaluate/flags' : `/ofrep/v1/evaluate/flags/${flag}`
  const at = now()
  try {
    const { status, text } = await post(target.url, path, { context: users[user] }, target.agent)
    if (status === 200) {
      times.push([target.name, at, now() - at, bulk])
      const body = JSON.parse(text)
      if (!target.bare) took(target, at, bulk ? body.flags : [body], user)
    } else failures.push([target.name, at, String(status)])
  } catch (error) {
    failures.push([target.name, at, error.code ?? String(error)])
  }
}

const all = [...targets, { name: 'control', url: control, bare: true }].map((target) => ({
  ...target,
  revision: 0,
  epoch: 0,
  // One connection each: what a later request hears is never older than what an earlier one heard.
  agent: new http.Agent({ keepAlive: true, maxSockets: 1 }),
}))
all.forEach((target, index) => {
  let busy = false
  const every = 1_000 / perSecond
  setTimeout(
    () => {
      setInterval(async () => {
        if (busy) return
        busy = true
        await ask(target)
        busy = false
      }, every)
    },
    (every / all.length) * index,
  )
})

function tell() {
  const served = [...asked].map(([state, at]) => [at, ...JSON.parse(state)])
  process.stdout.write(`${JSON.stringify({ times, outcomes, failures, wrong, served })}\n`)
  asked.clear()
  times = []
  outcomes = []
  failures = []
  wrong = []
}
setInterval(tell, 250)
process.stdin.resume()
process.stdin.on('end', () => {
  tell()
  process.stdout.end(() => process.exit(0))
})
