/** The `.d.ts` that names an app's flags, and what one says that was written before. */

import type { FlagType, Json } from '../shapes.ts'
import { nameOf, typeOfObjects, typeOfSchemas } from './values.ts'

export type Known = {
  readonly key: string
  readonly type: FlagType
  readonly description: string
  /** What it may give, in any environment. */
  readonly values: readonly Json[]
  readonly schemas: readonly { readonly [keyword: string]: Json }[]
}

/** The same flags give the same text, so that it can be committed and compared. */
export function declarationOf(flags: readonly Known[], openFeature: boolean): string {
  const sorted = [...flags].sort((a, b) => (a.key < b.key ? -1 : 1))
  const entries = sorted.flatMap((flag) => [
    ...(flag.description === '' ? [] : [`    /** ${commentOf(flag.description)} */`]),
    `    ${nameOf(flag.key)}: ${typeOf(flag)}`,
  ])
  return [
    '// Written by `halyard types`: do not edit.',
    ...(openFeature ? ["import type { FlagKeyOf } from '@halyard/sdk/flags'"] : []),
    '',
    "declare module '@halyard/sdk/flags' {",
    '  interface Flags {',
    ...entries,
    '  }',
    '}',
    ...(openFeature ? OPEN_FEATURE : []),
    '',
    'export {}',
    '',
  ].join('\n')
}

const OPEN_FEATURE = [
  '',
  "declare module '@openfeature/core' {",
  "  export type BooleanFlagKey = FlagKeyOf<'boolean'>",
  "  export type StringFlagKey = FlagKeyOf<'string'>",
  "  export type NumberFlagKey = FlagKeyOf<'number'>",
  "  export type ObjectFlagKey = FlagKeyOf<'object'>",
  '}',
]

function typeOf({ type, values, schemas }: Known): string {
  if (type !== 'object') return type
  return schemas.length > 0 ? typeOfSchemas(schemas) : typeOfObjects(values)
}

function commentOf(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim().replaceAll('*/', '*\\/')
}

/** The flags that such a file names, with their types as text. */
export function entriesOf(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const [, quoted, plain, type] of text.matchAll(/^ {4}(?:'((?:[^'\\]|\\.)*)'|([\w$]+)): (.+)$/gm)) {
    found.set(plain ?? (quoted ?? '').replaceAll(/\\(.)/g, '$1'), type ?? '')
  }
  return found
}
