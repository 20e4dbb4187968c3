import { check, type Json, memberChunk } from '@halyard/sdk/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { growthOf } from '../../../server/domain/edits.ts'
import {
  addRule,
  allMembers,
  canonical,
  commitAll,
  countMembers,
  createApiKey,
  createEnvironment,
  createFlag,
  createProject,
  createSdkKey,
  deleteSegment,
  type Edit,
  editMembers,
  entriesOf,
  Problem,
  patchConfiguration,
  patchRule,
  patchSegment,
  putConfiguration,
  putFallthrough,
  putSegment,
  putTargets,
  replaceMembers,
  updateEnvironment,
  updateFlag,
  updateProject,
} from '../../../server/domain/index.ts'
import { cyclesThrough, requiredBy, segmentsNamedBy } from '../../../server/domain/references.ts'
import { ANY, World } from '../../unit/domain/world.ts'
import { anything, condition, configuration, damaged, FLAGS, SEGMENTS } from './documents.ts'

const base = { variants: { on: true, off: false, other: true }, offVariant: 'off' } as const

function populated(): World {
  const world = World.started()
  for (const key of FLAGS) {
    world.commit(createFlag(world.project, { key, type: 'boolean', ...base }))
  }
  for (const key of SEGMENTS) world.commit(putSegment(world.environment(), key, {}, {}))
  world.commit(addRule(world.environment(), 'a', { id: 'r1', serve: { variant: 'on' } }))
  return world
}

/** Commits the edit, or is told why not; anything else that is thrown fails the test. */
function attempt<R>(world: World, edit: Edit<R>): R | Problem {
  try {
    return world.commit(edit).result
  } catch (error) {
    if (error instanceof Problem && error.status < 500) return error
    throw error
  }
}

/** What must hold of an environment whatever was committed. */
function expectSound(world: World): void {
  const state = world.state(world.environment())
  for (const [key, finding] of check(state, entriesOf(state, 'flag').keys())) {
    expect(finding, key).toEqual({ skipped: [] })
  }
  const flags = new Set(entriesOf(state, 'flag').keys())
  const segments = new Set(entriesOf(state, 'segment').keys())
  const definitionOf = (kind: string, key: string) => entriesOf(state, kind).get(key)?.definition
  for (const flag of flags) {
    for (const required of requiredBy(definitionOf('flag', flag))) expect(flags).toContain(required)
    for (const named of segmentsNamedBy(definitionOf('flag', flag))) expect(segments).toContain(named)
  }
  for (const segment of segments) {
    for (const named of segmentsNamedBy(definitionOf('segment', segment))) expect(segments).toContain(named)
  }
  expect(cyclesThrough(flags, (key) => requiredBy(definitionOf('flag', key)))).toEqual([])
  expect(cyclesThrough(segments, (key) => segmentsNamedBy(definitionOf('segment', key)))).toEqual([])
}

describe('any JSON', () => {
  const world = populated()
  const [project, env, bytes] = [world.project, world.environment(), new Uint8Array(32)]
  const edits: Record<string, (json: never) => Edit<unknown>> = {
    putConfiguration: (json) => putConfiguration(env, 'a', json, ANY),
    'putConfiguration, keeping ranges': (json) => putConfiguration(env, 'a', json, ANY, { keepRanges: true }),
    patchConfiguration: (json) => patchConfiguration(env, 'a', json, ANY),
    putFallthrough: (json) => putFallthrough(env, 'a', json, ANY),
    putTargets: (json) => putTargets(env, 'a', 'on', json, ANY),
    addRule: (json) => addRule(env, 'a', json),
    patchRule: (json) => patchRule(env, 'a', 'r1', json, ANY),
    putSegment: (json) => putSegment(env, 's', json, ANY),
    patchSegment: (json) => patchSegment(env, 's', json, ANY),
    editMembers: (json) => editMembers(env, 's', json),
    replaceMembers: (json) => replaceMembers(env, 's', json),
    commitAll: (json) => commitAll(env, json),
    createFlag: (json) => createFlag(project, json),
    updateFlag: (json) => updateFlag(project, 'a', json, ANY),
    createProject: (json) => createProject(json),
    updateProject: (json) => updateProject('default', json, ANY),
    createEnvironment: (json) => createEnvironment(project, json),
    updateEnvironment: (json) => updateEnvironment(project, 'staging', json, ANY),
    createApiKey: (json) => createApiKey(json, bytes),
    createSdkKey: (json) => createSdkKey(project, env, json, bytes),
  }
  it.each(Object.entries(edits))('as %s is accepted, or refused with a problem', (_name, edit) => {
    fc.assert(
      fc.property(anything, (json) => {
        attempt(world, edit(json as never))
      }),
      { numRuns: 200 },
    )
    expectSound(world)
  })

  it('as a commit’s definition is accepted, or refused with a problem', () => {
    const change = fc.record(
      {
        op: fc.constantFrom('put', 'delete'),
        kind: fc.constantFrom('flag', 'segment'),
        key: fc.constantFrom(...FLAGS, ...SEGMENTS),
        ifRevision: anything,
        definition: fc.oneof(anything, damaged),
      },
      { requiredKeys: ['op', 'kind', 'key'] },
    )
    fc.assert(
      fc.property(fc.array(change, { maxLength: 3 }), (changes) => {
        attempt(populated(), commitAll(env, changes as never))
      }),
      { numRuns: 100 },
    )
  })

  it('as a value schema is accepted, or refused with a problem', () => {
    const schema = fc.record(
      {
        properties: fc.dictionary(fc.string(), anything),
        $ref: fc.oneof(fc.constantFrom('#', '#/properties/a', '#/$defs/a'), anything),
        $defs: fc.dictionary(
          fc.constantFrom('a', 'b'),
          fc.constantFrom({ type: 'object' }, { $ref: '#' }, true),
        ),
        pattern: anything,
        type: fc.oneof(fc.constantFrom('object', ['object', 'null']), anything),
        uniqueItems: anything,
        enum: anything,
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(schema, anything, (valueSchema, value) => {
        attempt(
          world,
          createFlag(project, {
            key: world.mint(),
            type: 'object',
            variants: { a: { v: value } },
            offVariant: null,
            valueSchema,
          } as never),
        )
      }),
      { numRuns: 150 },
    )
  })
})

describe('a configuration', () => {
  it('that is right is accepted, and once accepted works as it is, and changes nothing when put again', () => {
    let accepted = 0
    fc.assert(
      fc.property(
        fc.constantFrom(...FLAGS),
        fc.array(configuration, { minLength: 1, maxLength: 4 }),
        (flag, inputs) => {
          const world = populated()
          for (const input of inputs) {
            const result = attempt(world, putConfiguration(world.environment(), flag, input as never, ANY))
            if (result instanceof Problem) {
              // Only itself as its own prerequisite can be wrong with it.
              expect(result.message).toContain('cycle')
              continue
            }
            accepted += 1
            expectSound(world)
            const again = world.commit(putConfiguration(world.environment(), flag, result as never, ANY))
            expect(again.edits.size).toBe(0)
          }
        },
      ),
      { numRuns: 150 },
    )
    expect(accepted).toBeGreaterThan(100)
  })

  it('that is damaged somewhere is refused with pointers, or works', () => {
    const world = populated()
    fc.assert(
      fc.property(damaged, (input) => {
        const before = canonical(world.flag('a'))
        const result = attempt(world, putConfiguration(world.environment(), 'a', input as never, ANY))
        if (result instanceof Problem) {
          expect(result.type).toBe('invalid-document')
          expect(result.details.errors?.length).toBeGreaterThan(0)
          expect(canonical(world.flag('a'))).toBe(before)
        } else {
          expectSound(world)
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('any sequence of edits', () => {
  it('leaves flags that work, references that hold, and no cycle', () => {
    const step = fc.oneof(
      fc.tuple(fc.constant('flag'), fc.constantFrom(...FLAGS), configuration),
      fc.tuple(
        fc.constant('segment'),
        fc.constantFrom(...SEGMENTS),
        fc.record({ when: condition }, { requiredKeys: [] }),
      ),
      fc.tuple(fc.constant('delete'), fc.constantFrom(...SEGMENTS), fc.constant({})),
      fc.tuple(fc.constant('batch'), fc.constantFrom(...FLAGS), configuration),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const world = populated()
        const env = world.environment()
        for (const [what, key, document] of steps as [string, string, { [name: string]: Json }][]) {
          if (what === 'flag') attempt(world, putConfiguration(env, key, document as never, ANY))
          if (what === 'segment') {
            const exists = entriesOf(world.state(env), 'segment').has(key)
            attempt(world, putSegment(env, key, document as never, exists ? ANY : {}))
          }
          if (what === 'delete') attempt(world, deleteSegment(env, key, ANY))
          if (what === 'batch') {
            attempt(
              world,
              commitAll(env, [
                { op: 'put', kind: 'flag', key, definition: document },
                { op: 'delete', kind: 'flag', key: 'd' },
              ]),
            )
          }
          expectSound(world)
        }
      }),
      { numRuns: 60 },
    )
  })
})

describe('members', () => {
  const unit = fc.oneof(
    fc.constantFrom('anna', 'Anna', 'ben', 'carl', 'dora', 'ÉVA', 'éva'),
    fc.nat(30).map(String),
  )
  const list = fc.array(unit, { maxLength: 12 })
  const edit = fc.record({
    included: fc.record({ add: list, remove: list }),
    excluded: fc.record({ add: list, remove: list }),
  })

  it('are what sets of them would be, in their chunks, sorted, never in both lists', () => {
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 8 }), (edits) => {
        const world = populated()
        const env = world.environment()
        const model = { included: new Set<string>(), excluded: new Set<string>() }
        for (const change of edits) {
          const before = world.state(env)
          const result = attempt(world, editMembers(env, 's', change))
          if (!(result instanceof Problem)) {
            for (const name of ['included', 'excluded'] as const) {
              for (const removed of change[name].remove) model[name].delete(removed)
              for (const added of change[name].add) model[name].add(added)
              expect(result.counts[name]).toBe(model[name].size)
            }
          }
          const state = world.state(env)
          expect(world.members('s')).toEqual({
            included: [...model.included].sort(),
            excluded: [...model.excluded].sort(),
          })
          expect(countMembers(state, 's')).toEqual({
            included: model.included.size,
            excluded: model.excluded.size,
          })
          expect(model.included.size + model.excluded.size).toBe(
            new Set([...model.included, ...model.excluded]).size,
          )
          for (const [key, { definition }] of entriesOf(state, 'members')) {
            const { included, excluded } = definition as { included: string[]; excluded: string[] }
            for (const one of [...included, ...excluded]) expect(key).toBe(`s/${memberChunk(one)}`)
            expect([included, excluded]).toEqual([[...included].sort(), [...excluded].sort()])
          }
          expect([...allMembers(state, 's', 'included')].sort()).toEqual([...model.included].sort())
          expect(before).not.toBe(undefined)
        }
      }),
      { numRuns: 100 },
    )
  })

  it('replaced are exactly those that are given', () => {
    fc.assert(
      fc.property(list, list, list, (first, second, excluded) => {
        const world = populated()
        const env = world.environment()
        world.commit(replaceMembers(env, 's', { included: first }))
        const result = attempt(world, replaceMembers(env, 's', { included: second, excluded }))
        if (result instanceof Problem) return
        expect(world.members('s')).toEqual({
          included: [...new Set(second)].sort(),
          excluded: [...new Set(excluded)].sort(),
        })
        const [before, after] = [new Set(first), new Set(second)]
        expect(result.included).toEqual({
          added: [...after].filter((one) => !before.has(one)).length,
          present: [...after].filter((one) => before.has(one)).length,
          removed: [...before].filter((one) => !after.has(one)).length,
          absent: 0,
        })
      }),
    )
  })
})

describe('the growth of a state', () => {
  const kept = fc.jsonValue() as fc.Arbitrary<Json>
  it('is the difference of the bytes of its canonical texts', () => {
    fc.assert(
      fc.property(kept, kept, (before, after) => {
        const world = World.started()
        const env = world.environment()
        world.apply(env, [{ kind: 'flag', key: 'a', definition: before ?? 0 }])
        const { state, bytes } = world.view(env)
        const edits = [{ kind: 'flag', key: 'a', definition: after }]
        world.apply(env, edits)
        expect(growthOf(state, edits)).toBe(world.view(env).bytes - bytes)
      }),
    )
  })
})
