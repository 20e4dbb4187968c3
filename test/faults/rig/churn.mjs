/**
 * Apps that come and go: so many SDKs at any time, each for a second or so, and as many pages that evaluate once over
 * OFREP and follow a stream for a while. Says four times a second how many came. The first argument is JSON; an end of
 * the input ends it. SIGUSR1 makes it pause, and go on; SIGHUP makes everybody hurry, or stay again.
 */
import { connect } from '@halyard/sdk/node'

const { urls, key, abreast, stayMs } = JSON.parse(process.argv[2])
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const silent = { warn() {}, error() {} }
let paused = false
let hurried = false
let over = false
let came = 0
let here = 0
let wrong = []

const stay = () => sleep(hurried ? 10 : stayMs * (0.5 + Math.random()))

async function app(turn) {
  const flags = await connect({
    url: urls.map((_, index) => urls[(index + turn) % urls.length]),
    key,
    app: { name: 'churn', version: '1.0.0' },
    logger: silent,
  })
  const off = flags.on('change', () => {})
  flags.boolean('dependent', false, { targetingKey: `user-${turn % 12}` })
  await stay()
  off?.()
  await flags.close()
}

async function page(turn) {
  const url = urls[turn % urls.length]
  const answer = await fetch(`${url}/ofrep/v1/evaluate/flags`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ context: { targetingKey: `user-${turn % 12}` } }),
  })
  const { eventStreams } = await answer.json()
  const gone = new AbortController()
  const stream = await fetch(`${url}${eventStreams[0].endpoint.requestUri}`, { signal: gone.signal })
  await stay()
  gone.abort()
  await stream.body.cancel().catch(() => {})
}

async function visitor(visit) {
  for (let turn = Math.floor(Math.random() * 12); !over; turn += 1) {
    if (paused) {
      await sleep(50)
      continue
    }
    here += 1
    try {
      await visit(turn)
      came += 1
    } catch (error) {
      wrong.push(String(error?.stack ?? error))
      await sleep(200)
    }
    here -= 1
  }
}
for (let index = 0; index < abreast; index += 1) {
  void visitor(app)
  void visitor(page)
}

const tell = () => {
  process.stdout.write(`${JSON.stringify({ came, here, wrong })}\n`)
  wrong = []
}
setInterval(tell, 250)
process.on('SIGUSR1', () => {
  paused = !paused
})
process.on('SIGHUP', () => {
  hurried = !hurried
})
process.stdin.resume()
process.stdin.on('end', () => {
  over = true
  tell()
  process.stdout.end(() => process.exit(0))
})
