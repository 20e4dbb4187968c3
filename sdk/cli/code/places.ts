/** Refusals of what a file says, with their places in it. */
import { Refused } from '../api.ts'
import { Refusal } from '../command.ts'
import { problemText } from '../problem-text.ts'
import type { CodeFile, Path } from './file.ts'

export const unescaped = (part: string): string => part.replaceAll('~1', '/').replaceAll('~0', '~')
export const indexed = (part: string): string | number => (/^\d+$/.test(part) ? Number(part) : part)

/** A refusal that points into the file, where it pointed into what was sent. */
export function atTheirPlaces(error: unknown, file: CodeFile, pathOf: (pointer: string) => Path): unknown {
  if (!(error instanceof Refused)) return error
  const text = problemText(error.problem, (pointer) => file.placeOf(pathOf(pointer)))
  return error.problem.errors === undefined ? error : new Refused(error.problem, text)
}

/** @throws Refusal for an archived flag, which has no configurations */
export function refuseArchived(file: CodeFile, archived: ReadonlySet<string>): void {
  const named = [...(file.flags?.keys() ?? [])].map((key): [string, Path] => [key, ['flags', key]])
  const configured = [...file.environments].flatMap(([environment, { flags }]) =>
    [...flags.keys()].map((key): [string, Path] => [key, ['environments', environment, 'flags', key]]),
  )
  const wrong = [...named, ...configured].filter(([key]) => archived.has(key))
  if (wrong.length === 0) return
  const places = wrong.map(([key, path]) => `${file.placeOf(path)}: ${key} is archived.`)
  throw new Refusal([...places, 'Take it out of the file, or run halyard flags unarchive.'].join('\n'))
}
