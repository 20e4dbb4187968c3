/** Keys, as they are shown and taken: never their text, but for the once. */
import { z } from 'zod'
import { Instant, Key } from './documents.ts'
import { ActionBody, Name, stamp, written } from './resources.ts'

/** What keys of every kind show. */
const common = {
  id: z.string(),
  name: Name,
  createdAt: Instant,
  expiresAt: Instant.meta({ description: 'From then on it opens nothing' }).exactOptional(),
  replaces: z.string().meta({ description: 'The id of the key that this one was made for' }).exactOptional(),
  replacedBy: z
    .string()
    .meta({ description: 'The id of the key that was made for this one' })
    .exactOptional(),
}
/** What a caller says of itself (`Halyard-App`, `Halyard-SDK`), cut to 64 characters each. */
export const KeyUse = z.strictObject({
  app: z.string().nullable(),
  version: z.string().nullable(),
  sdk: z.string().nullable(),
  at: Instant,
})
/** Of all instances: each tells the others within a minute. */
const uses = {
  lastUsedAt: Instant.nullable().meta({
    readOnly: true,
    description: 'To half a minute; an open stream is a use. Null: not in the last 90 days',
  }),
  lastUses: z.array(KeyUse).meta({
    readOnly: true,
    description: 'The newest ten, by app, version and SDK, as callers name themselves',
  }),
  lastUsesIncomplete: z
    .literal(true)
    .meta({ readOnly: true, description: 'The database did not answer: what this instance has seen, alone' })
    .exactOptional(),
}
const expiry = Instant.nullable().meta({ description: 'Without it, or null: it does not expire' }).optional()
const secret = {
  secret: z.string().meta({ description: 'Shown this once; not in a dry run' }).exactOptional(),
}

export const RotateBody = z.strictObject({
  graceSeconds: z
    .number()
    .meta({
      description:
        'For how long the old key is good still, but never past its own expiry: a day by default, 0 to 2,592,000 (30 days)',
    })
    .optional(),
  comment: ActionBody.shape.comment,
})
const rotation = {
  previous: z
    .strictObject({ id: z.string(), expiresAt: Instant })
    .meta({ description: 'The key that was rotated, and its end' }),
}

// --- SDK keys

const sdkKey = z.strictObject({ kind: z.enum(['server', 'client']), ...common, ...stamp })
export const SdkKey = sdkKey.extend(uses)
export const SdkKeyInput = z.strictObject({
  kind: sdkKey.shape.kind,
  name: Name,
  expiresAt: expiry,
})
export const SdkKeyMade = written(sdkKey).extend(secret)
export const SdkKeyRotated = SdkKeyMade.extend(rotation)

// --- management keys

export const Grant = z.strictObject({
  role: z.enum(['admin', 'editor', 'viewer', 'killer']),
  projects: z.array(Key).meta({ description: 'Without it: all' }).exactOptional(),
  environments: z
    .array(z.string())
    .meta({
      description: 'As `<project>/<environment>`; without it: all',
      examples: [['default/production']],
    })
    .exactOptional(),
})
export const GrantInput = z.strictObject({
  role: Grant.shape.role,
  projects: Grant.shape.projects.unwrap().optional(),
  environments: Grant.shape.environments.unwrap().optional(),
})
const apiKey = z.strictObject({ grants: z.array(Grant), ...common, ...stamp })
export const ApiKey = apiKey.extend(uses)
export const ApiKeyInput = z.strictObject({
  name: Name,
  grants: z.array(GrantInput).meta({
    description: 'What the key may do: each grant gives its role over its projects and environments',
  }),
  expiresAt: expiry,
})
export const ApiKeyMade = written(apiKey).extend(secret)
export const ApiKeyRotated = ApiKeyMade.extend(rotation)
/** The key that `HALYARD_ADMIN_KEY` sets. */
export const ConfiguredKey = z.strictObject({
  id: z.literal('admin'),
  name: Name,
  grants: z.array(Grant),
  configured: z.literal(true).meta({ description: 'In force for as long as HALYARD_ADMIN_KEY is set' }),
  ...uses,
})
