#!/usr/bin/env node
/**
 * The process's edge, and the only reader of `process`: arguments, environment, signals, streams, exit codes.
 */
import { run } from './commands/run.ts'

const code = await run(process.argv.slice(2), {
  environment: process.env,
  say: (text) => process.stdout.write(`${text}\n`),
  tell: (text) => process.stderr.write(`${text}\n`),
  input: process.stdin,
  output: process.stdout,
  terminal: process.stdout.isTTY,
  untilSignal: () =>
    new Promise((resolve) => {
      process.once('SIGTERM', resolve)
      process.once('SIGINT', resolve)
    }),
})
process.exit(code)
