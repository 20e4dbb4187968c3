/** Back to how it was, and on to the next environment. */
import { z } from 'zod'
import { endpoint } from '../endpoint.ts'
import { Promoted, PromotionBody, RevertBody, Reverted } from '../moves.ts'
import {
  bodied,
  dryRun,
  environmentParam,
  flagParam,
  inEnvironment,
  inProject,
  managed,
  writeHeaders,
} from '../parts.ts'

const write = z.strictObject(dryRun)

export const moveEndpoints = {
  'environments.revert': endpoint({
    id: 'environments.revert',
    group: 'Reverts and promotions',
    method: 'POST',
    path: '/api/v1/projects/:project/environments/:env/revert',
    access: { by: 'management', on: 'environment', to: 'edit' },
    summary: 'Go back to how it was',
    description:
      'Flags, segments and members become what they were at a revision or a time, to the byte: every user gets the variant that they had then. It is a new revision, and what is in between stays in the history. With `flags` or `segments`, these alone. Kills are neither added nor lifted. A flag that is archived by now stays away: a warning says so, or a refusal where it was named.',
    params: inEnvironment,
    query: write,
    headers: writeHeaders,
    body: {
      json: RevertBody,
      size: 'management',
      example: { toRevision: 801, flags: ['checkout', 'search'], comment: 'Errors since last night' },
    },
    answers: { 200: { description: 'What went back', body: Reverted } },
    problems: [
      ...managed,
      ...bodied,
      ...environmentParam,
      ...flagParam,
      'flag-archived',
      'flag-required',
      'segment-not-found',
      'segment-referenced',
      'revision-not-found',
      'history-compacted',
    ],
  }),
  'promotions.create': endpoint({
    id: 'promotions.create',
    group: 'Reverts and promotions',
    method: 'POST',
    path: '/api/v1/projects/:project/promotions',
    access: { by: 'management', on: 'project', to: 'read', named: { from: 'read', to: 'edit' } },
    summary: 'Bring flags to another environment',
    description:
      'The parts that are asked for travel; the rest stays as it is in the target. Rules that both have keep the target’s shares, and the fallthrough is laid on the target’s ranges, so that no user moves unless they must. Kills never travel. A dry run answers a `plan`; given back with the same request, it is that very change, or 409 `plan-stale` where either environment has moved.',
    params: inProject,
    query: write,
    headers: writeHeaders,
    body: {
      json: PromotionBody,
      size: 'management',
      example: { from: 'staging', to: 'production', flags: ['checkout'], comment: 'Tested in staging' },
    },
    answers: { 200: { description: 'What was brought', body: Promoted } },
    problems: [...managed, ...bodied, ...environmentParam, ...flagParam, 'flag-archived', 'plan-stale'],
  }),
} as const
