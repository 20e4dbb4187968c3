/** Changes of the logs of environments, projects and the service; and environments as they were. */
import type { Endpoints } from '../../contract/index.ts'
import { type LogId, SYSTEM } from '../../domain/change.ts'
import type { SdkKeyDocument } from '../../domain/documents.ts'
import { Problem } from '../../domain/problem.ts'
import type { Live, Project } from '../../live/live.ts'
import type { ChangedDocument, Changes, ChangesQuery, RecordedChange, TextBounds } from '../../store/store.ts'
import type { Call, Handlers, Manager } from '../call.ts'
import { findEnvironment, findProject, heldLog } from '../find.ts'
import { allows, allowsPart } from '../grants.ts'
import { chooseFields, makeCursor, readCursor } from '../listing.ts'
import { type Extent, showChange, showRecord } from '../shown-changes.ts'
import { showState } from '../shown-state.ts'
import { readPastAt, readTime } from '../standpoint.ts'

const PAGE = 50
const KIB = 1024
const LISTED: TextBounds = { documents: 20, bytesEach: 512 * KIB, bytes: 4 * KIB * KIB }
const WHOLE: TextBounds = { documents: 20_000, bytesEach: 16 * KIB * KIB, bytes: 16 * KIB * KIB }
const IN_LIST: Extent = { lines: 100, names: 10, whole: false }
const BY_ITSELF: Extent = { lines: 1_000, names: 1_000, whole: true }
/** Pages that are read for one that is answered, where much of them is not for the caller. */
const MOST_ROUNDS = 5

/** A log whose changes are asked for. */
type Asked = {
  readonly live: Live
  readonly log: LogId
  readonly project: Project | undefined
  /** Whether the caller may see a document; undefined: all of them. */
  readonly sees: ((document: ChangedDocument) => boolean) | undefined
}

/** Of a project's log a key sees flags, and of environments and their keys those that it may read. */
function projectLog(live: Live, manager: Manager, key: string): Asked {
  const project = findProject(live, manager, key)
  const { grants } = manager
  const readable = (environment: string | undefined) =>
    environment !== undefined && allows(grants, 'read', { project: key, environment })
  const sees = (document: ChangedDocument): boolean => {
    if (document.kind === 'identity') return true
    if (document.kind === 'environment') return readable(document.key)
    return (
      document.kind === 'sdk-key' &&
      environmentsIn(document).every((id) => readable(environmentKey(live, project, id)))
    )
  }
  const seesAll = allows(grants, 'read', { project: key })
  return { live, log: project.id, project, sees: seesAll ? undefined : sees }
}

/** The environments of a key before and after; one unknown where that is not known, so that nobody may read it. */
function environmentsIn({ before, after }: ChangedDocument): readonly string[] {
  return [before, after].flatMap((version) => {
    if (version.is === 'absent') return []
    return version.is === 'kept' ? (version.definition as unknown as SdkKeyDocument).environment : ''
  })
}

const environmentKey = (live: Live, project: Project | undefined, id: string): string | undefined =>
  project && live.environments(project).find((environment) => environment.id === id)?.key

/** Of the service's log a key sees the projects that it may read; management keys are for administrators. */
function systemLog(live: Live, { grants }: Manager): Asked {
  const administers = allows(grants, 'administer', {})
  const sees = ({ kind, key }: ChangedDocument): boolean =>
    kind === 'project' ? allowsPart(grants, 'read', { project: key }) : administers
  return { live, log: SYSTEM, project: undefined, sees: administers ? undefined : sees }
}

type Query = Call<Endpoints['changes.list']>['query']

async function pageOf(asked: Asked, query: Query) {
  const { live, log, sees } = asked
  const { fields, limit = PAGE, cursor, since, until, ...conditions } = query
  const chosen = fields?.split(',').map((field) => field.trim())
  const told =
    chosen === undefined || chosen.some((field) => field === 'summary' || field.startsWith('documents'))
  const ask: ChangesQuery = {
    ...conditions,
    limit,
    ...(since !== undefined && { since: readTime(since, 'The query parameter since', '') }),
    ...(until !== undefined && { until: readTime(until, 'The query parameter until', '') }),
    // What a key may see of another can stand in its text.
    ...((told || sees !== undefined) && { texts: LISTED }),
  }
  const choose = chooseFields(fields, 'revision')
  const items: object[] = []
  let before = cursor === undefined ? undefined : revisionIn(cursor)
  let page: Changes
  let rounds = 0
  do {
    page = await live.changes(log, { ...ask, before, limit: limit - items.length })
    for (const record of page.records) {
      const shown = showVisible(asked, record, IN_LIST, told)
      if (shown !== undefined) items.push(choose(shown))
    }
    before = page.next ?? undefined
    rounds += 1
  } while (sees !== undefined && before !== undefined && items.length < limit && rounds < MOST_ROUNDS)
  return {
    items,
    cursor: before === undefined ? null : makeCursor(String(before)),
    head: { log, ...page.head },
  }
}

/** A record as the caller may see it; nothing where none of its documents is theirs to see. */
function showVisible(
  { live, log, project, sees }: Asked,
  record: RecordedChange,
  extent: Extent,
  told = true,
) {
  const documents = sees === undefined ? record.documents : record.documents.filter(sees)
  if (sees !== undefined && documents.length === 0) return undefined
  // How many others there are is not told either.
  const visible = sees === undefined ? record : { ...record, documentsLeftOff: 0 }
  if (!told) return showRecord(visible)
  const held = heldLog(live, log)
  return showChange(visible, documents, {
    held,
    environmentKey: (id) => environmentKey(live, project, id),
    extent,
  })
}

async function changeAt(asked: Asked, revision: string) {
  const { live, log } = asked
  const number = /^\d{1,15}$/.test(revision) ? Number(revision) : undefined
  if (number !== undefined) {
    const { records, head } = await live.changes(log, { before: number + 1, limit: 1, texts: WHOLE })
    const [record] = records
    const shown = record?.revision === number ? showVisible(asked, record, BY_ITSELF) : undefined
    if (shown !== undefined) return { ...shown, head: { log, ...head } }
  }
  throw new Problem(
    'revision-not-found',
    `There is no change ${JSON.stringify(revision.slice(0, 128))} here: a change is named by its revision, a number. See the list of changes for what there is.`,
  )
}

function revisionIn(cursor: string): number {
  const revision = Number(readCursor(cursor))
  if (Number.isSafeInteger(revision) && revision > 0) return revision
  throw new Problem(
    'invalid-request',
    'The query parameter cursor: give back the cursor of the page before, as it was answered.',
  )
}

export const historyHandlers: Handlers<
  | 'changes.list'
  | 'changes.get'
  | 'changes.of-project.list'
  | 'changes.of-project.get'
  | 'changes.of-service.list'
  | 'changes.of-service.get'
  | 'revisions.get'
> = {
  'changes.list': async ({ params, query, manager }, { live }) => ({
    status: 200,
    body: await pageOf(environmentLog(live, manager, params), query),
  }),
  'changes.get': async ({ params, manager }, { live }) => ({
    status: 200,
    body: await changeAt(environmentLog(live, manager, params), params.revision),
  }),
  'changes.of-project.list': async ({ params, query, manager }, { live }) => ({
    status: 200,
    body: await pageOf(projectLog(live, manager, params.project), query),
  }),
  'changes.of-project.get': async ({ params, manager }, { live }) => ({
    status: 200,
    body: await changeAt(projectLog(live, manager, params.project), params.revision),
  }),
  'changes.of-service.list': async ({ query, manager }, { live }) => ({
    status: 200,
    body: await pageOf(systemLog(live, manager), query),
  }),
  'changes.of-service.get': async ({ params, manager }, { live }) => ({
    status: 200,
    body: await changeAt(systemLog(live, manager), params.revision),
  }),

  'revisions.get': async ({ params, query, manager }, { live, clock }) => {
    const { id } = findEnvironment(live, manager, params)
    const { revision } = params
    const at =
      revision === 'latest'
        ? { revision: heldLog(live, id).head.revision }
        : readPastAt(
            /^\d{1,15}$/.test(revision) ? Number(revision) : revision,
            'What is neither a number nor latest',
            '',
            clock.now(),
          )
    return { status: 200, body: showState(await live.past(id, at), query) }
  },
}

function environmentLog(
  live: Live,
  manager: Manager,
  params: { readonly project: string; readonly env: string },
): Asked {
  const { id, project } = findEnvironment(live, manager, params)
  return { live, log: id, project, sees: undefined }
}
