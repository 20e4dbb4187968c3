import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { SDK_VERSION } from '../../../sdk/transport/version.ts'

test('the version that requests name is the package’s', () => {
  const manifest = readFileSync(new URL('../../../sdk/package.json', import.meta.url), 'utf8')
  expect(SDK_VERSION).toBe(JSON.parse(manifest).version)
})
