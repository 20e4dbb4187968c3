/** Configurations of flags in an environment: whole, by patch, and by the small edits. */
import { entryOf, type FlagConfig } from '@halyard/sdk/core'
import { withoutReadOnly } from '../../contract/resources.ts'
import type { Edit, LogId } from '../../domain/change.ts'
import {
  addRule,
  deleteRule,
  deleteTargets,
  patchConfiguration,
  patchRule,
  putConfiguration,
  putFallthrough,
  putTargets,
  setEnabled,
} from '../../domain/configurations.ts'
import { asJson, identityOf, killInForce } from '../../domain/documents.ts'
import { etagOf } from '../../domain/expectations.ts'
import { tellArchived } from '../archived.ts'
import type { Call, Handlers, Manager, World } from '../call.ts'
import { findEnvironment, heldLog, keysOf } from '../find.ts'
import { allows } from '../grants.ts'
import { chooseFields, pageOf, sortedKeys } from '../listing.ts'
import { unknownKey } from '../problems.ts'
import { type Stamp, showConfiguration, shownEntry } from '../shown.ts'
import { staleness } from '../staleness.ts'
import { agreeOnKey, commit, type Target, writtenDocument } from '../write.ts'
import { flagFilter } from './flags.ts'

type At = { readonly project: string; readonly env: string; readonly flag: string }
type Caller = Pick<Call, 'manager' | 'comment' | 'dryRun' | 'idempotency'> & { readonly params: At }

const configurationAt = (log: LogId, key: string): Target => ({
  log,
  kind: 'flag',
  key,
  show: showConfiguration,
})

/** Whether a key may read the whole, or kills alone. */
function readsAll({ grants }: Manager, { project, env }: Omit<At, 'flag'>): boolean {
  return allows(grants, 'read', { project, environment: env })
}

/** Commits an edit of the flag that the address names, and answers its configuration. */
async function edited(
  call: Caller,
  { live }: World,
  edit: (environment: LogId, flag: string) => Edit<FlagConfig>,
) {
  const environment = findEnvironment(live, call.manager, call.params)
  const { flag } = call.params
  const document = configurationAt(environment.id, flag)
  const committed = await commit(live, call, {
    scope: { path: [environment.id] },
    edit: edit(environment.id, flag),
    environment,
    document,
  }).catch(tellArchived(live, environment, flag))
  return writtenDocument(live, call, committed, document, committed.result)
}

const keepsRanges = ({ ranges }: { readonly ranges?: 'keep' | undefined }) => ({
  keepRanges: ranges === 'keep',
})

export const configurationHandlers: Handlers<
  | 'configurations.list'
  | 'configurations.get'
  | 'configurations.put'
  | 'configurations.patch'
  | 'configurations.enable'
  | 'configurations.disable'
  | 'configurations.fallthrough'
  | 'configurations.targets.put'
  | 'configurations.targets.delete'
  | 'configurations.rules.add'
  | 'configurations.rules.patch'
  | 'configurations.rules.delete'
> = {
  'configurations.list': async ({ params, query, manager }, { live, clock }) => {
    const { id, project } = findEnvironment(live, manager, params)
    const held = heldLog(live, id)
    const identities = heldLog(live, project.id)
    const passes = flagFilter(query)
    const fields = readsAll(manager, params) ? query.fields : 'key,kill'
    const choose = chooseFields(fields)
    const staleOf = await staleness({ live, clock }, [{ id }], identities, { ...query, fields })
    const entries = held.state.entries.get('flag')
    const body = pageOf(sortedKeys(entries), query, (key) => {
      const entry = entries?.get(key)
      const identity = identityOf(identities.state, key)
      if (entry === undefined || (identity !== undefined && !passes(identity))) return undefined
      const stale = staleOf(identity)
      return stale && choose({ ...shownEntry(showConfiguration, held, key, entry), ...stale })
    })
    return { status: 200, body }
  },

  'configurations.get': ({ params, manager }, { live }) => {
    const held = heldLog(live, findEnvironment(live, manager, params).id)
    const entry = entryOf(held.state, 'flag', params.flag)
    if (entry === undefined) throw unknownKey('flag-not-found', 'flag', params.flag, keysOf(held, 'flag'))
    if (!readsAll(manager, params)) {
      return { status: 200, body: { key: params.flag, kill: killInForce(held.state, params.flag) ?? null } }
    }
    const body = shownEntry(showConfiguration, held, params.flag, entry)
    return { status: 200, body, etag: etagOf(body as Stamp) }
  },

  'configurations.put': async (call, world) => {
    agreeOnKey(call.body, call.params.flag)
    const input = withoutReadOnly(call.body)
    return {
      status: 200,
      ...(await edited(call, world, (id, flag) =>
        putConfiguration(id, flag, input, call, keepsRanges(call.query)),
      )),
    }
  },

  'configurations.patch': async (call, world) => {
    agreeOnKey(call.body, call.params.flag)
    const patch = asJson(withoutReadOnly(call.body))
    return {
      status: 200,
      ...(await edited(call, world, (id, flag) =>
        patchConfiguration(id, flag, patch, call, keepsRanges(call.query)),
      )),
    }
  },

  'configurations.enable': async (call, world) => ({
    status: 200,
    ...(await edited(call, world, (id, flag) => setEnabled(id, flag, true, call))),
  }),

  'configurations.disable': async (call, world) => ({
    status: 200,
    ...(await edited(call, world, (id, flag) => setEnabled(id, flag, false, call))),
  }),

  'configurations.fallthrough': async (call, world) => ({
    status: 200,
    ...(await edited(call, world, (id, flag) =>
      putFallthrough(id, flag, call.body, call, keepsRanges(call.query)),
    )),
  }),

  'configurations.targets.put': async (call, world) => ({
    status: 200,
    ...(await edited(call, world, (id, flag) => putTargets(id, flag, call.params.variant, call.body, call))),
  }),

  'configurations.targets.delete': async (call, world) => ({
    status: 200,
    ...(await edited(call, world, (id, flag) => deleteTargets(id, flag, call.params.variant, call))),
  }),

  'configurations.rules.add': async (call, world) => {
    const { before, after, ...rule } = call.body
    return {
      status: 201,
      ...(await edited(call, world, (id, flag) => addRule(id, flag, rule, { before, after }, call))),
    }
  },

  'configurations.rules.patch': async (call, world) => ({
    status: 200,
    ...(await edited(call, world, (id, flag) =>
      patchRule(id, flag, call.params.rule, asJson(call.body), call),
    )),
  }),

  'configurations.rules.delete': async (call, world) => ({
    status: 200,
    ...(await edited(call, world, (id, flag) => deleteRule(id, flag, call.params.rule, call))),
  }),
}
