import { describe, expect, it } from 'vitest'
import { noticeText, readNotice } from '../../../server/domain/notice.ts'

const notice = { log: 'env_1', epoch: 1_700_000_000, revision: 3 }

describe('a notice', () => {
  it('is read by every other instance, and by its own as nothing', () => {
    const text = noticeText(notice, 'one')
    expect(readNotice(text, 'other')).toEqual(notice)
    expect(readNotice(text, 'one')).toBeUndefined()
  })

  it('carries nothing but where to look', () => {
    const more = { ...notice, definition: 'canary' }
    expect(Object.keys(JSON.parse(noticeText(more, 'one'))).sort()).toEqual([
      'epoch',
      'from',
      'log',
      'revision',
    ])
  })

  it('is none where anything else came', () => {
    const others = [
      '',
      '{',
      'null',
      '[]',
      '"text"',
      '{"log":1,"epoch":1,"revision":1,"from":"one"}',
      '{"log":"env_1","epoch":"1","revision":1,"from":"one"}',
      '{"log":"env_1","epoch":1,"revision":"1","from":"one"}',
      '{"log":"env_1","epoch":1,"revision":1}',
    ]
    for (const text of others) expect(readNotice(text, 'other')).toBeUndefined()
  })
})
