/**
 * `@halyard/sdk/node`: feature flags evaluated in this process, kept current by a server.
 */
export type {
  Compiled,
  Context,
  Decision,
  Explanation,
  FlagKey,
  Json,
  Ruleset,
  SkippedRule,
  VariantKey,
} from '../core/index.ts'
export { TransportError, type TransportErrorCode } from '../transport/errors.ts'
export { type Client, connect, type Status } from './client.ts'
export type { Details, Getters } from './evaluation.ts'
export type { ClientEvents, Listener } from './events.ts'
export type { Source } from './holder.ts'
export type { KeyFunction } from './keys.ts'
export type { Logger } from './logger.ts'
export type { ConnectOptions } from './options.ts'
export type { PageData } from './page-data.ts'
export type { Mode } from './source.ts'
export type { ClientState } from './standing.ts'
