import { FlagsProvider, useFlag } from '@halyard/sdk/react'
import { createElement, type ReactElement } from 'react'
import { renderToString } from 'react-dom/server'

function Checkout(): ReactElement {
  const on: boolean = useFlag('checkout', false)
  return createElement('b', null, on ? 'on' : 'off')
}

export async function trial(): Promise<unknown> {
  const bootstrap = { context: {}, etag: '"1-1"', flags: [{ key: 'checkout', value: true }] }
  const page = createElement(FlagsProvider, { bootstrap }, createElement(Checkout))
  return renderToString(page) === '<b>on</b>'
}
