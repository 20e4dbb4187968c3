#!/usr/bin/env node
/**
 * The process's edge, and the only reader of `process`: arguments, environment, signals, streams, exit codes.
 */
import { EXIT } from './commands/command.ts'
import { run } from './commands/run.ts'

/** npm passes on what the terminal has sent to everyone already: within this time it is one signal, milliseconds. */
const SAME_SIGNAL_MS = 500

/**
 * In a container this is process 1, which no signal ends that it does not listen to; elsewhere the system does this, and
 * tells whoever waits which signal it was.
 */
const endAtOnce = (signal: NodeJS.Signals): never => process.exit(signal === 'SIGINT' ? 130 : 143)
if (process.pid === 1) {
  process.on('SIGTERM', endAtOnce)
  process.on('SIGINT', endAtOnce)
}

// A reader that has gone is no error. What cannot be written for another reason (a full disk) is one, which the exit code
// tells; it ends nothing before.
let broken: NodeJS.ErrnoException | undefined
process.stdout.on('error', () => {})
process.stderr.on('error', () => {})

function say(text: string): void {
  process.stdout.write(`${text}\n`, (error) => {
    if (error && (error as NodeJS.ErrnoException).code !== 'EPIPE') broken ??= error
  })
}

const ended = await run(process.argv.slice(2), {
  environment: process.env,
  say,
  tell: (text) => void process.stderr.write(`${text}\n`),
  input: process.stdin,
  output: process.stdout,
  terminal: process.stdout.isTTY,
  untilSignal: () =>
    new Promise((resolve) => {
      let first: number | undefined
      const heard = (signal: NodeJS.Signals): void => {
        first ??= performance.now()
        resolve(signal)
        if (performance.now() - first < SAME_SIGNAL_MS) return
        process.stderr.write(`halyard: ended at once, by a second signal (${signal})\n`)
        process.exit(1)
      }
      process.on('SIGTERM', heard).off('SIGTERM', endAtOnce)
      process.on('SIGINT', heard).off('SIGINT', endAtOnce)
    }),
})
// Writes are told of in their order.
process.stdout.write('', () => {
  if (broken !== undefined)
    process.stderr.write(`halyard: standard output cannot be written (${broken.message}).\n`)
  process.exit(broken === undefined ? ended : ended || EXIT.unwritten)
})
