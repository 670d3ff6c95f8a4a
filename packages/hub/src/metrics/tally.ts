/** A histogram in plain numbers, so that one thread can observe and another read. */
export interface Tally {
  observe(value: number): void
  read(): TallyReading
}

export interface TallyReading {
  readonly sum: number
  readonly count: number
  readonly bounds: readonly number[]
  /** How many values were at most the bound with the same index. */
  readonly atMost: readonly number[]
}

/** How many numbers a tally needs: a sum, one for each bound, and one for larger values. */
export function tallyLength(bounds: readonly number[]): number {
  return bounds.length + 2
}

/**
 * @param cells - `tallyLength` numbers, all 0 at first. One thread observes; others only read, and may see a value in
 *   the count that is not in the sum yet.
 */
export function createTally(cells: Float64Array, bounds: readonly number[]): Tally {
  const add = (at: number, by: number): void => {
    cells[at] = (cells[at] ?? 0) + by
  }
  return {
    observe(value) {
      let at = 0
      while (at < bounds.length && value > (bounds[at] ?? 0)) at++
      add(1 + at, 1)
      add(0, value)
    },
    read() {
      const atMost: number[] = []
      let count = 0
      for (let at = 0; at < bounds.length; at++) atMost.push((count += cells[1 + at] ?? 0))
      count += cells[1 + bounds.length] ?? 0
      return { sum: cells[0] ?? 0, count, bounds, atMost }
    },
  }
}
