/** Keys, as they are shown and taken: never their text, but for the once. */
import { z } from 'zod'
import { Instant } from './documents.ts'
import { Name, stamp, written } from './resources.ts'

export const SdkKey = z.strictObject({
  id: z.string(),
  kind: z.enum(['server', 'client']),
  name: Name,
  createdAt: Instant,
  expiresAt: Instant.exactOptional(),
  ...stamp,
})
export const SdkKeyInput = z.strictObject({
  kind: SdkKey.shape.kind,
  name: Name,
  expiresAt: Instant.nullable().optional(),
})
export const SdkKeyMade = written(SdkKey).extend({
  secret: z.string().meta({ description: 'Shown this once; not in a dry run' }).exactOptional(),
})
