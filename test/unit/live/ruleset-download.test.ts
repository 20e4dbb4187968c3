import { createHash } from 'node:crypto'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { stateOf, tagOf } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { createLiveMetrics } from '../../../server/live/metrics.ts'
import { createRulesetDownload, rulesetEtag } from '../../../server/live/ruleset-download.ts'
import { boolean, edited, started } from './support.ts'

const state = started({ 'flag/a': boolean(), 'flag/__proto__': boolean(), 'odd/kind': { kept: true } })

describe('the download of a ruleset', () => {
  it('is the state, in every encoding', async () => {
    const download = createRulesetDownload(createLiveMetrics())
    const [plain, gzip, br] = await Promise.all([
      download(state, 'identity'),
      download(state, 'gzip'),
      download(state, 'br'),
    ])
    for (const text of [plain.body, gunzipSync(gzip.body), brotliDecompressSync(br.body)]) {
      expect(stateOf(JSON.parse(text.toString()))).toEqual(state)
    }
  })

  it('is made once, however many ask at once and later', async () => {
    const metrics = createLiveMetrics()
    const download = createRulesetDownload(metrics)
    const [first, second] = await Promise.all([download(state, 'gzip'), download(state, 'gzip')])
    expect(second).toBe(first)
    expect(await download(state, 'gzip')).toBe(first)
    expect(metrics.rulesetsBuilt).toBe(2)
    await download(edited(state, { 'flag/a': null }), 'gzip')
    expect(metrics.rulesetsBuilt).toBe(4)
  })

  it('carries the SHA-256 of the state’s JSON, in every encoding', async () => {
    const download = createRulesetDownload(createLiveMetrics())
    const { body, sha256 } = await download(state, 'identity')
    expect(sha256).toBe(createHash('sha256').update(body).digest('base64'))
    expect((await download(state, 'gzip')).sha256).toBe(sha256)
    expect((await download(state, 'br')).sha256).toBe(sha256)
  })

  it('has an ETag of the state tag, another for each encoding and each state', async () => {
    const download = createRulesetDownload(createLiveMetrics())
    expect((await download(state, 'identity')).etag).toBe(`"${tagOf(state)}"`)
    const next = edited(state, { 'flag/a': null })
    const etags = [state, next].flatMap((one) =>
      (['identity', 'gzip', 'br'] as const).map((encoding) => rulesetEtag(one, encoding)),
    )
    expect(new Set(etags).size).toBe(6)
    for (const etag of etags) expect(etag).toMatch(/^"[\x21\x23-\x7e]+"$/)
  })
})
