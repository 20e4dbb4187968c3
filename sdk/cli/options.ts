/** All that a command takes: its own options, and those that it has in common with others. */
import type { Command, Option } from './command.ts'
import { SERVER_OPTIONS } from './settings.ts'

const JSON_OPTION: Readonly<Record<string, Option>> = { json: { help: 'answer JSON, for programs' } }

export function optionsOf(command: Command): Readonly<Record<string, Option>> {
  return { ...command.options, ...(command.local === true ? {} : SERVER_OPTIONS), ...JSON_OPTION }
}
