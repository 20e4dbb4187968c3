import { expect, test } from 'vitest'
import { contextOf } from '../../../sdk/openfeature/context.ts'

test('dates become texts, wherever they are, and what has none stays what it is', () => {
  const at = new Date(0)
  const plain = { plan: 'pro', company: { country: 'fr' } }
  expect(contextOf(plain)).toBe(plain)
  const context = { at, list: [1, { at }], company: plain.company }
  expect(contextOf(context)).toEqual({
    at: '1970-01-01T00:00:00.000Z',
    list: [1, { at: '1970-01-01T00:00:00.000Z' }],
    company: plain.company,
  })
  expect(context.at).toBe(at)
})

test('what is held in many places is looked at once: all that hold each other are no tree', () => {
  let looks = 0
  const counting: ProxyHandler<object> = {
    ownKeys(held) {
      looks += 1
      return Reflect.ownKeys(held)
    },
  }
  const company: { users: object[]; since: Date } = { users: [], since: new Date(0) }
  for (let number = 0; number < 50; number++) {
    const user = { number, company, boss: company.users[0] }
    company.users.push(new Proxy(user, counting))
  }
  expect(contextOf({ plan: 'pro', since: company.since, user: company.users[1] })).toMatchObject({
    plan: 'pro',
    since: '1970-01-01T00:00:00.000Z',
    user: { company: { since: '1970-01-01T00:00:00.000Z' } },
  })
  expect(looks).toBeLessThan(200)
})
