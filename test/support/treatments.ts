/**
 * Treatments for the TCP proxy: what loses, holds back, changes, repeats and reorders bytes, and what answers in the
 * server's place.
 */
import type { Carry, Treatment } from './tcp-proxy.ts'

/**
 * From the moment that a client's bytes satisfy the condition, nothing that the server says reaches that client.
 * @param then what to do with the connection once the server has answered, such as to reset it
 */
export function losingAnswers(
  from: (bytes: Buffer) => boolean,
  then: (client: { resetAndDestroy(): unknown }) => void = () => {},
): Treatment {
  return ({ client }) => {
    let losing = false
    return {
      up: (bytes, pass) => {
        if (from(bytes)) losing = true
        pass(bytes)
      },
      down: (bytes, pass) => {
        if (!losing) pass(bytes)
        else then(client)
      },
    }
  }
}

/**
 * A buffering proxy: answers to requests that match are held until so many bytes are there.
 * @param request of the head that the client sent last on the connection
 */
export function holdingBack(request: RegExp, bytes: number): Treatment {
  return () => {
    let matches = false
    let held: Buffer[] = []
    return {
      up: (sent, pass) => {
        const head = sent.toString('latin1')
        if (HEAD.test(head)) matches = request.test(head)
        pass(sent)
      },
      down: (answered, pass) => {
        held.push(answered)
        const size = held.reduce((sum, piece) => sum + piece.length, 0)
        if (matches && size < bytes) return
        pass(Buffer.concat(held))
        held = []
      },
    }
  }
}

/** The server's bytes are changed: one of each piece, in that share of the pieces. */
export function corrupting(share: number, random: () => number): Treatment {
  return () => ({
    down: (bytes, pass) => {
      const changed = Buffer.from(bytes)
      if (random() < share) {
        const at = Math.floor(random() * changed.length)
        changed[at] = (changed[at] ?? 0) ^ (1 + Math.floor(random() * 255))
      }
      pass(changed)
    },
  })
}

/** After so many bytes of each connection the server falls silent, in the middle of what it says. */
export function stoppingAfter(bytes: number): Treatment {
  return () => {
    let left = bytes
    return {
      down: (answered, pass) => {
        if (left > 0) pass(answered.subarray(0, left))
        left -= answered.length
      },
    }
  }
}

/** Answers each request with this page and status 200, as a captive portal or an error page of a balancer does. */
export function answeringWith(page: string): Treatment {
  const text = `HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: ${Buffer.byteLength(page)}\r\n\r\n${page}`
  return ({ client }) => ({
    up: (bytes) => {
      if (HEAD.test(bytes.toString('latin1'))) client.write(text)
    },
    down: () => {},
  })
}

/**
 * The chunks of chunked HTTP answers, each of which is one event of a stream, are given to `mangle`, which says what is
 * sent in their place. Must treat a connection from its start.
 */
export function manglingChunks(mangle: (chunk: Buffer) => readonly Buffer[]): Treatment {
  return () => ({ down: chunks(mangle) })
}

/**
 * The messages that Redis publishes are given to `mangle`, which says what is passed on in their place; its answers go
 * through. Must treat a connection from its start.
 */
export function manglingMessages(mangle: (message: Buffer) => readonly Buffer[]): Treatment {
  return () => {
    let rest: Buffer = Buffer.alloc(0)
    return {
      down: (bytes, pass) => {
        rest = Buffer.concat([rest, bytes])
        for (let end = replyEnd(rest, 0); end !== undefined; end = replyEnd(rest, 0)) {
          const reply = rest.subarray(0, end)
          const published = /^[*>]\d+\r\n\$\d+\r\ns?message\r\n/.test(reply.toString('latin1', 0, 40))
          for (const passed of published ? mangle(Buffer.from(reply)) : [reply]) pass(passed)
          rest = rest.subarray(end)
        }
      },
    }
  }
}

/** Where the reply ends that begins there (Redis serialization protocol); undefined where it is not whole yet. */
function replyEnd(bytes: Buffer, from: number): number | undefined {
  const line = bytes.indexOf(CRLF, from)
  if (line < 0) return undefined
  const after = line + CRLF.length
  const type = String.fromCharCode(bytes[from] ?? 0)
  const count = Number(bytes.toString('latin1', from + 1, line))
  if ('$=!'.includes(type)) {
    const end = count < 0 ? after : after + count + CRLF.length
    return end <= bytes.length ? end : undefined
  }
  const values = '*>~'.includes(type) ? count : type === '%' ? 2 * count : 0
  let end: number | undefined = after
  for (let left = values; left > 0 && end !== undefined; left -= 1) end = replyEnd(bytes, end)
  return end
}

const HEAD = /^[A-Z]+ \S+ HTTP\/1\.1\r\n/
const CRLF = Buffer.from('\r\n')
const HEAD_END = Buffer.from('\r\n\r\n')

/** Reads heads and chunks (RFC 9112, 7.1) alone: an answer with Content-Length goes through as it is. */
function chunks(mangle: (chunk: Buffer) => readonly Buffer[]): Carry {
  let rest: Buffer = Buffer.alloc(0)
  let reading: 'head' | 'chunk' | 'all' = 'head'
  return (bytes, pass) => {
    rest = Buffer.concat([rest, bytes])
    for (;;) {
      if (reading === 'all') {
        pass(rest)
        rest = Buffer.alloc(0)
        return
      }
      if (reading === 'head') {
        const end = rest.indexOf(HEAD_END)
        if (end < 0) return
        const head = rest.subarray(0, end + HEAD_END.length)
        reading = /transfer-encoding: chunked/i.test(head.toString('latin1')) ? 'chunk' : 'all'
        pass(head)
        rest = rest.subarray(head.length)
        continue
      }
      const line = rest.indexOf(CRLF)
      if (line < 0) return
      const size = Number.parseInt(rest.toString('latin1', 0, line), 16)
      const end = line + CRLF.length + size + CRLF.length
      if (rest.length < end) return
      const chunk = rest.subarray(line + CRLF.length, end - CRLF.length)
      if (size === 0) {
        pass(rest.subarray(0, end))
        reading = 'head'
      } else {
        for (const sent of mangle(Buffer.from(chunk)))
          pass(Buffer.concat([Buffer.from(`${sent.length.toString(16)}\r\n`), sent, CRLF]))
      }
      rest = rest.subarray(end)
    }
  }
}
