/**
 * `@halyard/sdk/openfeature/server`: the provider for OpenFeature's SDK for servers. Flags are evaluated in this
 * process.
 */
export { HalyardProvider, type ProviderClient } from './provider.ts'
