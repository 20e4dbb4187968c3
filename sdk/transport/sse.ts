/**
 * An incremental parser of event streams, as the WHATWG HTML standard has it (section 9.2.6, "Interpreting an event
 * stream"). It takes bytes however they were cut, holds a bounded amount of them, and does no I/O.
 */
import { TransportError } from './errors.ts'

export type ServerEvent = {
  /** The event's type; `message` where it has none. */
  readonly type: string
  readonly data: string
  /** The `id` field of this very event; undefined where it has none. */
  readonly id: string | undefined
  /** The last id that the stream has set, by this event or an earlier one; empty where none has. */
  readonly lastEventId: string
}

export type EventParserOptions = {
  readonly onEvent: (event: ServerEvent) => void
  /** A `retry` field: milliseconds, as the stream gave them. */
  readonly onRetry?: (ms: number) => void
  /** The longest event, in UTF-16 code units, unfinished lines included. */
  readonly mostCharacters: number
}

export type EventParser = {
  /** Takes the next bytes; throws `TransportError` `oversize` on an event above the bound, and is of no use after. */
  push(bytes: Uint8Array): void
}

const LF = 10

/** An event that is not finished when the stream ends is lost, as the standard wants: there is no `end`. */
export function createEventParser(options: EventParserOptions): EventParser {
  // The decoder drops one leading byte order mark and keeps a code point that was cut until its rest arrives.
  const decoder = new TextDecoder('utf-8')
  let partial = ''
  let endedWithCarriageReturn = false
  let type = ''
  let data = ''
  let hasData = false
  let id: string | undefined
  let lastEventId = ''

  function dispatch(): void {
    const event = { type: type === '' ? 'message' : type, data, id, lastEventId }
    const complete = hasData
    type = ''
    data = ''
    hasData = false
    id = undefined
    if (complete) options.onEvent(event)
  }

  function field(name: string, value: string): void {
    switch (name) {
      case 'data':
        data = hasData ? `${data}\n${value}` : value
        hasData = true
        break
      case 'event':
        type = value
        break
      case 'id':
        if (!value.includes('\0')) {
          id = value
          lastEventId = value
        }
        break
      case 'retry':
        if (/^[0-9]+$/.test(value)) options.onRetry?.(Number(value))
        break
      default:
        break
    }
  }

  function line(text: string): void {
    if (text === '') {
      dispatch()
      return
    }
    const colon = text.indexOf(':')
    if (colon === 0) return
    if (colon === -1) {
      field(text, '')
      return
    }
    field(text.slice(0, colon), text.slice(text.startsWith(' ', colon + 1) ? colon + 2 : colon + 1))
  }

  function bound(): void {
    if (partial.length + data.length + type.length > options.mostCharacters) {
      throw new TransportError('oversize', `An event is longer than ${options.mostCharacters} characters.`)
    }
  }

  return {
    push(bytes) {
      const text = decoder.decode(bytes, { stream: true })
      if (text === '') return
      let from = endedWithCarriageReturn && text.charCodeAt(0) === LF ? 1 : 0
      endedWithCarriageReturn = false
      let lineFeed = text.indexOf('\n', from)
      let carriageReturn = text.indexOf('\r', from)
      while (lineFeed !== -1 || carriageReturn !== -1) {
        const returned = carriageReturn !== -1 && (lineFeed === -1 || carriageReturn < lineFeed)
        const end = returned ? carriageReturn : lineFeed
        const whole = partial + text.slice(from, end)
        partial = ''
        line(whole)
        bound()
        from = end + 1
        if (returned) {
          if (from === text.length) endedWithCarriageReturn = true
          else if (text.charCodeAt(from) === LF) from += 1
          carriageReturn = text.indexOf('\r', from)
        }
        // Searched again only once passed: a stream without one kind of line end must not be scanned per line.
        if (lineFeed !== -1 && lineFeed < from) lineFeed = text.indexOf('\n', from)
      }
      partial += text.slice(from)
      bound()
    },
  }
}
