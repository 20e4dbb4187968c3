/** `halyard plan`, `apply` and `export`: flags as code, shown, done, and written. */
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { apiOf } from '../api.ts'
import {
  type Command,
  confirmed,
  type Edge,
  EXIT,
  type Given,
  needed,
  type Option,
  Refusal,
} from '../command.ts'
import { COMMENT_OPTION } from '../flags.ts'
import { asksJson, oneLine, paintFor, plural, show } from '../output.ts'
import { projectOf } from '../settings.ts'
import { tellWarnings } from '../warnings.ts'
import { type Applied, applyPlan } from './apply.ts'
import { exported } from './export.ts'
import { readCode } from './file.ts'
import { type Plan, planFor, sizeOf } from './plan.ts'

/** Rises where an older command could not carry a plan out. */
const PLAN_FORMAT = 1
type PlanFile = { readonly format: number; readonly url: string; readonly plan: Plan }

const FILE: Readonly<Record<string, Option>> = {
  file: {
    value: 'file',
    short: 'f',
    help: 'YAML or JSON: flags, and configurations and segments by environment',
  },
  prune: { help: 'archive flags, and delete segments, that the file does not name' },
}

export const planCommand: Command = {
  summary: 'Say what apply would change',
  options: {
    ...FILE,
    out: { value: 'file', help: 'keep the plan, so that apply --plan does this or nothing' },
  },
  notes: 'Exits 0 where nothing would change, and 2 where something would.',
  exits: ['different'],
  async run(edge, given) {
    const plan = await planOf(edge, given)
    const { out } = given.texts
    if (out !== undefined) {
      const { server } = apiOf(edge, given)
      const kept: PlanFile = { format: PLAN_FORMAT, url: server.url, plan }
      writeFileSync(resolve(edge.folder, out), `${JSON.stringify(kept, null, 2)}\n`)
    }
    return shown(edge, given, plan)
  },
}

export const applyCommand: Command = {
  summary: 'Make a project as a file says: one commit an environment, all or nothing',
  options: {
    ...FILE,
    plan: {
      value: 'file',
      help: 'as plan --out kept it, in place of a file: done as it was shown, or not at all',
    },
    'dry-run': { help: 'as plan' },
    yes: { short: 'y', help: 'ask nobody' },
    ...COMMENT_OPTION,
  },
  exits: ['different'],
  notes:
    'What somebody else changes in between is never overwritten: the environment is left as it is, and said so.',
  async run(edge, given) {
    const plan =
      given.texts.plan === undefined ? await planOf(edge, given) : keptPlan(edge, given, given.texts.plan)
    if (given.flags.has('dry-run')) return shown(edge, given, plan)
    if (sizeOf(plan) === 0) {
      show(edge, given, { ...plan, applied: [] }, () => wordsOf(edge, plan))
      return EXIT.done
    }
    if (!asksJson(given)) edge.say(wordsOf(edge, plan))
    if (!(await confirmed(edge, given, 'Apply this?'))) {
      edge.tell('Nothing was changed.')
      return EXIT.failed
    }
    const applied = await applyPlan(apiOf(edge, given), plan, given.texts.comment)
    const lines = applied.map(appliedLine)
    show(edge, given, { ...plan, applied }, () => lines.join('\n'), lines.join('; '))
    return EXIT.done
  },
}

function appliedLine({ environment, flag, what, revision }: Applied): string {
  return environment === undefined ? `${flag}: ${what}` : `${environment}: ${what}, revision ${revision}`
}

async function planOf(edge: Edge, given: Given): Promise<Plan> {
  const name = needed(given, 'file', 'which file? (-f flags.yaml)')
  const file = readCode(edge, name)
  if (
    file.project !== undefined &&
    given.texts.project !== undefined &&
    given.texts.project !== file.project
  ) {
    throw new Refusal(
      `${file.placeOf(['project'])}: the file is for the project ${file.project}, and --project says ${given.texts.project}.`,
      EXIT.usage,
    )
  }
  return await planFor(
    apiOf(edge, given),
    projectOf(edge, given, file.project),
    file,
    given.flags.has('prune'),
  )
}

function keptPlan(edge: Edge, given: Given, name: string): Plan {
  if (given.texts.file !== undefined)
    throw new Refusal('--file or --plan: a plan has its file in it.', EXIT.usage)
  let kept: Partial<PlanFile>
  try {
    kept = JSON.parse(readFileSync(resolve(edge.folder, name), 'utf8')) as Partial<PlanFile>
  } catch (error) {
    throw new Refusal(`${name} is no plan: ${(error as Error).message}.`, EXIT.usage)
  }
  if (kept.format !== PLAN_FORMAT || kept.plan === undefined) {
    throw new Refusal(`${name} is no plan of this version: run halyard plan --out again.`, EXIT.usage)
  }
  const { server } = apiOf(edge, given)
  if (kept.url !== server.url) {
    throw new Refusal(`${name} is a plan for ${kept.url}, and this is ${server.url}.`, EXIT.usage)
  }
  return kept.plan
}

function shown(edge: Edge, given: Given, plan: Plan): number {
  show(edge, given, plan, () => wordsOf(edge, plan))
  for (const { warnings } of plan.environments) tellWarnings(edge, { warnings })
  return sizeOf(plan) === 0 ? EXIT.done : EXIT.different
}

function wordsOf(edge: Edge, plan: Plan): string {
  const { identities, environments, left, project } = plan
  const { green, red, yellow, bold, dim } = paintFor(edge)
  const sign = { '+': green('+'), '-': red('-'), '~': yellow('~') } as const
  const inProject = [
    ...identities.create.map(({ key, body }) => `  ${sign['+']} flag ${key} (${String(body.type)})`),
    ...identities.update.flatMap(({ key, summary }) => [
      `  ${sign['~']} flag ${key}`,
      ...summary.map((line) => `      ${oneLine(line)}`),
    ]),
    ...identities.archive.map((key) => `  ${sign['-']} flag ${key}, archived`),
  ]
  const inEnvironments = environments
    .filter(({ changes }) => changes.length > 0)
    .flatMap(({ environment, diff, untried }) => [
      bold(environment),
      ...diff.flatMap(({ kind, key, before, after, summary }) => [
        `  ${sign[before === null ? '+' : after === null ? '-' : '~']} ${kind} ${key}`,
        ...summary.map((line) => `      ${oneLine(line)}`),
      ]),
      ...untried.map(
        (key) => `  ${sign['~']} flag ${key} ${dim('(not tried: it leans on a flag that is not there yet)')}`,
      ),
    ])
  const names = [
    ...(left.flags.length > 0 ? [`flags ${left.flags.join(', ')}`] : []),
    ...(left.segments.length > 0 ? [`segments ${left.segments.join(', ')}`] : []),
  ]
  const size = sizeOf(plan)
  return [
    ...(inProject.length > 0 ? [`${bold(`project ${project}`)}`, ...inProject] : []),
    ...inEnvironments,
    ...(names.length > 0
      ? [dim(`Not in the file, and left alone (--prune takes them away): ${names.join('; ')}`)]
      : []),
    size === 0 ? 'Nothing to change.' : `${plural(size, 'change')}.`,
  ].join('\n')
}

export const exportCommand: Command = {
  summary: 'Write a project as the file that plan and apply read',
  options: {
    env: { value: 'keys', short: 'e', help: 'these environments alone, separated by commas' },
    out: { value: 'file', short: 'o', help: 'in place of standard output' },
  },
  notes:
    'Ranges of buckets are written where the shares alone would give others, so that an apply elsewhere gives every user\nthe variant that they have here. Members of segments are not written: they are people. Archived flags are not, either.',
  async run(edge, given) {
    const only = given.texts.env?.split(',').map((key) => key.trim())
    const { content, text } = await exported(apiOf(edge, given), projectOf(edge, given), only)
    const { out } = given.texts
    if (out === undefined) {
      edge.say(asksJson(given) ? JSON.stringify(content, null, 2) : text.trimEnd())
      return EXIT.done
    }
    writeFileSync(resolve(edge.folder, out), asksJson(given) ? `${JSON.stringify(content, null, 2)}\n` : text)
    edge.tell(`Wrote ${out}.`)
    return EXIT.done
  },
}
