/** The page: hydrates what the server sent without a frame of anything else, then follows its changes. */
import { connect } from '@halyard/sdk/browser'
import { hydrateRoot } from 'react-dom/client'
import { App } from './app.jsx'

const { url, key, flags } = JSON.parse(document.getElementById('data').textContent)
const client = () => connect({ url, key, app: { name: 'shop-ssr', version: '1.0.0' }, bootstrap: flags })
hydrateRoot(document.getElementById('root'), <App bootstrap={flags} client={client} />)
