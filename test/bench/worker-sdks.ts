/**
 * One process of the benches with SDKs: connects them, and tells the bench when each of them heard of which revision. Times
 * are CLOCK_MONOTONIC, which all processes of one machine share.
 * Arguments: URLs with commas between them, of which each SDK begins with another; key; how many SDKs.
 */
import { connect } from '@halyard/sdk/node'

export type Heard = {
  readonly sdk: number
  readonly epoch: number
  readonly revision: number
  readonly at: number
}

const [urls = '', key = '', count = '0'] = process.argv.slice(2)
const servers = urls.split(',')
const now = () => Number(process.hrtime.bigint()) / 1e6
let heard: Heard[] = []

const clients = await Promise.all(
  Array.from({ length: Number(count) }, async (_, sdk) => {
    const flags = await connect({
      url: servers.map((_, turn) => servers[(sdk + turn) % servers.length] as string),
      key,
      app: { name: 'bench', version: '1.0.0' },
      startTimeoutMs: 20_000,
    })
    flags.on('change', ({ epoch, revision }) => {
      heard.push({ sdk, epoch, revision, at: now() })
    })
    return flags
  }),
)
process.on('message', (asked) => {
  if (asked === 'heard') {
    process.send?.({ heard, connected: clients.filter((flags) => flags.status().connected).length })
    heard = []
  }
  if (asked === 'close') {
    void Promise.all(clients.map((flags) => flags.close())).then(() => process.disconnect())
  }
})
process.send?.('connected')
