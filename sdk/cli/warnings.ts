/** What a write says that a person would want to know: beside the answer, so that a pipe stays clean. */
import type { Edge } from './command.ts'
import { oneLine, paintFor } from './output.ts'
import type { Outcome } from './shapes.ts'

export function tellWarnings(edge: Edge, { warnings }: Pick<Outcome, 'warnings'>): void {
  const { yellow } = paintFor(edge)
  for (const { message } of warnings) edge.tell(`${yellow('warning:')} ${oneLine(message)}`)
}
