/**
 * `GET /sdk/v1/ruleset`: the whole of a state as bytes, made once for each encoding and shared by all who download
 * it meanwhile. What was made is let go with its state.
 */
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { type State, tagOf } from '@halyard/sdk/core'
import type { Encoded } from './live.ts'
import type { LiveMetrics } from './metrics.ts'
import { gathered, rulesetText } from './ruleset-text.ts'

type Encoding = Encoded['encoding']
export type RulesetDownload = (state: State, encoding: Encoding) => Promise<Encoded>

const compressGzip = promisify(gzip)
const compressBrotli = promisify(brotliCompress)

/** Every encoding is another representation, so it has another strong validator (RFC 9110, 8.8.3.3). */
export function rulesetEtag(state: State, encoding: Encoding): string {
  return `"${tagOf(state)}${encoding === 'identity' ? '' : `;${encoding}`}"`
}

export function createRulesetDownload(metrics: LiveMetrics): RulesetDownload {
  const made = new WeakMap<State, Map<Encoding, Promise<Encoded>>>()

  async function make(state: State, encoding: Encoding): Promise<Encoded> {
    metrics.rulesetsBuilt++
    const etag = rulesetEtag(state, encoding)
    if (encoding === 'identity') {
      const hash = createHash('sha256')
      const body = await gathered(rulesetText(state), (part) => hash.update(part))
      return { body, encoding, etag, sha256: hash.digest('base64') }
    }
    const { body, sha256 } = await download(state, 'identity')
    return { body: await compress(body, encoding), encoding, etag, sha256 }
  }

  function download(state: State, encoding: Encoding): Promise<Encoded> {
    const encodings = made.get(state) ?? new Map<Encoding, Promise<Encoded>>()
    made.set(state, encodings)
    const known = encodings.get(encoding)
    if (known !== undefined) return known
    const making = make(state, encoding)
    encodings.set(encoding, making)
    // A failure (memory) is the answer of those who waited for it, not of all who come later.
    making.catch(() => encodings.delete(encoding))
    return making
  }

  return download
}

/** Brotli 5 and gzip 6: near the best size at a tenth of the time, since every new state is compressed anew. */
function compress(body: Buffer, encoding: 'gzip' | 'br'): Promise<Buffer> {
  if (encoding === 'gzip') return compressGzip(body, { level: 6 })
  return compressBrotli(body, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: 5,
      [constants.BROTLI_PARAM_SIZE_HINT]: body.length,
      [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
    },
  })
}
