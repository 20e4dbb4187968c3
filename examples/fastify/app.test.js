/** How the shop is tested: flags are set, no server is needed. `node --test examples/fastify` */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testFlags } from '@halyard/sdk/testing'
import { createApp } from './app.js'

test('who is on plan pro gets the new checkout', async () => {
  const flags = testFlags({ checkout: ({ plan }) => plan === 'pro' })
  const app = createApp(flags)
  const checkout = async (headers) => (await app.inject({ url: '/checkout', headers })).json().page

  assert.equal(await checkout({ 'x-plan': 'pro' }), 'new checkout')
  assert.equal(await checkout({}), 'old checkout')
  flags.set('checkout', true)
  assert.equal(await checkout({}), 'new checkout')
  await app.close()
})
