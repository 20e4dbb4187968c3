/** The public promise: every endpoint as data, the problems, and the documents made of them. */
import type { Endpoint } from './endpoint.ts'
import { apiKeyEndpoints } from './endpoints/api-keys.ts'
import { configurationEndpoints } from './endpoints/configurations.ts'
import { deliveryEndpoints } from './endpoints/delivery.ts'
import { evaluationEndpoints } from './endpoints/evaluation.ts'
import { explainEndpoints } from './endpoints/explain.ts'
import { flagEndpoints } from './endpoints/flags.ts'
import { historyEndpoints } from './endpoints/history.ts'
import { killLinkEndpoints } from './endpoints/kill-links.ts'
import { killEndpoints } from './endpoints/kills.ts'
import { moveEndpoints } from './endpoints/moves.ts'
import { operationEndpoints } from './endpoints/operations.ts'
import { projectEndpoints } from './endpoints/projects.ts'
import { sdkKeyEndpoints } from './endpoints/sdk-keys.ts'
import { segmentEndpoints } from './endpoints/segments.ts'
import { usageEndpoints } from './endpoints/usage.ts'

export const endpoints = {
  ...projectEndpoints,
  ...flagEndpoints,
  ...configurationEndpoints,
  ...killEndpoints,
  ...deliveryEndpoints,
  ...killLinkEndpoints,
  ...segmentEndpoints,
  ...moveEndpoints,
  ...sdkKeyEndpoints,
  ...apiKeyEndpoints,
  ...historyEndpoints,
  ...explainEndpoints,
  ...evaluationEndpoints,
  ...usageEndpoints,
  ...operationEndpoints,
} as const

export type Endpoints = typeof endpoints
export type EndpointId = keyof Endpoints

export const allEndpoints: readonly Endpoint[] = Object.values(endpoints)

export * from './endpoint.ts'
export * from './problems.ts'
