/** Notes in a real Redis: for how long they can be found, and how long whoever leaves one may wait. */
import { describe, expect, it } from 'vitest'
import { redisKillSpread } from '../../../server/live/redis/kill-spread.ts'
import { redisNoticeboard } from '../../../server/live/redis/noticeboard.ts'
import { canStartRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'
import { redisRoom, timeOf } from './support.ts'

describe.runIf(canStartRedis())('a note in Redis', () => {
  const room = redisRoom()

  it('of accepted kills is found for as long as it stands there, though nobody put it up again', async () => {
    const server = await room.server()
    await redisKillSpread(room.link(server.url), 'ours').send('kills1', 'sealed')
    const note = Number(await server.cli('pttl', 'halyard:ours:accepted-kill:kills1'))
    const names = Number(await server.cli('pttl', 'halyard:ours:accepted-kills'))
    expect(note).toBeGreaterThan(23 * 60 * 60 * 1000)
    expect(names).toBeGreaterThanOrEqual(note - 1_000)
  })

  it('keeps nobody waiting for long where Redis is frozen, and nobody has noticed it yet', async () => {
    const server = await room.server()
    const link = room.link(server.url)
    const board = redisNoticeboard(link, 'ours', 'account')
    await until('it is connected', () => link.usable())
    await board.put('one', 'well', 15_000)
    server.freeze()
    for (const asked of [() => board.put('one', 'late', 15_000), board.all]) {
      const answer = asked()
      expect(await timeOf(answer)).toBeLessThan(5_000)
      await expect(answer).rejects.toThrow('no answer within')
    }
    server.thaw()
    await until('it goes on', async () => (await board.all().catch(() => [])).length === 1)
  })
})
