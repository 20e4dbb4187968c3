/**
 * `evaluate` against the same logic written by hand, with 100 and with 10,000 flags, and with a segment of 100,000
 * members in place of the set.
 */
import { compile, evaluate } from '@halyard/sdk/core'
import { handwritten } from './handwritten.ts'
import { type Contender, interleave, ratioOf } from './rig/rounds.ts'
import { type Bench, judged, type Row } from './rig/row.ts'
import { type BenchContext, contexts, flagShapes, type Question, questions, ruleset } from './workload.ts'

const NOW = Date.UTC(2026, 0, 1)
const MEMBERS = 100_000

export const core: Bench = {
  name: 'core',
  about: 'evaluate against the same logic written by hand',
  run: async () => {
    const few = flagShapes(100)
    const many = flagShapes(10_000)
    const asked = contexts(1_000)
    // Half of those who ask are members.
    const units = Array.from({ length: MEMBERS }, (_, index) => `user-${index * 2}`)
    const membership = contexts(4_000, 3).map((context, index) => ({
      ...context,
      targetingKey: `user-${(index * 37) % (MEMBERS * 2)}`,
    }))
    const segmentAsked = JSON.parse(JSON.stringify(membership)) as BenchContext[]

    const sets = [
      pair('100 flags', few, questions(few, asked, 4_096)),
      pair('100 of 10,000 flags', many, questions(many.slice(0, 100), asked, 4_096)),
      pair('each of 10,000 flags', many, questions(many, asked, 16_384)),
      pair('segment of 100,000', few, questions(few, segmentAsked, 4_096), units),
    ]
    for (const { name, ours, theirs } of sets) agree(name, ours.answers(), theirs.answers())
    const measured = await interleave(sets.flatMap(({ ours, theirs }) => [ours, theirs]))
    const at = (name: string) => {
      const found = measured.get(name)
      if (!found) throw new Error(`${name} was not measured`)
      return found
    }
    const rows: Row[] = sets.slice(0, 3).map(({ name, ours, theirs }) =>
      judged(
        {
          name: `evaluate, ${name}`,
          measured: at(ours.name).ns,
          unit: 'ns',
          baseline: { name: 'handwritten', value: at(theirs.name).ns },
          ratio: ratioOf(at(ours.name).rounds, at(theirs.name).rounds),
        },
        { of: 'ratio', atMost: 3 },
      ),
    )
    const [base, , , big] = sets
    if (!base || !big) throw new Error('a set is missing')
    rows.push(
      judged(
        {
          name: 'evaluate, segment of 100,000 members',
          measured: at(big.ours.name).ns,
          unit: 'ns',
          baseline: { name: 'evaluate, 100 flags', value: at(base.ours.name).ns },
          ratio: ratioOf(at(big.ours.name).rounds, at(base.ours.name).rounds),
        },
        { of: 'ratio', atMost: 2 },
      ),
      {
        name: 'the same, against a handwritten Set',
        measured: at(big.ours.name).ns,
        unit: 'ns',
        baseline: { name: 'handwritten', value: at(big.theirs.name).ns },
        ratio: ratioOf(at(big.ours.name).rounds, at(big.theirs.name).rounds),
      },
    )
    return rows
  },
}

type Asked = Contender & { readonly answers: () => readonly unknown[] }

function pair(
  name: string,
  shapes: Parameters<typeof ruleset>[0],
  ask: readonly Question[],
  units?: readonly string[],
): { readonly name: string; readonly ours: Asked; readonly theirs: Asked } {
  const compiled = compile(ruleset(shapes, units && { key: 'beta-testers', units }))
  const byHand = handwritten(shapes, units && new Set(JSON.parse(JSON.stringify(units)) as string[]))
  return {
    name,
    ours: {
      name: `halyard, ${name}`,
      size: ask.length,
      pass: () => {
        let on = 0
        for (const { key, context } of ask) {
          if (evaluate(compiled, key, context, NOW).value === true) on += 1
        }
        return on
      },
      answers: () => ask.map(({ key, context }) => evaluate(compiled, key, context, NOW).value),
    },
    theirs: {
      name: `handwritten, ${name}`,
      size: ask.length,
      pass: () => {
        let on = 0
        for (const { key, context } of ask) {
          if (byHand.get(key)?.(context) === true) on += 1
        }
        return on
      },
      answers: () => ask.map(({ key, context }) => byHand.get(key)?.(context)),
    },
  }
}

/** A comparison of two things that answer differently says nothing. */
function agree(name: string, ours: readonly unknown[], theirs: readonly unknown[]): void {
  const differs = ours.findIndex((answer, index) => answer !== theirs[index])
  if (differs >= 0)
    throw new Error(`${name}: question ${differs} is answered ${ours[differs]} and ${theirs[differs]}`)
}
