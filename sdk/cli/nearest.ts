/** The name that was probably meant. */

/** @returns the nearest candidate, where one is near; ties go to the first */
export function nearest(asked: string, candidates: Iterable<string>): string | undefined {
  const most = Math.max(1, Math.ceil(asked.length / 3))
  let best: string | undefined
  let least = most + 1
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - asked.length) >= least) continue
    const steps = distance(asked.toLowerCase(), candidate.toLowerCase())
    if (steps < least) [best, least] = [candidate, steps]
  }
  return best
}

/** Insertions, deletions and replacements (V. Levenshtein, 1966), a row at a time. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
