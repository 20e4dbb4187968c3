/** Projects and environments, as they are shown and taken. */
import { z } from 'zod'
import { Key } from './documents.ts'
import { Name, puttable, STAMPS, stamp } from './resources.ts'

export const Project = z.strictObject({ key: Key, name: Name, ...stamp })
export const ProjectInput = z.strictObject({ key: Key, name: Name.optional() })
export const ProjectPatch = puttable(z.strictObject({ name: Name.optional() }), ['key', ...STAMPS])

export const Settings = z.strictObject({
  corsOrigins: z.array(z.string()).meta({
    description: 'Origins whose pages may evaluate here with a client key; `http://localhost:*` is any port',
  }),
  requireComment: z.boolean().meta({ description: 'Writes need a Halyard-Comment' }),
  confirmBulk: z.boolean(),
})
const SettingsInput = z.strictObject({
  corsOrigins: Settings.shape.corsOrigins.optional(),
  requireComment: Settings.shape.requireComment.optional(),
  confirmBulk: Settings.shape.confirmBulk.optional(),
})
export const Environment = z.strictObject({ key: Key, name: Name, settings: Settings, ...stamp })
export const EnvironmentInput = z.strictObject({
  key: Key,
  name: Name.optional(),
  from: Key.meta({ description: 'Copies this environment’s configurations and segments' }).optional(),
  settings: SettingsInput.optional(),
})
export const EnvironmentPatch = puttable(
  z.strictObject({ name: Name.optional(), settings: SettingsInput.optional() }),
  ['key', ...STAMPS],
)
