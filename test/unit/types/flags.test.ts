/** Types, by the compiler: programs that must compile, where each expected error must be one. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { ROOT } from '../../support/build.ts'

/** @returns what the compiler says: nothing, where all is well */
function compiled(folder: string): string {
  try {
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
    return execFileSync(process.execPath, [tsc, '-p', join(ROOT, 'test/types', folder)], { encoding: 'utf8' })
  } catch (error) {
    return String((error as { stdout?: unknown }).stdout ?? error)
  }
}

it('an unknown flag, and a default of another type, do not compile where flags are known', () => {
  expect(compiled('typed')).toBe('')
})

it('every key compiles where no flags are known', () => {
  expect(compiled('untyped')).toBe('')
})
