/**
 * `halyard`: finds the command, holds its arguments against what it takes, and turns whatever it ends with into an
 * exit code and a sentence. Never a stack trace.
 */
import { parseArgs } from 'node:util'
import { SDK_VERSION } from '../transport/version.ts'
import { COMMANDS } from './catalogue.ts'
import { type Command, type Edge, EXIT, type Given, type Option, Refusal, reasonOf } from './command.ts'
import { nearest } from './nearest.ts'
import { optionsOf } from './options.ts'
import { oneLine, paintFor } from './output.ts'

const NAME = 'halyard'
/**
 * Runs what the command line asks for.
 * @param args without the program and the script
 * @returns the exit code
 */
export async function run(args: readonly string[], edge: Edge): Promise<number> {
  try {
    const [first] = args
    if (first === undefined || first === 'help' || first === '--help' || first === '-h') {
      const words = first === 'help' ? args.slice(1) : []
      edge.say(words.length === 0 ? overview() : helpFor(words))
      return first === undefined ? EXIT.usage : EXIT.done
    }
    if (first === '--version' || first === '-V') {
      edge.say(`${NAME} ${SDK_VERSION}`)
      return EXIT.done
    }
    const group = groupOf(args)
    if (group !== undefined) {
      edge.say(group)
      return EXIT.done
    }
    const { name, command, rest } = commandIn(args)
    const words = rest.slice(0, rest.indexOf('--') === -1 ? rest.length : rest.indexOf('--'))
    if (words.includes('--help') || words.includes('-h')) {
      edge.say(helpOf(name, command))
      return EXIT.done
    }
    return await command.run(edge, givenOf(name, command, rest))
  } catch (error) {
    return told(edge, args, error)
  }
}

function told(edge: Edge, args: readonly string[], error: unknown): number {
  const text = reasonOf(error)
  const code = error instanceof Refusal ? error.exitCode : EXIT.failed
  if (args.includes('--json')) {
    const problem = error instanceof Refusal ? error.problem : undefined
    edge.say(
      JSON.stringify({ error: text, exitCode: code, ...(problem !== undefined && { problem }) }, null, 2),
      text,
    )
  } else {
    edge.tell(`${paintFor(edge).red('halyard:')} ${text}`)
  }
  return code
}

type Found = { readonly name: string; readonly command: Command; readonly rest: readonly string[] }

/** Names are one word or two: `kill`, `flags list`. */
function commandIn(args: readonly string[]): Found {
  for (const words of [2, 1]) {
    const name = args.slice(0, words).join(' ')
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
    if (command !== undefined && args.length >= words) return { name, command, rest: args.slice(words) }
  }
  const [first = '', second] = args
  const group = Object.keys(COMMANDS).filter((name) => name.startsWith(`${first} `))
  if (group.length > 0 && second === undefined) {
    const commands = group.map((name) => name.slice(first.length + 1)).join(', ')
    throw new Refusal(`${NAME} ${first} takes one of: ${commands}.`, EXIT.usage)
  }
  const asked = group.length > 0 ? `${first} ${second ?? ''}` : first
  const close = nearest(asked, Object.keys(COMMANDS))
  throw new Refusal(
    `There is no command ${JSON.stringify(oneLine(asked.trim()))}.${close === undefined ? '' : ` Did you mean ${close}?`} See ${NAME} --help.`,
    EXIT.usage,
  )
}

function givenOf(name: string, command: Command, args: readonly string[]): Given {
  const options = optionsOf(command)
  const parsed = parsedOf(name, options, args)
  const operands = command.operands ?? []
  const least = operands.filter((operand) => !operand.startsWith('[')).length
  const most = operands.some((operand) => operand.endsWith('…]')) ? Number.POSITIVE_INFINITY : operands.length
  const { length } = parsed.positionals
  if (length < least || length > most) {
    const problem =
      length < least
        ? `${operands[length]} is missing`
        : `${JSON.stringify(oneLine(parsed.positionals[most] ?? ''))} is too much`
    throw new Refusal(`${problem}. Usage: ${usageOf(name, command)}`, EXIT.usage)
  }
  const values = Object.entries(parsed.values)
  const texts = Object.fromEntries(
    values.filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
  for (const [option, { of }] of Object.entries(options)) {
    const text = texts[option]
    if (of !== undefined && text !== undefined && !of.includes(text)) {
      throw new Refusal(`--${option} is one of ${of.join(', ')}.`, EXIT.usage)
    }
  }
  const flags = new Set(values.filter(([, value]) => value === true).map(([option]) => option))
  return { texts, flags, operands: parsed.positionals }
}

function parsedOf(name: string, options: Readonly<Record<string, Option>>, args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: true,
      options: Object.fromEntries(
        Object.entries(options).map(([option, { value, short }]) => [
          option,
          {
            type: value === undefined ? ('boolean' as const) : ('string' as const),
            ...(short !== undefined && { short }),
          },
        ]),
      ),
    })
  } catch (error) {
    // Its sentences after the first are for programmers.
    const said = error instanceof Error ? error.message.split('. ')[0] : String(error)
    throw new Refusal(`${said}. See ${NAME} ${name} --help.`, EXIT.usage)
  }
}

export function usageOf(name: string, { operands = [], options = {} }: Command): string {
  const own = Object.keys(options).length > 0 ? ['[options]'] : []
  return [
    NAME,
    name,
    ...operands.map((operand) => (operand.startsWith('[') ? operand : `<${operand}>`)),
    ...own,
  ].join(' ')
}

/** The help of a first word of several commands (`flags --help`); undefined where something else is asked. */
function groupOf([first = '', second]: readonly string[]): string | undefined {
  if (second !== '--help' && second !== '-h') return undefined
  const commands = Object.entries(COMMANDS).filter(([name]) => name.startsWith(`${first} `))
  if (commands.length === 0) return undefined
  return [
    `Usage: ${NAME} ${first} <command> [options]`,
    '',
    ...aligned(commands.map(summarised)),
    '',
    `${NAME} ${first} <command> --help tells more of one.`,
  ].join('\n')
}

function helpFor(words: readonly string[]): string {
  const group = groupOf([...words.slice(0, 1), '--help'])
  if (words.length === 1 && group !== undefined) return group
  const { name, command } = commandIn(words)
  return helpOf(name, command)
}

function overview(): string {
  return [
    `Usage: ${NAME} <command> [options]`,
    '',
    ...aligned(Object.entries(COMMANDS).map(summarised)),
    '',
    'Where and who: HALYARD_URL, HALYARD_API_KEY, HALYARD_PROJECT, HALYARD_ENV, or halyard login.',
    `${NAME} <command> --help tells more of one, --version which this is. --json answers JSON. NO_COLOR takes colours away.`,
    exitCodes(Object.keys(ENDS) as (keyof typeof EXIT)[]),
  ].join('\n')
}

const summarised = ([name, { summary, operands = [] }]: readonly [string, Command]) =>
  [
    [name, ...operands.map((operand) => (operand.startsWith('[') ? operand : `<${operand}>`))].join(' '),
    summary,
  ] as const

/** What every command can end with. */
const COMMON: readonly (keyof typeof EXIT)[] = ['done', 'failed', 'usage', 'unwritten']
const ENDS: Readonly<Record<keyof typeof EXIT, string>> = {
  done: 'done',
  failed: 'not done',
  different: 'there is a difference',
  partly: 'killed, and not everyone who was waited for has said so in time',
  accepted: 'killed, and kept in a journal, since the database is away',
  usage: 'the command line is not understood',
  unwritten: 'standard output cannot be written',
  unavailable: 'the server is away or does not answer',
}

function exitCodes(named: readonly (keyof typeof EXIT)[]): string {
  const told = (Object.keys(ENDS) as (keyof typeof EXIT)[]).filter((end) => named.includes(end))
  return `Exit codes: ${told.map((end) => `${EXIT[end]} ${ENDS[end]}`).join(', ')}.`
}

function helpOf(name: string, command: Command): string {
  return [
    `Usage: ${usageOf(name, command)}`,
    '',
    `${command.summary}.`,
    '',
    ...aligned(
      Object.entries(optionsOf(command)).map(([option, { value, short, help, of }]) => [
        `${short === undefined ? '    ' : `-${short}, `}--${option}${value === undefined ? '' : ` <${of?.join('|') ?? value}>`}`,
        help,
      ]),
    ),
    ...(command.notes === undefined ? [] : ['', command.notes]),
    '',
    exitCodes([
      ...COMMON,
      ...(command.exits ?? []),
      ...(asksServer(command) ? (['unavailable'] as const) : []),
    ]),
  ].join('\n')
}

/** Some that are local ask one, too: they say where it is by the same option. */
const asksServer = ({ local, options = {} }: Command): boolean => local !== true || 'url' in options

function aligned(rows: readonly (readonly [name: string, text: string])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`)
}
