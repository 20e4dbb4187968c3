/**
 * What a command of `halyard-server` is: its arguments as data, and a function from them and the process's edge to an
 * exit code. A command never touches `process`, so that a test can run it as people do.
 */
import { readFileSync } from 'node:fs'
import { type Config, ConfigError, parseConfig } from '../config.ts'

/** Exit codes: those of `sysexits.h` where it has one. */
export const EXIT = {
  done: 0,
  /** What was asked for could not be done, or something is wrong. */
  failed: 1,
  /** The command line is not understood (EX_USAGE). */
  usage: 64,
  /** A mistake of ours (EX_SOFTWARE), where it must not be taken for an answer. */
  bug: 70,
  /** Standard output cannot be written (EX_IOERR): what was asked for has not been told. */
  unwritten: 74,
  /** Something that is needed is away for now (EX_TEMPFAIL). */
  unavailable: 75,
  /** The environment is not (EX_CONFIG). */
  config: ConfigError.exitCode,
} as const

/** What a command may know and do of the process that it runs in. */
export type Edge = {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** One line, or several, of what was asked for. */
  say(text: string): void
  /** One line, or several, for a person who watches: never mixed with what was asked for. */
  tell(text: string): void
  /** Bytes, for what goes through a pipe. */
  readonly input: NodeJS.ReadableStream
  readonly output: NodeJS.WritableStream
  /** Whether a person reads the output. */
  readonly terminal: boolean
  /** Resolves when the process is asked to stop. Before the first call a signal ends it at once; so does a second one. */
  untilSignal(): Promise<NodeJS.Signals>
}

export type Option = {
  /** A flag is there or not; a text follows its name, and is called so in the help. */
  readonly value?: string
  /** A text that may be given more than once. */
  readonly many?: true
  readonly help: string
}

/** What stands on the command line after the command's name, checked against what the command takes. */
export type Given = {
  readonly texts: Readonly<Record<string, string>>
  /** Those that may be given more than once, in order; nothing where there is none. */
  readonly lists: Readonly<Record<string, readonly string[]>>
  readonly flags: ReadonlySet<string>
  readonly operands: readonly string[]
}

export type Command = {
  readonly summary: string
  /** Names of operands, each of them needed. */
  readonly operands?: readonly string[]
  readonly options?: Readonly<Record<string, Option>>
  /** Lines below the options in the command's help. */
  readonly notes?: string
  /** @returns the exit code */
  run(edge: Edge, given: Given): Promise<number>
}

/** Ends a command with a sentence that says what to do, and an exit code. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly exitCode: number
  constructor(text: string, exitCode: number = EXIT.failed, cause?: unknown) {
    super(text, cause === undefined ? undefined : { cause })
    this.exitCode = exitCode
  }
}

/** @throws ConfigError with every fault of the environment */
export function configOf(edge: Pick<Edge, 'environment'>): Config {
  return parseConfig(edge.environment, (path) => readFileSync(path, 'utf8'))
}

/** An error as a person reads it: its message, and those of what caused it. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message} (${reasonOf(error.cause)})` : error.message
}
