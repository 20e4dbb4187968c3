import { HalyardProvider } from '@halyard/sdk/openfeature/web'
import { FlagsProvider, useFlag } from '@halyard/sdk/react'
import { testFlags } from '@halyard/sdk/testing'
import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk'
import { createElement, StrictMode } from 'react'
import { createRoot } from 'react-dom/client'

/** What OpenFeature told the page, in order. */
const told: { event: string; flagsChanged?: unknown }[] = []
for (const event of Object.values(ProviderEvents)) {
  OpenFeature.addHandler(event, (details) => {
    told.push({ event, ...(details && 'flagsChanged' in details && { flagsChanged: details.flagsChanged }) })
  })
}

const flags = testFlags({ theme: ({ plan }) => ({ name: plan === 'pro' ? 'dark' : 'light' }) })
function Theme() {
  return createElement('b', { id: 'variant' }, useFlag('theme', { name: 'none' }).name)
}
const show = (element: Element) =>
  createRoot(element).render(
    createElement(StrictMode, null, createElement(FlagsProvider, { client: flags }, createElement(Theme))),
  )

Object.assign(globalThis, { HalyardProvider, OpenFeature, told, flags, show })
