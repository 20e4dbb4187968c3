import { expect, onTestFinished, test, vi } from 'vitest'
import { createEmitter } from '../../../sdk/node/events.ts'
import { guarded } from '../../../sdk/node/logger.ts'

const change = { keys: ['a'], epoch: 1, revision: 2 }

function emitter() {
  const reported: unknown[] = []
  return { ...createEmitter((message, cause) => reported.push([message, cause])), reported }
}

test('listeners hear their event, in the order in which they came', () => {
  const { on, emit } = emitter()
  const heard: string[] = []
  on('change', () => heard.push('first'))
  on('stale', () => heard.push('never'))
  on('change', () => heard.push('second'))
  emit('change', change)
  expect(heard).toEqual(['first', 'second'])
})

test('what a listener throws, at once or later, is reported, and the others hear the event', async () => {
  const { on, emit, reported } = emitter()
  const heard: unknown[] = []
  on('change', () => {
    throw new Error('at once')
  })
  on('change', async () => {
    throw new Error('later')
  })
  on('change', (event) => heard.push(event))
  emit('change', change)
  await Promise.resolve()
  expect(heard).toEqual([change])
  expect(reported).toEqual([
    ['A listener of "change" failed', new Error('at once')],
    ['A listener of "change" failed', new Error('later')],
  ])
})

test('a function that listens twice is heard twice, and each subscription ends by itself', () => {
  const { on, emit, heard } = emitter()
  let times = 0
  const listener = () => {
    times += 1
  }
  const stop = on('change', listener)
  on('change', listener)
  stop()
  stop()
  emit('change', change)
  expect(times).toBe(1)
  expect([heard('change'), heard('stale')]).toEqual([true, false])
})

test('a listener may unsubscribe itself and others while the event goes round', () => {
  const { on, emit } = emitter()
  const heard: string[] = []
  const stop = on('change', () => {
    heard.push('once')
    stop()
  })
  on('change', () => heard.push('always'))
  emit('change', change)
  emit('change', change)
  expect(heard).toEqual(['once', 'always', 'always'])
})

test('an error that nobody listens to is no exception', () => {
  expect(() => emitter().emit('error', new Error('unheard'))).not.toThrow()
})

test('an unknown event, and a listener that is no function, are said at once', () => {
  const { on } = emitter()
  expect(() => on('changed' as 'change', () => {})).toThrow(
    /no event "changed": change, ready, stale, error are/,
  )
  expect(() => on('change', undefined as never)).toThrow(/must be a function/)
})

test('a logger whose promise rejects does not end the app', async () => {
  const unhandled = vi.fn()
  process.on('unhandledRejection', unhandled)
  onTestFinished(() => void process.off('unhandledRejection', unhandled))
  const fail = async (): Promise<void> => {
    throw new Error('the collector is away')
  }
  const logger = guarded({ warn: fail, error: fail })
  logger.warn('a')
  logger.error('b', new Error('c'))
  await new Promise(setImmediate)
  expect(unhandled).not.toHaveBeenCalled()
})

test('a logger that throws, or lacks what it may lack, breaks nothing', () => {
  const logger = guarded({
    warn: () => {
      throw new Error('disk full')
    },
    error: () => {},
  })
  expect(() => {
    logger.warn('a')
    logger.error('b', new Error('c'))
    logger.info('d')
    logger.debug('e')
  }).not.toThrow()
})
