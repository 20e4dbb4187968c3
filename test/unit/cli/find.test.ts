/** Which flags a text names, and where. */
import { describe, expect, it } from 'vitest'
import { referencesIn } from '../../../sdk/cli/refs/find.ts'

const calls = (text: string): string[] =>
  referencesIn(text, new Set())
    .filter(({ by }) => by === 'call')
    .map(({ key }) => key)

describe('calls that ask for a flag', () => {
  it.each([
    ['this SDK', "flags.boolean('a', false)", ['a']],
    ['over several lines', "flags\n  .for(user)\n  .string(\n    'a.b-c_d',\n    'x')", ['a.b-c_d']],
    ['with a type', "flags.object<{ a: [1] }>('theme', {})", ['theme']],
    [
      'details, explain and override',
      "flags.details('a', 1); flags.explain('b'); featureFlags?.override('c', true)",
      ['a', 'b', 'c'],
    ],
    [
      'hooks',
      "useFlag('a', false); useFlagDetails(`b`, 1); useSuspenseFlag<string>(\"c\", '')",
      ['a', 'b', 'c'],
    ],
    ['OpenFeature’s hooks', "useBooleanFlagValue('a', false); useStringFlagDetails('b', '')", ['a', 'b']],
    [
      'OpenFeature in JavaScript and Java',
      'await client.getBooleanValue(\'a\', false, ctx); client.getObjectDetails("b", null)',
      ['a', 'b'],
    ],
    [
      'OpenFeature in Python',
      'client.get_boolean_value("a", False); client.get_string_details("b", "")',
      ['a', 'b'],
    ],
    [
      'OpenFeature in Go',
      'client.BooleanValue(ctx, "a", false, evalCtx); c.StringValueDetails(context.Background(), "b", "")',
      ['a', 'b'],
    ],
    [
      'OpenFeature in .NET and PHP',
      'client.GetBooleanValueAsync("a", false); $client->getFloatValue("b", 0.5)',
      ['a', 'b'],
    ],
    [
      'named arguments',
      'client.fetch_boolean_value(flag_key: "a", default_value: false); c.get_string_value(flag_key="b", default_value="")',
      ['a', 'b'],
    ],
  ])('%s', (_, text, keys) => {
    expect(calls(text)).toEqual(keys)
  })

  it.each([
    ['schemas', "z.string('must be a text'); z.number('x'); yup.boolean('a')"],
    ['keys that are put together', "flags.boolean('a-' + b, false); flags.boolean(key, false)"],
    ['other methods', "vi.override('a'); map.get('b', 1); logger.explain('c')"],
    ['other texts', "const a = 'checkout'"],
  ])('are not: %s', (_, text) => {
    expect(calls(text)).toEqual([])
  })
})

it('quoted texts count where they are keys, once a place, with line and column', () => {
  const text = "const KEY = 'checkout'\n\n  flags.boolean('checkout', false)\n// checkout, \"other\"\n"
  expect(referencesIn(text, new Set(['checkout']))).toEqual([
    { key: 'checkout', line: 1, column: 13, by: 'text' },
    { key: 'checkout', line: 3, column: 17, by: 'call' },
  ])
})
