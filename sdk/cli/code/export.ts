/** A project as the file that plan and apply read, without what is a default anyway. */
import { stringify } from 'yaml'
import { type Api, at } from '../api.ts'
import { environmentsOf } from '../flags.ts'
import type { Configuration, Flag, Segment } from '../shapes.ts'
import { compactConfiguration, compactSegment, definitionOf } from './compact.ts'

export type Exported = { readonly content: object; readonly text: string }

const HEAD = '# Flags as code: halyard plan -f <this file> says what an apply would change.\n'

/** @param only the environments to write; undefined: all that the key sees */
export async function exported(
  api: Api,
  project: string,
  only: readonly string[] | undefined,
): Promise<Exported> {
  const flags = await api.all<Flag>(at('projects', project, 'flags'), { limit: 1000 })
  const environments: Record<string, object> = {}
  for (const environment of only ?? (await environmentsOf(api, project))) {
    const base = ['projects', project, 'environments', environment] as const
    const segments = await api.all<Segment>(at(...base, 'segments'), { limit: 1000 })
    const configurations = await api.all<Configuration>(at(...base, 'flags'), { limit: 1000 })
    environments[environment] = {
      segments: byKey(segments, (segment) => compactSegment(definitionOf(segment))),
      flags: byKey(configurations, (one) => compactConfiguration(one.key, definitionOf(one))),
    }
  }
  const content = { project, flags: byKey(flags, identityOf), environments }
  return { content, text: HEAD + stringify(content, { lineWidth: 0, aliasDuplicateObjects: false }) }
}

function identityOf({ type, description, tags, owner, temporary, expiresAt }: Flag): object {
  return {
    type,
    ...(description !== '' && { description }),
    ...(tags.length > 0 && { tags }),
    ...(owner !== null && { owner }),
    ...(temporary && { temporary }),
    ...(expiresAt !== undefined && { expiresAt }),
  }
}

function byKey<T extends { readonly key: string }>(items: readonly T[], shown: (item: T) => object): object {
  return Object.fromEntries(items.map((item) => [item.key, shown(item)]))
}
