/**
 * `halyard-server`: finds the command, holds its arguments against what it takes, and turns whatever it ends with into
 * an exit code and a sentence. Without a command it starts the service.
 */
import { parseArgs } from 'node:util'
import { VERSION } from '../compose.ts'
import { ConfigError } from '../config.ts'
import { type Command, type Edge, EXIT, type Given, type Option, Refusal, reasonOf } from './command.ts'
import { compactCommand } from './compact.ts'
import { doctorCommand } from './doctor/doctor.ts'
import { eraseCommand } from './erase.ts'
import { migrateCommand } from './migrate.ts'
import { backupCommand, moveCommand, restoreCommand } from './moving.ts'
import { startCommand } from './start.ts'
import { verifyCommand } from './verify.ts'

const NAME = 'halyard-server'

/** In the order of the help. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  start: startCommand,
  migrate: migrateCommand,
  backup: backupCommand,
  restore: restoreCommand,
  move: moveCommand,
  doctor: doctorCommand,
  verify: verifyCommand,
  erase: eraseCommand,
  compact: compactCommand,
}
const DEFAULT = 'start'

/**
 * Runs what the command line asks for.
 * @param args without the program and the script
 * @returns the exit code
 */
export async function run(args: readonly string[], edge: Edge): Promise<number> {
  try {
    const [first = DEFAULT, ...rest] = args
    if (first === 'help' || first === '--help' || first === '-h') return help(edge, rest[0])
    if (first === '--version' || first === '-V') {
      edge.say(`${NAME} ${VERSION}`)
      return EXIT.done
    }
    const command = commandOf(first)
    if (rest.includes('--help') || rest.includes('-h')) return help(edge, first)
    return await command.run(edge, givenOf(first, command, rest))
  } catch (error) {
    edge.tell(`halyard: ${reasonOf(error)}`)
    if (error instanceof Refusal) return error.exitCode
    return error instanceof ConfigError ? EXIT.config : EXIT.failed
  }
}

function commandOf(name: string): Command {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (command !== undefined) return command
  const known = Object.keys(COMMANDS).join(', ')
  throw new Refusal(
    `There is no command ${JSON.stringify(name)}: there are ${known}. See ${NAME} --help.`,
    EXIT.usage,
  )
}

function givenOf(name: string, command: Command, args: readonly string[]): Given {
  const { options = {}, operands = [] } = command
  const parsed = parsedOf(name, options, args)
  if (parsed.positionals.length !== operands.length) {
    throw new Refusal(
      `${name} takes ${operands.length === 0 ? 'no operand' : `one operand, ${operands.join(' ')}`}; there ${
        parsed.positionals.length === 1 ? 'is 1' : `are ${parsed.positionals.length}`
      }. Usage: ${usageOf(name, command)}`,
      EXIT.usage,
    )
  }
  const values = Object.entries(parsed.values)
  return {
    texts: Object.fromEntries(
      values.filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
    ),
    lists: Object.fromEntries(values.filter((entry): entry is [string, string[]] => Array.isArray(entry[1]))),
    flags: new Set(values.filter(([, value]) => value === true).map(([option]) => option)),
    operands: parsed.positionals,
  }
}

function parsedOf(name: string, options: Readonly<Record<string, Option>>, args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: true,
      options: Object.fromEntries(
        Object.entries(options).map(([option, { value, many = false }]) => [
          option,
          { type: value === undefined ? ('boolean' as const) : ('string' as const), multiple: many },
        ]),
      ),
    })
  } catch (error) {
    // Its sentences after the first are for programmers.
    const said = error instanceof Error ? error.message.split('. ')[0] : String(error)
    throw new Refusal(`${said}. See ${NAME} ${name} --help.`, EXIT.usage)
  }
}

function usageOf(name: string, { options = {}, operands = [] }: Command): string {
  const shown = Object.entries(options).map(
    ([option, { value, many }]) => `[${withValue(option, value)}]${many ? '…' : ''}`,
  )
  return [NAME, name, ...shown, ...operands.map((operand) => `<${operand}>`)].join(' ')
}

const withValue = (option: string, value: string | undefined): string =>
  value === undefined ? `--${option}` : `--${option} ${value}`

function help(edge: Edge, name: string | undefined): number {
  edge.say(name === undefined ? overview() : helpOf(name, commandOf(name)))
  return EXIT.done
}

function overview(): string {
  return [
    `Usage: ${NAME} [command]`,
    '',
    ...aligned(Object.entries(COMMANDS).map(([name, { summary }]) => [name, summary])),
    '',
    `Without a command it starts the service. Settings are environment variables; see README.`,
    `${NAME} <command> --help tells more of one, --version which release this is.`,
    `Exit codes: ${EXIT.done} done, ${EXIT.failed} not done or something is wrong, ${EXIT.usage} the command line is not understood, ${EXIT.bug} a mistake of ours, ${EXIT.unavailable} a dependency is away, ${EXIT.config} the settings are not understood.`,
  ].join('\n')
}

function helpOf(name: string, command: Command): string {
  const options = Object.entries(command.options ?? {})
  return [
    `Usage: ${usageOf(name, command)}`,
    '',
    command.summary,
    ...(options.length === 0
      ? []
      : ['', ...aligned(options.map(([option, { value, help }]) => [withValue(option, value), help]))]),
    ...(command.notes === undefined ? [] : ['', command.notes]),
  ].join('\n')
}

function aligned(rows: readonly (readonly [name: string, text: string])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`)
}
