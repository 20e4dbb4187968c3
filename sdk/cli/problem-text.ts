/** A refusal of the server (RFC 9457 problem details) as people read it: what, where in the body, and what was meant. */
import { oneLine } from './output.ts'

/** What was edited since a flag's kill. */
export type EditedWhileKilled = {
  readonly kind: string
  readonly key: string
  readonly revision: number
  readonly at?: string
  readonly by?: string
}

export type ProblemDetails = {
  readonly type?: string
  readonly title?: string
  readonly status: number
  readonly detail?: string
  readonly instance?: string
  readonly errors?: readonly { readonly pointer: string; readonly message: string }[]
  readonly didYouMean?: string
  /** The flags of a group, where others were expected. */
  readonly matching?: { readonly count: number; readonly flags: readonly string[] }
  readonly editedWhileKilled?: readonly EditedWhileKilled[]
}

/** @param body as it came, of any shape: a proxy may have answered */
export function problemOf(status: number, body: unknown): ProblemDetails {
  if (typeof body !== 'object' || body === null) return { status }
  const { type, title, detail, instance, errors, didYouMean, matching, editedWhileKilled } = body as Record<
    string,
    unknown
  >
  return {
    status,
    ...(typeof type === 'string' && { type }),
    ...(typeof title === 'string' && { title }),
    ...(typeof detail === 'string' && { detail }),
    ...(typeof instance === 'string' && { instance }),
    ...(Array.isArray(errors) && { errors: errors.filter(isFault) }),
    ...(typeof didYouMean === 'string' && { didYouMean }),
    ...(isMatching(matching) && { matching }),
    ...(Array.isArray(editedWhileKilled) && { editedWhileKilled: editedWhileKilled.filter(isEdit) }),
  }
}

function isMatching(value: unknown): value is NonNullable<ProblemDetails['matching']> {
  if (typeof value !== 'object' || value === null) return false
  const { count, flags } = value as Record<string, unknown>
  return typeof count === 'number' && Array.isArray(flags) && flags.every((flag) => typeof flag === 'string')
}

function isEdit(value: unknown): value is EditedWhileKilled {
  if (typeof value !== 'object' || value === null) return false
  const { kind, key, revision } = value as Record<string, unknown>
  return typeof kind === 'string' && typeof key === 'string' && typeof revision === 'number'
}

function isFault(value: unknown): value is { pointer: string; message: string } {
  if (typeof value !== 'object' || value === null) return false
  const { pointer, message } = value as Record<string, unknown>
  return typeof pointer === 'string' && typeof message === 'string'
}

/** The last part of the problem's type: `flag-not-found`. */
export function kindOf({ type }: ProblemDetails): string | undefined {
  return type?.split('/').at(-1)
}

/** Query parameters that options of the same name become. */
const AS_OPTIONS =
  /^The query parameter (since|until|limit|timeout|wait|query|tag|owner|archived|kill|mode)\b/

/** @param placeOf names the place of a pointer, where the body came from a file */
export function problemText(problem: ProblemDetails, placeOf = (pointer: string) => pointer): string {
  const { title, detail, status, errors = [], didYouMean, instance } = problem
  const said = detail ?? title ?? `The server answered ${status}, and nothing that explains it.`
  // Where there are places, each has its own sentence, and the whole repeats the first.
  const lines =
    errors.length === 0
      ? [said]
      : errors.map(({ pointer, message }) => (pointer === '' ? message : `${placeOf(pointer)}: ${message}`))
  const meant = didYouMean === undefined || lines.some((line) => line.includes('Did you mean'))
  return [
    ...lines,
    ...(meant ? [] : [`Did you mean ${didYouMean}?`]),
    ...(status >= 500 && instance !== undefined ? [`The server's log names it ${instance}.`] : []),
  ]
    .map((line) => oneLine(line.replace(AS_OPTIONS, '--$1')))
    .join('\n')
}
