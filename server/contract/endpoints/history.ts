/** What was changed, by whom and why; and how things were, at any revision or time. */
import { z } from 'zod'
import type { ProblemType } from '../../domain/problem.ts'
import { type Access, endpoint } from '../endpoint.ts'
import { ChangeDocument, ChangePage, StateDocument } from '../histories.ts'
import {
  environmentParam,
  fields,
  inEnvironment,
  inProject,
  listQuery,
  managed,
  NONE,
  noHeaders,
  pastParam,
  projectParam,
  truth,
} from '../parts.ts'

const time = z.string().meta({ format: 'date-time' })
const list = listQuery(200).extend({
  ...fields,
  kind: z.string().meta({ description: 'Of a changed document' }).optional(),
  key: z.string().meta({ description: 'Of a changed document' }).optional(),
  actor: z.string().meta({ description: 'An id; where no actor has it, a name' }).optional(),
  action: z
    .string()
    .meta({ description: 'An action, or all that begin with it and a dot: `flag` finds `flag.kill`' })
    .optional(),
  since: time.optional(),
  until: time.optional(),
})
const flag = z.string().optional()
const inAll =
  'Newest first, with what each did in words and line by line. Every condition that is given must hold; those of documents, of one and the same. `cursor` of one page is the `cursor` of the next request; where rare things are looked for a page may be short, even empty, and not the last. Documents that are many or large are left off and counted: the record by itself has them. `head` is the log’s newest record, for the verification of its chain.'
const inOne =
  'With every document before and after. What is larger than 16 MiB together is left off; of members, those who came and went are told, the first 1,000 by name.'

const shared = { group: 'History', method: 'GET', headers: noHeaders, body: undefined } as const
const pages = { 200: { description: 'A page of changes', body: ChangePage } } as const
const one = { 200: { description: 'The change', body: ChangeDocument } } as const
const revision = { revision: z.string().meta({ pattern: '^\\d+$' }) }
const missing: readonly ProblemType[] = ['revision-not-found']

const environment: Access = { by: 'management', on: 'environment', to: 'read' }

export const historyEndpoints = {
  'changes.list': endpoint({
    ...shared,
    id: 'changes.list',
    path: '/api/v1/projects/:project/environments/:env/changes',
    access: environment,
    summary: 'List an environment’s changes',
    description: `Of configurations, kills, segments and members. ${inAll}`,
    params: inEnvironment,
    query: list.extend({
      flag: flag.meta({ description: 'Its configuration and its kills' }),
      segment: z.string().meta({ description: 'Its definition and its members' }).optional(),
    }),
    answers: pages,
    problems: [...managed, ...environmentParam],
  }),
  'changes.get': endpoint({
    ...shared,
    id: 'changes.get',
    path: '/api/v1/projects/:project/environments/:env/changes/:revision',
    access: environment,
    summary: 'Read one change of an environment',
    description: inOne,
    params: inEnvironment.extend(revision),
    query: NONE,
    answers: one,
    problems: [...managed, ...environmentParam, ...missing],
  }),
  'changes.of-project.list': endpoint({
    ...shared,
    id: 'changes.of-project.list',
    path: '/api/v1/projects/:project/changes',
    access: { by: 'management', on: 'project', to: 'read' },
    summary: 'List a project’s changes',
    description: `Of flags as the project knows them, environments and SDK keys; of environments and their keys, those that the key may read. ${inAll}`,
    params: inProject,
    query: list.extend({ flag: flag.meta({ description: 'Its identity' }) }),
    answers: pages,
    problems: [...managed, ...projectParam],
  }),
  'changes.of-project.get': endpoint({
    ...shared,
    id: 'changes.of-project.get',
    path: '/api/v1/projects/:project/changes/:revision',
    access: { by: 'management', on: 'project', to: 'read' },
    summary: 'Read one change of a project',
    description: inOne,
    params: inProject.extend(revision),
    query: NONE,
    answers: one,
    problems: [...managed, ...projectParam, ...missing],
  }),
  'changes.of-service.list': endpoint({
    ...shared,
    id: 'changes.of-service.list',
    path: '/api/v1/changes',
    access: { by: 'management', on: 'service', to: 'read' },
    summary: 'List the service’s changes',
    description: `Of the projects that the key may read, and to administrators of the service of management keys. ${inAll}`,
    params: NONE,
    query: list,
    answers: pages,
    problems: managed,
  }),
  'changes.of-service.get': endpoint({
    ...shared,
    id: 'changes.of-service.get',
    path: '/api/v1/changes/:revision',
    access: { by: 'management', on: 'service', to: 'read' },
    summary: 'Read one change of the service',
    description: inOne,
    params: z.strictObject(revision),
    query: NONE,
    answers: one,
    problems: [...managed, ...missing],
  }),
  'revisions.get': endpoint({
    ...shared,
    id: 'revisions.get',
    path: '/api/v1/projects/:project/environments/:env/revisions/:revision',
    access: environment,
    summary: 'Read an environment as it was',
    description:
      'At a revision, at a time (RFC 3339), or `latest`, which needs no database. With `flag` or `segment` (keys, separated by commas) those alone.',
    params: inEnvironment.extend({
      revision: z.string().meta({ description: 'A revision, a time, or latest', examples: ['801'] }),
    }),
    query: z.strictObject({
      flag: z.string().meta({ description: 'Keys, separated by commas' }).optional(),
      segment: z.string().meta({ description: 'Keys, separated by commas' }).optional(),
      members: truth.meta({ description: 'Answer the members, not only how many there are' }).optional(),
    }),
    answers: { 200: { description: 'All that there was', body: StateDocument } },
    problems: [...managed, ...environmentParam, ...pastParam],
  }),
} as const
