import { type Client, connect } from '@halyard/sdk/browser'

export async function trial(): Promise<unknown> {
  try {
    await connect({ url: 'http://127.0.0.1:1', key: 'hly_srv_abc_def' })
    return false
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
  }
  // What needs a page is not tried without one.
  if (!('document' in globalThis)) return true
  const bootstrap = {
    context: { targetingKey: 'ada' },
    etag: '"1-1"',
    flags: [{ key: 'checkout', value: true }],
  }
  const flags: Client = await connect({ url: 'http://127.0.0.1:1', key: 'hly_pub_abc_def', bootstrap })
  const on: boolean = flags.boolean('checkout', false)
  await flags.close()
  return on
}
