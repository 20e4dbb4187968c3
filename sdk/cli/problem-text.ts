/** A refusal of the server (RFC 9457 problem details) as people read it: what, where in the body, and what was meant. */
import { oneLine } from './output.ts'

export type ProblemDetails = {
  readonly type?: string
  readonly title?: string
  readonly status: number
  readonly detail?: string
  readonly instance?: string
  readonly errors?: readonly { readonly pointer: string; readonly message: string }[]
  readonly didYouMean?: string
}

/** @param body as it came, of any shape: a proxy may have answered */
export function problemOf(status: number, body: unknown): ProblemDetails {
  if (typeof body !== 'object' || body === null) return { status }
  const { type, title, detail, instance, errors, didYouMean } = body as Record<string, unknown>
  return {
    status,
    ...(typeof type === 'string' && { type }),
    ...(typeof title === 'string' && { title }),
    ...(typeof detail === 'string' && { detail }),
    ...(typeof instance === 'string' && { instance }),
    ...(Array.isArray(errors) && { errors: errors.filter(isFault) }),
    ...(typeof didYouMean === 'string' && { didYouMean }),
  }
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

/** @param placeOf names the place of a pointer, where the body came from a file */
export function problemText(problem: ProblemDetails, placeOf = (pointer: string) => pointer): string {
  const { title, detail, status, errors = [], didYouMean, instance } = problem
  const said = detail ?? title ?? `The server answered ${status}, and nothing that explains it.`
  const lines = errors
    .filter(({ message }) => errors.length > 1 || message !== said)
    .map(({ pointer, message }) => `  ${pointer === '' ? '' : `${placeOf(pointer)}: `}${message}`)
  const place =
    lines.length === 0 && errors[0] !== undefined && errors[0].pointer !== '' ? errors[0].pointer : undefined
  return [
    place === undefined ? said : `${placeOf(place)}: ${said}`,
    ...lines,
    ...(didYouMean === undefined ? [] : [`Did you mean ${didYouMean}?`]),
    ...(status >= 500 && instance !== undefined ? [`The server's log names it ${instance}.`] : []),
  ]
    .map(keepLine)
    .join('\n')
}

const keepLine = (line: string): string => line.slice(0, line.search(/\S|$/)) + oneLine(line.trim())
