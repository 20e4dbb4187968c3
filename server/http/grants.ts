/** What a management key may do: roles and the projects and environments that they are granted for. */
import type { Power } from '../contract/endpoint.ts'
import type { GrantDocument, Role } from '../domain/documents.ts'

const POWERS: Readonly<Record<Role, ReadonlySet<Power>>> = {
  admin: new Set(['read', 'read-kills', 'kill', 'unkill', 'edit', 'administer']),
  editor: new Set(['read', 'read-kills', 'kill', 'unkill', 'edit']),
  viewer: new Set(['read', 'read-kills']),
  // Of un-killing, what it killed itself alone: its handler sees to that.
  killer: new Set(['read-kills', 'kill', 'unkill']),
}

/** Where something is done: the whole service, a project, or an environment of it. Keys as they stand in the address. */
export type Place = { readonly project?: string | undefined; readonly environment?: string | undefined }

/** Does any grant give this power over the whole of the place? */
export function allows(grants: readonly GrantDocument[], power: Power, place: Place): boolean {
  return grants.some((grant) => has(grant, power) && covers(grant, place))
}

/** Does any grant give this power over the place or a part of it? */
export function allowsPart(grants: readonly GrantDocument[], power: Power, place: Place): boolean {
  return grants.some((grant) => has(grant, power) && touches(grant, place))
}

// A role that this version does not know gives nothing.
function has(grant: GrantDocument, power: Power): boolean {
  return Object.hasOwn(POWERS, grant.role) && POWERS[grant.role].has(power)
}

function covers({ projects, environments }: GrantDocument, { project, environment }: Place): boolean {
  if (projects !== undefined && (project === undefined || !projects.includes(project))) return false
  if (environments === undefined) return true
  return environment !== undefined && environments.includes(`${project}/${environment}`)
}

function touches(grant: GrantDocument, place: Place): boolean {
  const { projects, environments } = grant
  if (place.environment !== undefined) return covers(grant, place)
  if (projects !== undefined && place.project !== undefined && !projects.includes(place.project)) return false
  if (environments === undefined || place.project === undefined) return true
  return environments.some((environment) => environment.startsWith(`${place.project}/`))
}
