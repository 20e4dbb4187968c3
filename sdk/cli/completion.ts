/** `halyard completion`: scripts for shells, made from the commands themselves; flags' keys are asked from the server. */
import { apiOf, at, type Patience } from './api.ts'
import { type Command, EXIT, type Option, Refusal } from './command.ts'
import { asksJson, show } from './output.ts'
import { projectOf, SERVER_OPTIONS } from './settings.ts'
import type { Flag } from './shapes.ts'

/** Somebody has pressed a key, and sees nothing until this is over. */
const PROMPT: Patience = { eachMs: 1_500, allMs: 1_500 }

const SHELLS = ['bash', 'zsh', 'fish'] as const
type Commands = Readonly<Record<string, Command>>
type OptionsOf = (command: Command) => Readonly<Record<string, Option>>

/** @param commands asked when it runs, since it is one of them */
export function completionCommand(commands: () => Commands, optionsOf: OptionsOf): Command {
  return {
    summary: 'Print what completes halyard in your shell: bash, zsh or fish',
    operands: ['shell'],
    options: SERVER_OPTIONS,
    local: true,
    notes: [
      'bash: source <(halyard completion bash)',
      'zsh:  source <(halyard completion zsh)',
      'fish: halyard completion fish | source',
    ].join('\n'),
    async run(edge, given) {
      const [shell = ''] = given.operands
      // What the scripts ask when a flag's key is due: nothing, rather than an error, where no server answers.
      if (shell === 'keys') {
        const path = at('projects', projectOf(edge, given), 'flags')
        const flags = await apiOf({ ...edge, tell: () => {} }, given, PROMPT)
          .all<Flag>(path, { fields: 'key', limit: 1000 })
          .catch(() => [])
        const keys = flags.map(({ key }) => key)
        if (keys.length > 0 || asksJson(given)) show(edge, given, keys, () => keys.join('\n'))
        return EXIT.done
      }
      const script = { bash, zsh, fish }[shell as (typeof SHELLS)[number]]
      if (script === undefined) throw new Refusal(`There is completion for ${SHELLS.join(', ')}.`, EXIT.usage)
      const text = script(commands(), optionsOf)
      show(edge, given, { shell, script: text }, () => text)
      return EXIT.done
    },
  }
}

const wordsOf = (
  commands: Commands,
  optionsOf: OptionsOf,
): readonly (readonly [name: string, words: string])[] =>
  Object.entries(commands).map(([name, command]) => [
    name,
    [...Object.keys(optionsOf(command)), 'help'].map((option) => `--${option}`).join(' '),
  ])

function firstWords(commands: Commands): string {
  return [...new Set(Object.keys(commands).map((name) => name.split(' ')[0] ?? ''))].join(' ')
}

function groups(commands: Commands): ReadonlyMap<string, string[]> {
  const found = new Map<string, string[]>()
  for (const name of Object.keys(commands)) {
    const [first = '', second] = name.split(' ')
    if (second !== undefined) found.set(first, [...(found.get(first) ?? []), second])
  }
  return found
}

const takesFlag = (commands: Commands): readonly string[] =>
  Object.entries(commands)
    .filter(([, { operands = [] }]) => /^\[?flag\]?$/.test(operands[0] ?? ''))
    .map(([name]) => name)

function bash(commands: Commands, optionsOf: OptionsOf): string {
  const seconds = [...groups(commands)].map(([first, words]) => `    ${first}) words="${words.join(' ')}" ;;`)
  const options = wordsOf(commands, optionsOf).map(([name, words]) => `    "${name}") words="${words}" ;;`)
  const keyed = takesFlag(commands)
    .map((name) => `"${name}"`)
    .join('|')
  return `# halyard completion for bash
_halyard() {
  local word="\${COMP_WORDS[COMP_CWORD]}" first="\${COMP_WORDS[1]}" second="\${COMP_WORDS[2]}" words="" name
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${firstWords(commands)}" -- "$word")); return
  fi
  name="$first"
  case "$first" in
${[...groups(commands).keys()].map((first) => `    ${first}) name="$first $second" ;;`).join('\n')}
  esac
  if [ "$COMP_CWORD" -eq 2 ]; then
    case "$first" in
${seconds.join('\n')}
    esac
    if [ -n "$words" ]; then COMPREPLY=($(compgen -W "$words" -- "$word")); return; fi
  fi
  case "$word" in
    -*)
      case "$name" in
${options.map((line) => `  ${line}`).join('\n')}
      esac ;;
    *)
      case "$name" in
        ${keyed}) words="$(halyard completion keys 2>/dev/null)" ;;
        *) COMPREPLY=($(compgen -f -- "$word")); return ;;
      esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -F _halyard halyard`
}

/** zsh reads bash's. */
function zsh(commands: Commands, optionsOf: OptionsOf): string {
  return `autoload -U +X compinit && compinit
autoload -U +X bashcompinit && bashcompinit
${bash(commands, optionsOf)}`
}

function fish(commands: Commands, optionsOf: OptionsOf): string {
  const lines = ['# halyard completion for fish', 'complete -c halyard -f']
  const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  const many = groups(commands)
  for (const first of firstWords(commands).split(' ')) {
    const summary = commands[first]?.summary ?? (many.get(first) ?? []).join(', ')
    lines.push(`complete -c halyard -n __fish_use_subcommand -a ${first} -d ${quoted(summary)}`)
  }
  for (const [name, command] of Object.entries(commands)) {
    const [first = '', second] = name.split(' ')
    const when =
      second === undefined
        ? `__fish_seen_subcommand_from ${first}`
        : `__fish_seen_subcommand_from ${first}; and __fish_seen_subcommand_from ${second}`
    if (second !== undefined) {
      const others = (many.get(first) ?? []).join(' ')
      lines.push(
        `complete -c halyard -n '__fish_seen_subcommand_from ${first}; and not __fish_seen_subcommand_from ${others}' -a ${second} -d ${quoted(command.summary)}`,
      )
    }
    for (const [option, { short, value, help }] of Object.entries(optionsOf(command))) {
      lines.push(
        `complete -c halyard -n '${when}' -l ${option}${short === undefined ? '' : ` -s ${short}`}${value === undefined ? '' : ' -r'} -d ${quoted(help)}`,
      )
    }
    if (takesFlag(commands).includes(name)) {
      lines.push(`complete -c halyard -n '${when}' -a '(halyard completion keys 2>/dev/null)'`)
    }
  }
  return lines.join('\n')
}
