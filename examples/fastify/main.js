/** `node examples/fastify/main.js`, with HALYARD_URL and HALYARD_SDK_KEY (a server key) set. */
import { connect } from '@halyard/sdk/node'
import { createApp } from './app.js'

const flags = await connect({ app: { name: 'shop', version: '1.0.0' } })
const app = createApp(flags)
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => app.close())
console.log(`The shop is at ${await app.listen({ port: Number(process.env.PORT ?? 3000) })}`)
