/** `--timeout`: a number and its unit. A number alone is refused: 5 seconds were meant, and 5 milliseconds were taken. */
import { EXIT, Refusal } from './command.ts'

/**
 * @param among what is taken, in milliseconds
 * @returns milliseconds
 */
export function timeoutOf(text: string, among = { least: 0, most: Number.POSITIVE_INFINITY }): number {
  if (/^\d{1,6}$/.test(text)) {
    throw new Refusal(`--timeout ${text} has no unit: say ${text}s or ${text}ms.`, EXIT.usage)
  }
  const [, number, unit] = /^(\d{1,6})(ms|s)$/.exec(text) ?? []
  const ms = Number(number) * (unit === 's' ? 1_000 : 1)
  if (ms >= among.least && ms <= among.most) return ms
  const most = Number.isFinite(among.most) ? `, ${among.most / 1_000}s at most` : ''
  throw new Refusal(`--timeout is a time such as 500ms or 5s${most}.`, EXIT.usage)
}
