/** The commands, in the order of the help. */
import { applyCommand, exportCommand, planCommand } from './code/commands.ts'
import type { Command } from './command.ts'
import { completionCommand } from './completion.ts'
import { deliveryCommand } from './delivery.ts'
import { drillCommand } from './drill.ts'
import { explainCommand } from './explain.ts'
import { flagsCreate, flagsGet, flagsList, shelved, switched } from './flags.ts'
import { changesCommand } from './history.ts'
import { killCommand, unkillCommand } from './kill.ts'
import { killLinkCommand } from './kill-link.ts'
import { loginCommand, logoutCommand, whoamiCommand } from './login.ts'
import { optionsOf } from './options.ts'
import { promoteCommand } from './promote.ts'
import { refsCommand } from './refs/refs.ts'
import { segmentsImport, segmentsList } from './segments/import.ts'
import { typesCommand } from './types/types.ts'

export const COMMANDS: Readonly<Record<string, Command>> = {
  kill: killCommand,
  unkill: unkillCommand,
  delivery: deliveryCommand,
  'kill-link': killLinkCommand,
  drill: drillCommand,
  explain: explainCommand,
  'flags list': flagsList,
  'flags get': flagsGet,
  'flags create': flagsCreate,
  'flags enable': switched('enable'),
  'flags disable': switched('disable'),
  'flags archive': shelved('archive'),
  'flags unarchive': shelved('unarchive'),
  'segments list': segmentsList,
  'segments import': segmentsImport,
  promote: promoteCommand,
  changes: changesCommand,
  plan: planCommand,
  apply: applyCommand,
  export: exportCommand,
  refs: refsCommand,
  types: typesCommand,
  login: loginCommand,
  logout: logoutCommand,
  whoami: whoamiCommand,
  completion: completionCommand(() => COMMANDS, optionsOf),
}
