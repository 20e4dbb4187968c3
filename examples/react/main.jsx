/** `npx vite examples/react`, with VITE_HALYARD_URL and VITE_HALYARD_KEY (a client key) set. */
import { connect } from '@halyard/sdk/browser'
import { FlagsProvider, useFlag } from '@halyard/sdk/react'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'

const { VITE_HALYARD_URL, VITE_HALYARD_KEY } = import.meta.env

// Called once the provider is mounted; what it gives is closed when the provider goes.
const client = () =>
  connect({
    url: VITE_HALYARD_URL,
    key: VITE_HALYARD_KEY,
    app: { name: 'shop-react', version: '1.0.0' },
    context: { targetingKey: 'user-1', plan: 'pro' },
  })

function Checkout() {
  return <p id="checkout">{useFlag('checkout', false) ? 'new checkout' : 'old checkout'}</p>
}

createRoot(document.getElementById('root')).render(
  <StrictMode>
    <FlagsProvider client={client}>
      <Checkout />
    </FlagsProvider>
  </StrictMode>,
)
