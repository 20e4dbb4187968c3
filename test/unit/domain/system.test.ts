import { beforeEach, describe, expect, it } from 'vitest'
import {
  bootstrap,
  createProject,
  deleteProject,
  environmentOf,
  projectOf,
  SYSTEM,
  updateProject,
} from '../../../server/domain/index.ts'
import { ANY, pointersOf, problemOf, World } from './world.ts'

let world: World
beforeEach(() => {
  world = World.started()
})

describe('the first start', () => {
  it('makes project default with three environments, development open to localhost', () => {
    expect(projectOf(world.state(SYSTEM), 'default')?.name).toBe('Default')
    const project = world.state(world.project)
    expect([...project.entries.get('environment')!.keys()]).toEqual(['development', 'staging', 'production'])
    expect(environmentOf(project, 'development')?.settings.corsOrigins).toEqual([
      'http://localhost:*',
      'http://127.0.0.1:*',
    ])
    expect(world.state(world.environment('staging'))).toMatchObject({
      project: 'default',
      environment: 'staging',
    })
  })

  it('happens once', () => {
    const again = world.commit(bootstrap())
    expect([again.result.created, again.edits.size]).toEqual([false, 0])
  })

  it('needs the system log', () => {
    expect(problemOf(() => world.run(bootstrap(), [])).type).toBe('project-not-found')
  })
})

describe('projects', () => {
  it('are created without environments', () => {
    const { result, opens } = world.commit(createProject({ key: 'shop' }))
    expect(result).toEqual({ id: expect.stringMatching(/^prj_/), key: 'shop', name: 'shop' })
    expect(opens).toEqual([
      { id: result.id, kind: 'project', parent: SYSTEM, project: 'shop', environment: '', entries: [] },
    ])
    expect(problemOf(() => world.run(createProject({ key: 'shop', name: 'Shop' }))).type).toBe(
      'already-exists',
    )
    expect(pointersOf(() => world.run(createProject({ key: '-', name: '', owner: 1 } as never)))).toEqual([
      '/owner',
      '/key',
      '/name',
    ])
  })

  it('are renamed', () => {
    expect(world.commit(updateProject('default', { name: 'Web' }, ANY)).result.name).toBe('Web')
    expect(world.commit(updateProject('default', {}, ANY)).edits.size).toBe(0)
    expect(pointersOf(() => world.run(updateProject('default', { name: 7 } as never, ANY)))).toEqual([
      '/name',
    ])
    expect(problemOf(() => world.run(updateProject('default', {}, {}))).type).toBe('precondition-required')
    const problem = problemOf(() => world.run(updateProject('defualt', {}, {})))
    expect([problem.type, problem.details.didYouMean]).toEqual(['project-not-found', 'default'])
  })

  it('are deleted with all of their logs', () => {
    const ids = [...world.logs.keys()].filter((id) => id !== SYSTEM)
    expect(problemOf(() => world.run(deleteProject('default', {}))).type).toBe('precondition-required')
    expect(problemOf(() => world.run(deleteProject('default', ANY), [SYSTEM])).type).toBe('project-not-found')
    const { closes } = world.commit(deleteProject('default', ANY))
    expect([...closes!].sort()).toEqual(ids.sort())
    expect(projectOf(world.state(SYSTEM), 'default')).toBeUndefined()
  })
})
