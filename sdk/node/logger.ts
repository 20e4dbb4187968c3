/**
 * Where the client says what a person should know. A logger that throws, at once or later, is ignored: logging never
 * breaks an app.
 */

import { Console } from 'node:console'

export type Logger = {
  debug?(message: string, cause?: unknown): void
  info?(message: string, cause?: unknown): void
  warn(message: string, cause?: unknown): void
  error(message: string, cause?: unknown): void
}

/**
 * Warnings and errors, a line each, on standard error: by a console, which takes it that nobody reads there any more.
 * A bare write would end the app with EPIPE.
 */
export const standardError: Logger = {
  warn: (message, cause) => write('warning', message, cause),
  error: (message, cause) => write('error', message, cause),
}

function write(level: string, message: string, cause: unknown): void {
  const why = cause === undefined ? '' : cause instanceof Error ? cause.message : String(cause)
  new Console(process.stderr).error('%s', `halyard ${level}: ${message}${why && `: ${why}`}`)
}

/** Says why something that an app does is not done as it wished; `cause` where an error says more. */
export type Complain = (why: string, cause?: unknown) => void

/** Warns once: what an app does, it does with every request. Later complaints are of level `debug`. */
export function complaining(logger: Required<Logger>, about: string): Complain {
  let warned = false
  return (why, cause) => {
    logger[warned ? 'debug' : 'warn'](`${about}: ${why}.`, cause)
    warned = true
  }
}

/** The given logger, made safe to call from anywhere. */
export function guarded(logger: Logger): Required<Logger> {
  const safe =
    (level: keyof Logger) =>
    (message: string, cause?: unknown): void => {
      try {
        const returned: unknown =
          cause === undefined ? logger[level]?.(message) : logger[level]?.(message, cause)
        // A rejection that nobody handles ends a Node process.
        if (returned instanceof Promise) returned.catch(() => {})
      } catch {
        // There is nowhere left to say it.
      }
    }
  return { debug: safe('debug'), info: safe('info'), warn: safe('warn'), error: safe('error') }
}
