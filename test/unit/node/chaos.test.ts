/**
 * A wire that drops, repeats, delays, cuts and changes what it carries, connections that break at any byte, servers
 * that lag behind, come and go: whatever is served is one state of the server's, and never an older one.
 */
import { compareStates, rulesetOf, type State, tagOf } from '@halyard/sdk/core'
import type { Client } from '@halyard/sdk/node'
import { expect, onTestFinished, test } from 'vitest'
import { until } from '../../support/until.ts'
import { fast } from './clients.ts'
import { type Edit, edit, environment, flagOf } from './rulesets.ts'
import { startWireServer, type WireServer } from './wire-server.ts'

const FLAGS = ['a', 'b', 'c']

/** Mulberry32, seeded: a failure can be seen again. */
function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

function mangling(random: () => number): (frame: string) => readonly string[] {
  let late: string[] = []
  return (frame) => {
    const chance = random()
    const at = Math.floor(random() * frame.length)
    const before = late
    late = []
    if (chance < 0.15) return before
    if (chance < 0.3) return [frame, ...before, frame]
    if (chance < 0.45) {
      late = [...before, frame]
      return []
    }
    if (chance < 0.6)
      return [
        frame.slice(0, at) + String.fromCharCode(33 + Math.floor(random() * 90)) + frame.slice(at + 1),
        ...before,
      ]
    if (chance < 0.7) return [frame.slice(0, at), ...before]
    return [...before, frame]
  }
}

/** Checks every answer against the state that it names, and that states only move forward. */
function witness(flags: Client, known: ReadonlyMap<string, State>): () => void {
  let newest = { epoch: 0, revision: 0 }
  return () => {
    const { epoch, revision } = flags.status()
    expect(compareStates({ epoch, revision }, newest)).toBeGreaterThanOrEqual(0)
    newest = { epoch, revision }
    const state = known.get(`${epoch}-${revision}`)
    for (const key of FLAGS) {
      const definition = state?.entries.get('flag')?.get(key)?.definition as
        | { variants: { on: number } }
        | undefined
      expect(flags.number(key, -1)).toBe(definition?.variants.on ?? -1)
    }
  }
}

test.each([1, 2, 3, 4])('seed %i', async (seed) => {
  const random = seeded(seed)
  const first = environment({ a: flagOf(1) })
  const known = new Map([[tagOf(first), first]])
  const start = async (state: State, port = 0): Promise<WireServer> => {
    const server = await startWireServer(state, { port, heartbeatMs: 15 })
    server.mangle(mangling(random))
    server.instead.ruleset = (request, response) => {
      const states = [...known.values()]
      const old = states[Math.floor(random() * states.length)]
      if (old === undefined || random() < 0.6) server.ruleset(request, response)
      else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(rulesetOf(old)))
    }
    onTestFinished(() => server.stop())
    return server
  }
  let server = await start(first)
  const flags = await fast({
    url: server.url,
    timing: { pollMs: 100, firstMs: 5, mostMs: 20, reloadGapMs: 5 },
  })
  const check = witness(flags, known)
  let changes = 0
  flags.on('change', () => {
    changes += 1
    check()
  })

  for (let step = 0; step < 150; step++) {
    const chance = random()
    const key = FLAGS[Math.floor(random() * FLAGS.length)] ?? 'a'
    const edits: Edit[] = [{ key, definition: random() < 0.2 ? null : flagOf(step) }]
    if (chance < 0.04) for (const socket of server.sockets) socket.destroy()
    else if (chance < 0.06) {
      await server.stop()
      server = await start(server.state, server.port)
    } else if (chance < 0.08) {
      server.become({ ...edit(server.state, edits), epoch: server.state.epoch + 1 })
    } else server.edit(edits)
    known.set(tagOf(server.state), server.state)
    check()
    // Mostly the client has its turn before the next edit; sometimes many arrive at once.
    for (let turns = random() * 8; turns > 2; turns--) await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await until('the newest state is held', () => {
    check()
    const { epoch, revision } = flags.status()
    return epoch === server.state.epoch && revision === server.state.revision
  })
  expect(flags.status().state).toBe('ready')
  expect(changes).toBeGreaterThan(20)
})
