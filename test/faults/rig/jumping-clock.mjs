/**
 * Loaded into an app: its wall clock jumps a day ahead at SIGWINCH, and two days back at SIGURG, as when a machine is
 * set right. The monotonic clock goes on, as it does then.
 */
const DAY_MS = 86_400_000
const RealDate = Date
let offset = 0

class JumpingDate extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(RealDate.now() + offset)
    else super(...args)
  }
  static now() {
    return RealDate.now() + offset
  }
}
globalThis.Date = JumpingDate
process.on('SIGWINCH', () => {
  offset += DAY_MS
})
process.on('SIGURG', () => {
  offset -= 2 * DAY_MS
})
