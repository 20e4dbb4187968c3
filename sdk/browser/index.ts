/**
 * `@halyard/sdk/browser`: feature flags evaluated by the server for one context, kept current by its events. Values
 * only: no rule ever reaches a page.
 */
export type { AnswerMetadata, Dehydrated, FlagAnswer } from '../answers.ts'
export type { Context, FlagKey, Json, VariantKey } from '../core/index.ts'
export { type Client, connect, type Status } from './client.ts'
export type { Details, Getters, Source } from './details.ts'
export type { ClientEvents, Listener } from './events.ts'
export type { ConnectOptions } from './options.ts'
