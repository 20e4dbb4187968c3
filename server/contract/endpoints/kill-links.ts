/**
 * Links that kill: made by whoever may kill, and opened by whoever holds one. A link is no key: it can do this one
 * thing, until it expires or the key that made it ends.
 */
import { z } from 'zod'
import { Instant, Key } from '../documents.ts'
import { endpoint } from '../endpoint.ts'
import { Killed, KilledGroup } from '../kills.ts'
import {
  bodied,
  commentHeaders,
  dryRun,
  environmentParam,
  flagParam,
  inEnvironment,
  managed,
  noHeaders,
} from '../parts.ts'

/** UTF-16 code units: a link is copied, printed and read aloud. */
const LONGEST_COMMENT = 200

const expect = z
  .int()
  .min(1)
  .meta({ description: 'How many flags that is. Needed unless `dryRun`, which answers it' })
  .optional()
const more = {
  comment: z
    .string()
    .max(LONGEST_COMMENT)
    .meta({ description: 'Why, for the page and for the kill; it stands in the link' })
    .optional(),
  expiresAt: Instant.meta({
    description: 'When it ends: in 30 days where absent, in 400 days at the latest',
  }).optional(),
}
const tag = z.string().max(128).meta({ description: 'All flags that have it' })
const all = z.literal(true).meta({ description: 'All flags of the environment' })
export const KillLinkBody = z.union([
  z.strictObject({ flag: Key, ...more }),
  z.strictObject({ tag, expect, ...more }),
  z.strictObject({ all, expect, ...more }),
])

const KillLink = z.strictObject({
  id: z.string().meta({ description: 'Stands beside the key’s name in the kills that it makes' }),
  url: z
    .string()
    .meta({
      description:
        'Where a browser sees the page and a tool posts its alert; under the address by which this request came. Absent in a dry run',
    })
    .exactOptional(),
  flag: Key.exactOptional(),
  tag: tag.exactOptional(),
  all: all.exactOptional(),
  expect: z.int().meta({ description: 'How many flags it kills' }).exactOptional(),
  comment: z.string().exactOptional(),
  expiresAt: Instant.meta({ description: 'As asked for, or when the key ends that made it' }),
  dryRun: z.literal(true).exactOptional(),
})

const Ignored = z.strictObject({
  ignored: z.string().meta({ description: 'Why nothing was done' }),
})

/** What opens a link, and what may be wrong with it. */
const opened = {
  group: 'Kill switches',
  path: '/k/:token',
  access: { by: 'kill-link' },
  params: z.strictObject({ token: z.string() }),
  query: z.object({}),
  headers: noHeaders,
} as const
const linkProblems = [
  'link-not-found',
  'link-ended',
  'too-many-requests',
  ...flagParam,
  'flag-archived',
  'internal',
  'unavailable',
] as const

export const killLinkEndpoints = {
  'kill-links.create': endpoint({
    id: 'kill-links.create',
    group: 'Kill switches',
    method: 'POST',
    path: '/api/v1/projects/:project/environments/:env/kill-links',
    access: { by: 'management', on: 'environment', to: 'kill' },
    summary: 'Make a link that kills a flag, or a group',
    description:
      'For a runbook (a page with two taps) or an alerting tool’s webhook. Nothing is written: the link is signed, every instance knows it, and it works while the database is away. It ends with the key that makes it: to take links back, revoke that key.',
    params: inEnvironment,
    query: z.strictObject(dryRun),
    headers: commentHeaders,
    body: {
      json: KillLinkBody,
      size: 'management',
      example: { flag: 'checkout', comment: 'Runbook: payments fail' },
    },
    answers: { 201: { description: 'The link: keep it as you would keep a key', body: KillLink } },
    problems: [
      ...managed,
      ...bodied,
      ...environmentParam,
      ...flagParam,
      'flag-archived',
      'kill-count-differs',
    ],
  }),
  'kill-links.page': endpoint({
    ...opened,
    id: 'kill-links.page',
    method: 'GET',
    summary: 'What a link would kill, as a page',
    description:
      'Says what it would do, or how far the kill has come, and has a button, which asks once more (`?step=ask`); the button there posts. It never kills, whatever its query: chat tools open links ahead of people. Problems are pages too where `Accept` names `text/html`.',
    body: undefined,
    answers: { 200: { description: 'The page', mediaType: 'text/html', body: z.string() } },
    problems: linkProblems,
  }),
  'kill-links.kill': endpoint({
    ...opened,
    id: 'kill-links.kill',
    method: 'POST',
    summary: 'Kill by a link',
    description:
      'For alerting tools: kills at once, whatever the body is, unless that says that an alert ended (`status: "resolved"` and its like; docs/kill-links.md lists them). Of a group it kills as many flags as were expected when the link was made, or none. The page’s own form sends `step=kill`, for a group with the number of flags that the page showed, and is led back to the page.',
    body: {
      json: z.unknown().meta({ description: 'An alert, as the tool sends it' }),
      texts: ['application/x-www-form-urlencoded'],
      optional: true,
      size: 'alert',
      example: { status: 'firing', commonLabels: { alertname: 'PaymentsFail' } },
    },
    answers: {
      200: {
        description: 'It is killed, and all instances have applied it; or nothing was done, and why',
        body: z.union([Killed, KilledGroup, Ignored]),
      },
      202: {
        description: 'It is killed, and not every instance has said in time that it applied it',
        body: z.union([Killed, KilledGroup]),
      },
      303: {
        description: 'To the form: it is killed, and the page says how far that has come',
        headers: { Location: 'The page' },
      },
    },
    problems: [
      ...linkProblems,
      'kill-count-differs',
      'cross-site',
      'invalid-request',
      'too-large',
      'unsupported-media-type',
    ],
  }),
} as const
