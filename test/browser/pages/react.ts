/** A React page, for the server that renders it and for the browser that hydrates it. */
import { type Client, connect, type Dehydrated } from '@halyard/sdk/browser'
import { FlagsProvider, useFlag, useFlagDetails, useSuspenseFlag } from '@halyard/sdk/react'
import { createElement as h, type ReactElement, StrictMode, Suspense } from 'react'

/** How often each component rendered. */
export const renders: Record<string, number> = {}
const rendered = (name: string): void => {
  renders[name] = (renders[name] ?? 0) + 1
}

function Variant(): ReactElement {
  rendered('variant')
  return h('b', { id: 'variant' }, useFlag('checkout', false) ? 'on' : 'off')
}

function Theme(): ReactElement {
  rendered('theme')
  const { value, reason } = useFlagDetails('theme', 'none')
  return h('i', { id: 'theme' }, `${value} ${reason}`)
}

function Late(): ReactElement {
  rendered('late')
  return h('u', { id: 'late' }, String(useSuspenseFlag('limit', 0)))
}

export type Props = {
  readonly bootstrap?: Dehydrated | undefined
  readonly client?: Client | PromiseLike<Client> | (() => PromiseLike<Client>) | undefined
}

export function App({ bootstrap, client }: Props): ReactElement {
  const waiting = h('u', { id: 'waiting' }, 'waiting')
  return h(
    StrictMode,
    null,
    h(
      FlagsProvider,
      { bootstrap, client },
      h(Variant),
      h(Theme),
      h(Suspense, { fallback: waiting }, h(Late)),
    ),
  )
}

export { connect, h as createElement }
