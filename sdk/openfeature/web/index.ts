/**
 * `@halyard/sdk/openfeature/web`: the provider for OpenFeature's SDK for pages. Values come from the server; no rule
 * ever reaches a page.
 */
export { HalyardProvider, type ProviderClient, type ProviderOptions } from './provider.ts'
