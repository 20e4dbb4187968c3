/** Documents that no service would publish, and the way past it: into the tables, with SQL. */
import pg from 'pg'
import { expect } from 'vitest'

/** By the key of the flag that becomes so. */
export const NONSENSE: Readonly<Record<string, string>> = {
  'bad-rules':
    '{"type":"boolean","enabled":true,"visibility":"server","variants":{"on":true,"off":false},"offVariant":"off","prerequisites":[],"targets":[],"rules":17,"fallthrough":{"variant":"on"}}',
  'bad-cycle':
    '{"type":"boolean","enabled":true,"visibility":"server","variants":{"on":true,"off":false},"offVariant":"off","prerequisites":[{"flag":"bad-cycle","variants":["on"]}],"targets":[],"rules":[],"fallthrough":{"variant":"on"}}',
  'bad-split':
    '{"type":"boolean","enabled":true,"visibility":"server","variants":{"on":true,"off":false},"offVariant":"off","prerequisites":[],"targets":[],"rules":[],"fallthrough":{"split":{"by":"targetingKey","salt":"s","shares":[{"variant":"on","percent":-5}],"ranges":[{"variant":"gone","from":-1,"to":1e300}]}}}',
  'bad-proto':
    '{"__proto__":{"enabled":true},"type":"boolean","variants":{"__proto__":true},"offVariant":"__proto__"}',
  'bad-null': '{"rules":null}',
}

/** Replaces a flag's document in its table. */
export async function putBySql(url: string, key: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rowCount } = await client.query(
      `UPDATE halyard.entries SET text = $2 WHERE kind = 'flag' AND key = $1 AND superseded_at_revision IS NULL
       AND log_id IN (SELECT id FROM halyard.logs WHERE kind = 'environment' AND environment = 'development')`,
      [key, text],
    )
    expect(rowCount).toBe(1)
  } finally {
    await client.end()
  }
}
