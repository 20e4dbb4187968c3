/** Why a flag gave what it gave: now, at any revision, at any time; and what two states make of one context. */
import { z } from 'zod'
import type { ProblemType } from '../../domain/problem.ts'
import { endpoint } from '../endpoint.ts'
import { CompareBody, Compared, ExplainBody, FlagExplained, FlagsExplained } from '../explanations.ts'
import {
  bodied,
  environmentParam,
  flagParam,
  inEnvironment,
  inProject,
  listQuery,
  managed,
  noHeaders,
  pastParam,
  truth,
} from '../parts.ts'

const example = { targetingKey: 'user-42', plan: 'pro' }
const problems: readonly ProblemType[] = [
  ...managed,
  ...bodied,
  ...environmentParam,
  ...flagParam,
  ...pastParam,
]
const clock =
  'The evaluation takes as now: the time that was asked for; for a revision that is not the newest, the time of its change; else the present. A time to come asks the state of the present.'

export const explainEndpoints = {
  'flags.explain': endpoint({
    id: 'flags.explain',
    group: 'History',
    method: 'POST',
    path: '/api/v1/projects/:project/environments/:env/explain',
    access: { by: 'management', on: 'environment', to: 'read' },
    summary: 'Explain what a context gets',
    description: `The evaluator’s own steps, recorded as it took them: the kill, each prerequisite with its steps, each rule with each condition and what it found, the bucket and the range that it fell in. ${clock} Without \`flag\`: every flag, sorted by key, in pages of 100 at most where their steps are asked for. The present needs no database.`,
    params: inEnvironment,
    query: listQuery(1_000).extend({
      steps: truth.meta({ description: 'Without `flag`: answer the steps, too' }).optional(),
    }),
    headers: noHeaders,
    body: {
      json: ExplainBody,
      size: 'context',
      example: { flag: 'checkout', context: example, at: '2027-01-31T14:03:00Z' },
    },
    answers: {
      200: {
        description: 'The decision and how it came about; without `flag` a page of them',
        body: z.union([FlagExplained, FlagsExplained]),
      },
    },
    problems,
  }),
  'flags.compare': endpoint({
    id: 'flags.compare',
    group: 'History',
    method: 'POST',
    path: '/api/v1/projects/:project/compare',
    access: {
      by: 'management',
      on: 'project',
      to: 'read',
      named: { 'from.environment': 'read', 'to.environment': 'read' },
    },
    summary: 'Compare what a context gets',
    description: `Two environments, or two times of one: which flags give the context another variant, value or error, and why. ${clock}`,
    params: inProject,
    query: listQuery(1_000),
    headers: noHeaders,
    body: {
      json: CompareBody,
      size: 'management',
      example: { context: example, from: { environment: 'staging' }, to: { environment: 'production' } },
    },
    answers: { 200: { description: 'How many flags are different, and a page of them', body: Compared } },
    problems,
  }),
} as const
