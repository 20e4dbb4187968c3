/**
 * What a command of `halyard` is: its arguments as data, and a function from them and the process's edge to an exit
 * code. A command never touches `process`, so that a test can run it as people do.
 */

export const EXIT = {
  done: 0,
  /** What was asked for could not be done. */
  failed: 1,
  /** There is a difference: a plan with changes, keys that are not there, types that are out of date. */
  different: 2,
  /** Killed, and not everyone who was waited for has said that they applied it. */
  partly: 3,
  /** Killed, and kept in a journal for as long as the database is away. */
  accepted: 4,
  /** The command line is not understood (EX_USAGE of sysexits.h). */
  usage: 64,
  /** Standard output cannot be written (EX_IOERR): what was done is told on standard error. */
  unwritten: 74,
  /** The server is away for now, or cannot be reached (EX_TEMPFAIL). */
  unavailable: 75,
} as const

/** What a command may know and do of the process that it runs in. */
export type Edge = {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Absolute: what paths are relative to. */
  readonly folder: string
  /** Absolute: the person's own. */
  readonly home: string
  /**
   * Of what was asked for.
   * @param done what was done, in a few words, for who cannot read the text since it cannot be written
   */
  say(text: string, done?: string): void
  /** For a person who watches: never mixed with what was asked for. */
  tell(text: string): void
  readonly input: NodeJS.ReadableStream
  /** Whether a person reads the output. */
  readonly terminal: boolean
  /** Asks the person; undefined where there is none. What is typed shows only where it is not `hidden`. */
  readonly ask: ((question: string, hidden?: 'hidden') => Promise<string>) | undefined
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Uniform over [0, 1). */
  readonly random: () => number
  readonly pause: (ms: number) => Promise<void>
  /**
   * Aborted when the person, or whoever runs this, wants it to end: for commands that have something to put right
   * first. Until a command asks for it, the process just ends. Asked to end twice, it does.
   */
  readonly interrupted: () => AbortSignal
}

export type Option = {
  /** A flag is there or not; a text follows its name, and is called so in the help. */
  readonly value?: string
  readonly short?: string
  /** The values that there are, for completion and a check. */
  readonly of?: readonly string[]
  readonly help: string
}

/** What stands on the command line after the command's name, checked against what the command takes. */
export type Given = {
  readonly texts: Readonly<Record<string, string>>
  readonly flags: ReadonlySet<string>
  readonly operands: readonly string[]
}

export type Command = {
  readonly summary: string
  /** `flag` is needed, `[path]` is not, and after `…` there may be more. */
  readonly operands?: readonly string[]
  readonly options?: Readonly<Record<string, Option>>
  /** Works without a server. */
  readonly local?: true
  /** How it can end besides what all commands have in common. */
  readonly exits?: readonly (keyof typeof EXIT)[]
  /** Lines below the options in the command's help. */
  readonly notes?: string
  /** @returns the exit code */
  run(edge: Edge, given: Given): Promise<number>
}

/** Ends a command with a sentence that says what to do, and an exit code. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly exitCode: number
  /** As the server said it, for `--json`. */
  readonly problem: unknown
  constructor(text: string, exitCode: number = EXIT.failed, problem?: unknown) {
    super(text)
    this.exitCode = exitCode
    this.problem = problem
  }
}

/** An error as a person reads it: its message, and those of what caused it. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  return error.cause instanceof Error ? `${error.message} (${reasonOf(error.cause)})` : error.message
}

/** @throws Refusal where the option was not given */
export function needed({ texts }: Given, option: string, why: string): string {
  const text = texts[option]
  if (text === undefined || text === '') throw new Refusal(`--${option} is missing: ${why}`, EXIT.usage)
  return text
}

/** Goes on only where the person says yes, said so before (`--yes`), or is not there to be asked. */
export async function confirmed(edge: Edge, { flags }: Given, question: string): Promise<boolean> {
  if (flags.has('yes') || edge.ask === undefined) return true
  return /^y(es)?$/i.test((await edge.ask(`${question} [y/N] `)).trim())
}
