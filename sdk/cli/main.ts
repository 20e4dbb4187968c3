#!/usr/bin/env node
/** The process's edge, and the only reader of `process`: arguments, environment, terminal, exit code. */
import { homedir } from 'node:os'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { EXIT } from './command.ts'
import { run } from './run.ts'

/** Asks on standard error, so that the answer to a command stays clean in a pipe. */
function ask(question: string, hidden?: 'hidden'): Promise<string> {
  const muted = new Writable({ write: (_chunk, _encoding, done) => done() })
  process.stderr.write(question)
  const reader = createInterface({
    input: process.stdin,
    output: hidden === undefined ? process.stderr : muted,
    terminal: true,
  })
  return new Promise((resolve, reject) => {
    reader.on('SIGINT', () => {
      process.stderr.write('\n')
      process.exit(130)
    })
    reader.on('close', () => reject(new Error('nothing was answered')))
    reader.once('line', (line) => {
      if (hidden !== undefined) process.stderr.write('\n')
      resolve(line)
      reader.close()
    })
  })
}

function interrupted(): AbortSignal {
  const asked = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => asked.abort())
  return asked.signal
}

// A reader that has seen enough (`halyard … | head`) is no error, and ends nothing: a drill has a kill to take back. What
// cannot be written for another reason (a full disk) is one: what was done is told elsewhere then.
let broken: NodeJS.ErrnoException | undefined
const untold: string[] = []
process.stdout.on('error', () => {})
process.stderr.on('error', () => {})

function say(text: string, done?: string): void {
  process.stdout.write(`${text}\n`, (error) => {
    if (!error) return
    broken ??= error
    if (done !== undefined) untold.push(done)
  })
}

const ended = await run(process.argv.slice(2), {
  environment: process.env,
  folder: process.cwd(),
  home: homedir(),
  say,
  tell: (text) => void process.stderr.write(`${text}\n`),
  input: process.stdin,
  terminal: process.stdout.isTTY === true,
  ask: process.stdin.isTTY === true && process.stderr.isTTY === true ? ask : undefined,
  now: Date.now,
  random: Math.random,
  pause: async (ms) => void (await pause(ms)),
  interrupted,
})
process.exitCode = ended
// Writes are told of in their order.
process.stdout.write('', () => {
  if (broken === undefined || broken.code === 'EPIPE') return
  process.exitCode = ended || EXIT.unwritten
  const told = untold.length === 0 ? '' : ` Told here instead: ${untold.join('; ').replace(/\.$/, '')}.`
  process.stderr.write(`halyard: standard output cannot be written (${broken.message}).${told}\n`)
})
