import { FlagsProvider, useFlag } from '@halyard/sdk/react'
import { createElement, type ReactElement } from 'react'

function Checkout(): ReactElement {
  const on: boolean = useFlag('checkout', false)
  return createElement('b', null, on ? 'on' : 'off')
}

export async function trial(): Promise<unknown> {
  const bootstrap = { context: {}, etag: '"1-1"', flags: [{ key: 'checkout', value: true }] }
  const page = createElement(FlagsProvider, { bootstrap }, createElement(Checkout))
  return page.type === FlagsProvider && typeof useFlag === 'function'
}
