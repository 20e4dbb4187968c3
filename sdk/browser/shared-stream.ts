/**
 * One event stream for all tabs of a browser: the tab that holds the lock listens, and tells the others. Where a
 * browser has no locks (an insecure page) each tab listens for itself.
 */
export type SharedStream = {
  /** Listen at this address, or to the tab that does; none: not any more. */
  follow(uri: string | false | undefined): void
  /** The last call. */
  close(): void
}

/** A changed state, as `"epoch-revision"`; or whether a stream is open, in this tab or another. */
type News = string | boolean

/**
 * @param name of the lock and the channel: the same for all who would listen to the same stream
 * @param hear told the news, or null: this tab's stream was closed for good, its address may be past its time
 */
export function createSharedStream(name: string, hear: (news: News | null) => void): SharedStream {
  const channel = new BroadcastChannel(name)
  let address: string | false | undefined
  let turn: AbortController | undefined
  let source: EventSource | undefined

  function say(news: News): void {
    channel.postMessage(news)
    hear(news)
  }

  function open(): void {
    source?.close()
    if (!address) return
    const opened = new EventSource(address)
    source = opened
    opened.onopen = () => say(true)
    opened.onmessage = ({ data }) => {
      const { type, etag } = JSON.parse(data)
      if (type === 'refetchEvaluation') say(etag)
    }
    opened.onerror = () => {
      say(false)
      if (opened.readyState === 2) hear(null)
    }
  }

  /** Resolves when the turn of this tab is over. */
  const lead = ({ signal }: AbortController): Promise<void> =>
    new Promise((done) => {
      open()
      signal.onabort = () => {
        source?.close()
        source = undefined
        done()
      }
    })

  function begin(mine: AbortController): void {
    const { signal } = mine
    channel.postMessage(null)
    // The lock may have been granted to one whose turn is over by now, who would keep it for good.
    const take = (): unknown => signal.aborted || lead(mine)
    const locks = navigator.locks
    if (locks) locks.request(name, { signal }, take).catch(take)
    else take()
  }

  channel.onmessage = ({ data }) => {
    // Null asks whether a stream is open.
    if (data !== null) hear(data)
    else if (source?.readyState === 1) channel.postMessage(true)
  }

  return {
    follow(uri) {
      if (uri === address) return
      address = uri
      if (!uri) {
        turn?.abort()
        turn = undefined
      } else if (turn) {
        if (source) open()
      } else {
        turn = new AbortController()
        begin(turn)
      }
    },
    close() {
      channel.close()
    },
  }
}
