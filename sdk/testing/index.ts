/**
 * `@halyard/sdk/testing`: flags for an app's own tests and stories, in memory: no server, no timer, no clock.
 */
export { type Rule, type TestFlags, type Tracked, testFlags, type Values } from './test-flags.ts'
