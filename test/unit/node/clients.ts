/** Clients on a clock that is a hundred times faster, and what they said. */

import { onTestFinished } from 'vitest'
import { type Client, connectIn } from '../../../sdk/node/client.ts'
import type { Logger } from '../../../sdk/node/logger.ts'
import type { ConnectOptions } from '../../../sdk/node/options.ts'
import { SURROUNDINGS, type Surroundings, TIMING, type Timing } from '../../../sdk/node/timing.ts'
import { KEY } from './wire-server.ts'

export const FAST: Timing = {
  ...TIMING,
  firstMs: 20,
  mostMs: 100,
  healthyMs: 1_000,
  heartbeatMs: 40,
  firstEventMs: 5_000,
  pollMs: 60,
  pollBesideStreamMs: 60_000,
  refusedMs: 200,
  reloadGapMs: 20,
  headersMs: 5_000,
  bodyMs: 10_000,
  cacheDelayMs: 10,
  cacheTouchMs: 10,
}

export type Logged = { readonly level: keyof Logger; readonly message: string; readonly cause?: unknown }

export function recorder(): { readonly logged: Logged[]; readonly logger: Logger; text(): string } {
  const logged: Logged[] = []
  const at = (level: keyof Logger) => (message: string, cause?: unknown) => {
    logged.push({ level, message, cause })
  }
  return {
    logged,
    logger: { warn: at('warn'), error: at('error'), info: at('info') },
    text: () => logged.map(({ level, message, cause }) => `${level} ${message} ${cause ?? ''}`).join('\n'),
  }
}

export type FastOptions = ConnectOptions & {
  readonly timing?: Partial<Timing>
  readonly surroundings?: Partial<Surroundings>
}

/** Connects, and closes when the test ends. */
export async function fast({ timing, surroundings, ...options }: FastOptions): Promise<Client> {
  const client = await connectIn(
    { key: KEY, logger: recorder().logger, startTimeoutMs: 5_000, ...options },
    { ...SURROUNDINGS, ...surroundings, timing: { ...FAST, ...timing } },
  )
  onTestFinished(() => client.close())
  return client
}
