/** What each problem means and what to do about it, for people: the catalogue's other half. */
import { z } from 'zod'
import { PROBLEMS, type ProblemType } from '../domain/problem.ts'
import { Json } from './documents.ts'
import { EditedWhileKilled } from './kills.ts'

/** What `type` is on the wire. */
export function problemUri(type: ProblemType): string {
  return `https://halyard.dev/problems/${type}`
}

export const PROBLEM_TYPES = Object.keys(PROBLEMS) as ProblemType[]

/** The body of every error: RFC 9457 problem details, with this service's extensions. */
export const ProblemBody = z.strictObject({
  type: z.string().meta({ format: 'uri' }),
  title: z.string(),
  status: z.int(),
  detail: z.string().exactOptional(),
  instance: z.string().meta({ description: 'The request, as the log names it' }).exactOptional(),
  errors: z
    .array(z.strictObject({ pointer: z.string(), message: z.string() }))
    .meta({ description: 'Every fault found; `pointer` is a JSON Pointer into the body' })
    .exactOptional(),
  didYouMean: z.string().meta({ description: 'The nearest known key' }).exactOptional(),
  current: Json.meta({ description: 'stale: the document as it is now' }).exactOptional(),
  matching: z
    .strictObject({ count: z.int(), flags: z.array(z.string()) })
    .meta({ description: 'kill-count-differs: how many flags match, and the first hundred of them' })
    .exactOptional(),
  editedWhileKilled: z
    .array(EditedWhileKilled)
    .meta({ description: 'edited-while-killed: what was edited since the kill' })
    .exactOptional(),
  errorDetails: z.string().meta({ description: 'OFREP: the same as detail' }).exactOptional(),
})

export const PROBLEM_DOCS: Readonly<Record<ProblemType, string>> = {
  'malformed-json':
    'The body could not be read as JSON (RFC 8259), or holds what no request may: a key named `__proto__`, a number beyond the range of a double, a NUL character, half a surrogate pair, or nesting that is too deep. Correct the place that `errors` points to.',
  'invalid-request':
    'The body, a query parameter or a header has a wrong type, is missing, or is not known here. `errors` lists every such place; unknown names are refused rather than ignored, so that a typing error shows.',
  unauthenticated:
    'No key was sent, or none that is valid now. Send it as `Authorization: Bearer …` or `X-API-Key`. A key that was revoked or has expired gives the same answer.',
  forbidden:
    'The key is valid, and its kind, role or grants do not allow this. Ask for a key whose grants cover the project and environment.',
  'cross-site':
    'A browser sent this for a page of another site, or as no form of this one does. Open the link itself, and confirm there.',
  'secret-key-in-browser':
    'A server or management key came in a request that a browser made. Everyone who opens the page can read it: revoke it, and use a client key there.',
  'route-not-found': 'The address is not part of this interface. See /docs.',
  'project-not-found': 'No project has this key. `didYouMean` names the nearest one.',
  'environment-not-found': 'The project has no environment of this key. `didYouMean` names the nearest one.',
  'flag-not-found':
    'The project, or this environment, has no flag of this key. `didYouMean` names the nearest one.',
  'variant-not-found': 'The flag has no variant of this name.',
  'rule-not-found': 'The flag has no rule of this id in this environment.',
  'segment-not-found': 'The environment has no segment of this key. `didYouMean` names the nearest one.',
  'key-not-found': 'There is no key of this id here.',
  'revision-not-found':
    'The log has no such revision: it is beyond the newest, or the time is before the first. `detail` names what there is.',
  'link-not-found':
    'No link of this address was made here, or its environment is gone. It may have been cut when it was copied: take it from where it stands, whole.',
  'link-ended':
    'The link has expired, or the key that made it has ended or may no longer kill there: `detail` says which. Make a new link.',
  'method-not-allowed': 'The address exists, with other methods: `Allow` lists them.',
  'already-exists': 'The key is taken, or reserved by a flag that was deleted. Choose another.',
  'flag-archived': 'An archived flag has no configurations to change. Unarchive it first.',
  'flag-not-archived':
    'Only an archived flag can be deleted: archive it first, and see that nobody misses it.',
  'flag-required': 'Other flags name this one as a prerequisite. Change them first; `detail` names them.',
  'segment-referenced': 'A flag or a segment names this segment. See its references; change them first.',
  'kill-not-found': 'The environment has no kill of this id, or nothing was kept of how far it came.',
  'kill-count-differs':
    'A group is killed only where as many flags match as were expected. Nothing was killed: look at `matching`, and expect that count if these flags are meant.',
  'kill-changed':
    'An un-kill ends the kill that it names, or the one that was served when it arrived, and the flag is killed by another one now. Nothing was ended: `detail` says by whom; name that kill if it is meant.',
  'edited-while-killed':
    'What the flag would serve without its kill was edited since, so that nobody has seen it served yet. `editedWhileKilled` names each edit: look at them, and send `acceptEdits=true` if they are meant. The flag stays killed.',
  'not-killed': 'There is no kill to take back.',
  'idempotency-key-reused':
    'This Idempotency-Key came with another request before, and one key is for one request: send a new key. Or the request is the same, and its first answer can no longer be rebuilt: `detail` says at which revision it was carried out.',
  'plan-stale':
    'One of the two environments has changed since the plan was made, so it might do something else now. Make a new plan, and look at it.',
  'last-admin-key':
    'No other key in force may administer the service, and none is configured: whoever ended this one would lock everyone out. Make another admin key first, or set `HALYARD_ADMIN_KEY`. A key that was rotated does not count: its replacement does.',
  'key-configured':
    'The configured admin key is no document: it is in force for as long as `HALYARD_ADMIN_KEY` is set. Unset or change that, and restart.',
  'key-rotated':
    'A key is rotated once: `detail` names the key that was made for it. Rotate that one; where it was revoked, make a new key.',
  'key-expired':
    'An expired key opens nothing, and its rotation would open again what had ended. Make a new key.',
  'revision-conflict':
    'A change of a commit carried `ifRevision`, and the document is at another revision. Nothing was changed: read it again.',
  'history-compacted':
    'The history was compacted to fewer states, and this one is not among those that were kept. `detail` names the nearest that are.',
  stale:
    'The document was changed since it was read. `current` is the document as it is now, and the ETag header its tag: merge, and send the request again.',
  'too-large': 'The body, the context or the ruleset that would result is larger than its limit.',
  'unsupported-media-type': 'The Content-Type is none that this endpoint reads. Most read application/json.',
  'invalid-document':
    'The shape is right, and the document breaks a rule of the model: a dangling reference, a cycle, shares over 100 %, a value of another type, a limit. `errors` points to every place.',
  'precondition-required':
    'Changing a document that exists needs `If-Match` with the ETag of the version that was read, so that nobody’s change is overwritten unseen. `*` says: whatever it is.',
  'too-many-requests':
    'The key has used up its requests a second or its streams, or too many unknown keys came from this address. Wait `Retry-After` seconds. Kills have a limit of their own, 100 a second of each key, which nothing else uses up.',
  internal: 'A fault of the service. It is logged under the id in `instance`.',
  unavailable:
    'The service can’t answer this now: the database does not answer, nothing is loaded yet, or more comes than this instance takes. Nothing was changed; try again after `Retry-After` seconds. Evaluations go on meanwhile.',
}
