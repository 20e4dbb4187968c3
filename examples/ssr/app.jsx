/** What the server renders and the page hydrates: the same component, from the same answers. */
import { FlagsProvider, useFlag } from '@halyard/sdk/react'

function Checkout() {
  return <p id="checkout">{useFlag('checkout', false) ? 'new checkout' : 'old checkout'}</p>
}

/** @param {{bootstrap: import('@halyard/sdk/browser').Dehydrated, client?: () => Promise<import('@halyard/sdk/browser').Client>}} props */
export function App({ bootstrap, client }) {
  return (
    <FlagsProvider bootstrap={bootstrap} client={client}>
      <Checkout />
    </FlagsProvider>
  )
}
