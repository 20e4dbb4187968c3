/**
 * Where evaluations will be counted: per flag, variant, version and minute. Nothing is counted yet; this is the seam
 * that the client is built around.
 */
import type { Decision, FlagKey } from '../core/index.ts'

export type Telemetry = {
  /** Called on every evaluation: it may not allocate, throw or do I/O. */
  counted(key: FlagKey, decision: Decision): void
  /** Sends what was counted; resolves whatever happens, within its own deadline. */
  flush(): Promise<void>
}

/** Counts nothing. */
export const silent: Telemetry = {
  counted() {},
  async flush() {},
}
